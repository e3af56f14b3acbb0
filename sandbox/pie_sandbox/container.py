"""What a sandbox container is made with: its walls, and the label that says who owns it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pie_sandbox.image import INSTALL_ROOT
from pie_sandbox.limits import SandboxLimits

LABEL = "org.trio-pie.sandbox"
WRITABLE = "/tmp"
SHARED_MEMORY_BYTES = 16 << 20
CPU_SHARES = 128  # of 1024: a spinning sandbox yields to the server
START = (
    f"import sys; sys.path.insert(0, {INSTALL_ROOT!r}); "
    "from pie_sandbox.guest.supervisor import main; main(int(sys.argv[1]))"
)


def container_specification(
    image: str, uid: int, limits: SandboxLimits, labels: Mapping[str, str]
) -> dict[str, object]:
    """Return the body of the engine's create call, with every wall in it."""
    return {
        "Image": image,
        "Cmd": ["python3", "-I", "-S", "-c", START, str(limits.interpreter_bytes)],
        "User": f"{uid}:{uid}",
        "WorkingDir": WRITABLE,
        "Env": [f"HOME={WRITABLE}", "USER=sandbox", "LOGNAME=sandbox", "LANG=C.UTF-8",
                "PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": _host_config(uid, limits),
    }  # fmt: skip


def _host_config(uid: int, limits: SandboxLimits) -> dict[str, object]:
    return {
        "NetworkMode": "none",
        "Dns": ["127.0.0.1"],
        "ReadonlyRootfs": True,
        "Tmpfs": {
            WRITABLE: f"rw,nosuid,nodev,noexec,size={limits.disk_bytes},"
            f"nr_inodes={limits.disk_inodes},uid={uid},gid={uid},mode=0700"
        },
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "PidsLimit": limits.processes,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": int(limits.cpus * 1e9),
        "CpuShares": CPU_SHARES,
        "OomScoreAdj": 500,
        "Ulimits": [
            _ulimit("nofile", limits.open_files),
            _ulimit("fsize", limits.file_bytes),
            _ulimit("core", 0),
            _ulimit("memlock", 64 << 10),
            _ulimit("msgqueue", 0),
            _ulimit("sigpending", 256),
        ],
        "IpcMode": "private",
        "ShmSize": SHARED_MEMORY_BYTES,
        "CgroupnsMode": "private",
        "LogConfig": {"Type": "none"},
        # The container goes by itself when its supervisor exits, also after a kill of the server.
        "AutoRemove": True,
        "Init": False,
    }


def _ulimit(name: str, value: int) -> dict[str, object]:
    return {"Name": name, "Soft": value, "Hard": value}


@cache
def seccomp_profile() -> str:
    """The allow list of system calls, as JSON."""
    return Path(__file__).with_name("seccomp.json").read_text()


def new_owner() -> str:
    """Return a label value that names this process so that its end can be seen later."""
    return f"{_boot_id()} {_pid_namespace()} {os.getpid()} {_started(os.getpid())} " + (
        secrets.token_hex(4)
    )


def is_orphan(owner: str, running: bool) -> bool:
    """Whether the process behind an owner label has ended.

    In doubt (it lives in a PID namespace that cannot be seen from here) a running container is
    somebody's.
    """
    try:
        boot, namespace, pid, started, _ = owner.split(" ")
    except ValueError:
        return not running
    if boot != _boot_id():
        return True
    if namespace != _pid_namespace():
        return not running
    return _started(int(pid)) != started


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _pid_namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
