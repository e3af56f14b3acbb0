"""Hostile programs in real containers: each is contained, named rightly, and harms no later call.

Skipped, with the reason, where no Docker engine answers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docker
import pytest
import trio

from pie_sandbox import (
    ExecutionLimits,
    ExecutionResult,
    Sandbox,
    SandboxPool,
    SandboxSettings,
    describe_backends,
    open_pool,
)
from pie_sandbox.container import LABEL
from pie_sandbox.image import image_tag
from pie_server.config import Config
from pie_server.errors import SandboxLost

SETTINGS = SandboxSettings("docker", Path(Config().cache_dir), warm=1, capacity=4)
LIMITS = ExecutionLimits(seconds=10)
SHORT = ExecutionLimits(seconds=1)
DEAD_OWNER = "00000000-0000-0000-0000-000000000000 1 1 1 gone"

# The living processes of the container besides PID 1 and the interpreter.
OTHERS = """import os
def alive(pid):
    try: return open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] != 'Z'
    except OSError: return False
[p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid()) and alive(p)]
"""
SYSCALL = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


@pytest.fixture(scope="module", autouse=True)
def engine() -> docker.APIClient:
    """The engine of this machine, with the image built."""
    report = next(r for r in trio.run(describe_backends, SETTINGS) if r.name == "docker")
    if not report.available:
        pytest.skip(f"no Docker engine here: {report.detail}")
    trio.run(open_pool, SETTINGS, print)
    client = docker.from_env().api
    yield client
    client.close()


@pytest.fixture
async def pool(nursery: trio.Nursery) -> SandboxPool:
    opened = await open_pool(SETTINGS)
    await nursery.start(opened.run)
    return opened


@pytest.fixture
async def sandbox(pool: SandboxPool) -> Sandbox:
    with trio.fail_after(60):
        return await pool.lease("test")


async def run(sandbox: Sandbox, code: str, limits: ExecutionLimits = LIMITS) -> ExecutionResult:
    with trio.fail_after(limits.seconds + 5):
        return await sandbox.execute(code, limits)


async def assert_healthy(sandbox: Sandbox) -> None:
    """The same container still works, and nothing of earlier calls runs in it."""
    result = await run(sandbox, OTHERS)
    assert result.value == "[]", result


def own_containers(engine: docker.APIClient) -> list[str]:
    rows = engine.containers(all=True, filters={"label": LABEL})
    here = f" {os.getpid()} "
    return [row["Names"][0] for row in rows if here in row["Labels"][LABEL]]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Polls: the engine has no event that says 'gone'."""
    with trio.fail_after(seconds):
        while not await trio.to_thread.run_sync(condition):
            await trio.sleep(0.05)


# Processes and signals


async def test_a_fork_bomb_is_dead_at_the_deadline(sandbox: Sandbox) -> None:
    code = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    result = await run(sandbox, code, SHORT)
    assert (result.limit, result.state_lost) == ("time", True)
    await assert_healthy(sandbox)


async def test_a_daemon_is_dead_when_the_call_returns(sandbox: Sandbox) -> None:
    code = (
        "import os, time, signal\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        for number in range(1, 30):\n"
        "            try: signal.signal(number, signal.SIG_IGN)\n"
        "            except OSError: pass\n"
        "        time.sleep(3600)\n"
        "    os._exit(0)\n"
        "os.wait()\n'parent'"
    )
    result = await run(sandbox, code)
    assert (result.value, result.state_lost) == ("'parent'", False)
    await assert_healthy(sandbox)


async def test_a_fork_that_returns_does_not_answer_for_its_parent(sandbox: Sandbox) -> None:
    result = await run(sandbox, "import os\npid = os.fork()\npid == 0")
    assert result.value == "False"
    await assert_healthy(sandbox)


async def test_pid_1_can_neither_be_killed_stopped_traced_nor_starved(sandbox: Sandbox) -> None:
    code = (
        "import os, signal, resource\n"
        "for number in range(1, 65):\n"
        "    try: os.kill(1, number)\n"
        "    except OSError: pass\n"
        "def refused(action):\n"
        "    try: action()\n"
        "    except OSError: return True\n"
        "    return False\n"
        "[refused(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (3, 3))),\n"
        " refused(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)),\n"
        " refused(lambda: os.sched_setaffinity(1, {0})),\n"
        " refused(lambda: os.listdir('/proc/1/fd')),\n"
        " refused(lambda: open('/proc/1/mem', 'rb')),\n"
        " refused(lambda: open('/proc/1/environ', 'rb').read()),\n"
        " refused(lambda: open('/proc/1/oom_score_adj', 'w').write('1000'))]"
    )
    result = await run(sandbox, code)
    assert result.value == str([True] * 7), result
    assert not result.state_lost
    await assert_healthy(sandbox)


async def test_an_interpreter_that_kills_or_stops_itself_is_replaced(sandbox: Sandbox) -> None:
    killed = await run(sandbox, "import os\nos.kill(os.getpid(), 9)")
    assert "signal 9" in (killed.exception or "")
    assert killed.limit is None
    stopped = await run(sandbox, "import os\nos.kill(os.getpid(), 19)", SHORT)
    assert stopped.limit == "time"
    crashed = await run(sandbox, "import ctypes\nctypes.string_at(0)")
    assert "signal 11" in (crashed.exception or "")
    await assert_healthy(sandbox)


async def test_threads_stand_still_between_calls_and_print_into_no_later_one(
    sandbox: Sandbox,
) -> None:
    code = (
        "import threading\ncount = 0\n"
        "def work():\n"
        "    global count\n"
        "    while True:\n"
        "        count += 1\n"
        "        if count % 1000 == 0: print('noise', flush=True)\n"
        "threading.Thread(target=work, daemon=True).start()"
    )
    await run(sandbox, code)
    before = int((await run(sandbox, "count")).value or "")
    await trio.sleep(0.3)
    after = int((await run(sandbox, "count")).value or "")
    assert after - before < 1_000_000  # a running thread counts tens of millions a second
    await run(sandbox, "import os, time\ntime.sleep(0.2)")


async def test_a_cancelled_call_leaves_no_process_after_a_second(sandbox: Sandbox) -> None:
    code = (
        "import os, time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        while True: pass\n"
        "print('spinning')\ntime.sleep(3600)"
    )
    with trio.CancelScope() as scope:
        await sandbox.execute(code, LIMITS, lambda text: scope.cancel())
    cancelled = trio.current_time()
    await assert_healthy(sandbox)
    assert trio.current_time() - cancelled < 1.0


async def test_closed_descriptors_and_forged_results_harm_only_their_own_interpreter(
    sandbox: Sandbox,
) -> None:
    closed = await run(sandbox, "import os\nos.closerange(0, 256)\nimport time\ntime.sleep(5)")
    assert closed.state_lost
    await assert_healthy(sandbox)
    forge = (
        "import os, stat\n"
        "for fd in range(3, 256):\n"
        "    try:\n"
        "        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, {data})\n"
        "    except OSError: pass\n"
    )
    for data in (
        "b'\\xff\\xff\\xff\\xff'",
        "b'\\0\\0\\0\\x02[]'",
        "b'\\0\\0\\0\\x03{}!'",
        "(200_000).to_bytes(4, 'big') + b'[' * 200_000",
    ):
        forged = await run(sandbox, forge.format(data=data))
        assert forged.state_lost, data
        await assert_healthy(sandbox)


# Memory, disk, descriptors, output


async def test_memory_taken_by_children_is_named_memory(sandbox: Sandbox) -> None:
    code = (
        "import subprocess, sys\n"
        "eat = 'a = bytearray(120 << 20); a[::4096] = b\"x\" * len(a[::4096]); input()'\n"
        "ps = [subprocess.Popen([sys.executable, '-c', eat], stdin=-1) for _ in range(6)]\n"
        "sorted({p.wait(timeout=8) for p in ps[:2]} | {p.poll() for p in ps} - {None})"
    )
    result = await run(sandbox, code)
    assert result.limit == "memory", result
    await assert_healthy(sandbox)


async def test_the_writable_space_is_bounded_in_bytes_and_in_files(sandbox: Sandbox) -> None:
    fill = "import os\nfor i in range(200): open(f'/tmp/f{i}', 'wb').write(b'x' * (1 << 20))"
    assert "No space left" in ((await run(sandbox, fill)).exception or "")
    clear = "for f in os.listdir('/tmp'): os.unlink('/tmp/' + f)"
    assert (await run(sandbox, clear)).ok
    dirs = "os.chdir('/tmp')\nfor i in range(10**6): os.mkdir('d'); os.chdir('d')"
    result = await run(sandbox, dirs)
    assert "No space left" in (result.exception or "")
    await assert_healthy(sandbox)


async def test_one_file_cannot_outgrow_its_limit(sandbox: Sandbox) -> None:
    code = "f = open('/tmp/big', 'wb')\nf.truncate(40 << 20)"
    assert "File too large" in ((await run(sandbox, code)).exception or "")
    await assert_healthy(sandbox)


async def test_descriptors_run_out_for_the_program_alone(sandbox: Sandbox) -> None:
    code = "import os\nkept = []\nwhile True: kept.append(os.open('/dev/null', os.O_RDONLY))"
    assert "Too many open files" in ((await run(sandbox, code)).exception or "")
    assert (await run(sandbox, "for fd in kept: os.close(fd)\nlen(kept) < 512")).value == "True"
    await assert_healthy(sandbox)


@pytest.mark.parametrize(
    "code",
    [
        "while True: print('x' * 10_000)",
        "import os\nwhile True: os.write(1, b'x')",
        "import os\nwhile True: os.write(2, b'\\xff\\xfe\\x00')",
        "import subprocess\nsubprocess.run(['yes'])",
    ],
)
async def test_endless_output_is_cut_and_ends_at_the_deadline(sandbox: Sandbox, code: str) -> None:
    limits = ExecutionLimits(seconds=1, output_bytes=20_000)
    result = await run(sandbox, code, limits)
    assert (result.limit, result.truncated) == ("time", True)
    assert 0 < len(result.stdout) + len(result.stderr) <= 20_000
    await assert_healthy(sandbox)


async def test_invalid_utf8_is_replaced(sandbox: Sandbox) -> None:
    code = "import os\nos.write(1, b'a\\xff\\x00b\\xc3')\nos.write(1, b'\\xa9\\n')"
    assert (await run(sandbox, code)).stdout == "a\ufffd\x00bé\n"


# Privileges and escapes


async def test_the_process_has_no_privileges(sandbox: Sandbox) -> None:
    code = (
        "import os\n"
        "status = dict(l.split(':\\t') for l in open('/proc/self/status') if ':\\t' in l)\n"
        "[os.getuid() > 10**6, os.getgid() > 10**6, os.getgroups() in ([], [os.getgid()]),\n"
        " int(status['CapEff'], 16) | int(status['CapBnd'], 16) | int(status['CapPrm'], 16),\n"
        " status['NoNewPrivs'].strip(), status['Seccomp'].strip()]"
    )
    assert (await run(sandbox, code)).value == "[True, True, True, 0, '1', '2']"


async def test_leases_have_different_users(pool: SandboxPool, sandbox: Sandbox) -> None:
    with trio.fail_after(60):
        other = await pool.lease("other")
    code = "import os\nos.getuid()"
    assert (await run(sandbox, code)).value != (await run(other, code)).value


async def test_there_are_no_setuid_programs_and_no_other_user_to_become(sandbox: Sandbox) -> None:
    code = (
        "import os, subprocess\n"
        "find = ['find', '/', '-xdev', '-perm', '/6000', '-type', 'f']\n"
        "found = subprocess.run(find, capture_output=True, text=True).stdout\n"
        "for become in (os.setuid, os.setgid, os.seteuid):\n"
        "    try: become(0); found += 'root'\n"
        "    except OSError: pass\n"
        "found"
    )
    assert (await run(sandbox, code)).value == "''"


async def test_the_root_cannot_be_written_and_devices_cannot_be_made(sandbox: Sandbox) -> None:
    code = (
        "import os, stat\nwritten = []\n"
        "for place in ('/', '/etc', '/usr/lib/pie-sandbox', '/dev', '/proc/sys/kernel', '/sys',\n"
        "              '/sys/fs/cgroup/memory', '/var/tmp', '/run', '/proc/1'):\n"
        "    try: open(place + '/x', 'w'); written.append(place)\n"
        "    except OSError: pass\n"
        "for mode in (stat.S_IFCHR, stat.S_IFBLK):\n"
        "    try: os.mknod('/tmp/d', mode | 0o666, os.makedev(1, 1)); written.append('device')\n"
        "    except OSError: pass\n"
        "for path in ('/dev/mem', '/dev/kmsg', '/dev/vda', '/proc/kcore', '/proc/sysrq-trigger'):\n"
        "    try: open(path, 'r+b'); written.append(path)\n"
        "    except OSError: pass\n"
        "written"
    )
    assert (await run(sandbox, code)).value == "[]"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("mount", "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)"),
        ("umount", "libc.umount2(b'/tmp', 2)"),
        ("unshare", "libc.unshare(0x10000000)"),
        ("setns", "libc.setns(0, 0)"),
        ("clone into a new user namespace", "libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)"),
        ("ptrace", "libc.ptrace(16, 1, 0, 0)"),
        ("process_vm_readv", "libc.syscall(310, 1, 0, 0, 0, 0, 0)"),
        ("keyctl", "libc.syscall(250, 0, 0, 0, 0, 0)"),
        ("bpf", "libc.syscall(321, 0, 0, 0)"),
        ("io_uring", "libc.syscall(425, 8, ctypes.create_string_buffer(256))"),
        ("userfaultfd", "libc.syscall(323, 0)"),
        ("perf_event_open", "libc.syscall(298, 0, 0, 0, 0, 0)"),
        ("chroot", "libc.chroot(b'/tmp')"),
        ("open_by_handle_at", "libc.syscall(304, 0, 0, 0)"),
        ("personality", "libc.personality(0x0400000)"),
        ("pidfd_getfd", "libc.syscall(438, 0, 0, 0)"),
        ("netlink socket", "libc.socket(16, 3, 0)"),
        ("packet socket", "libc.socket(17, 3, 0)"),
        ("vsock socket", "libc.socket(40, 1, 0)"),
        ("raw socket", "libc.socket(2, 3, 1)"),
        ("inotify", "libc.inotify_init()"),
        ("message queue", "libc.mq_open(b'/q', 0o100 | 2, 0o600, None)"),
    ],
)
async def test_dangerous_system_calls_are_refused(sandbox: Sandbox, name: str, call: str) -> None:
    result = await run(sandbox, f"{SYSCALL}({call}, ctypes.get_errno())")
    assert result.value in ("(-1, 1)", "(-1, 13)"), (name, result)


async def test_the_filter_leaves_ordinary_programs_alone(sandbox: Sandbox) -> None:
    code = (
        "import asyncio, multiprocessing, sqlite3, subprocess, tempfile, socket\n"
        "with multiprocessing.Pool(2) as workers: a = workers.map(abs, [-1, -2])\n"
        "b = sqlite3.connect('/tmp/x.db').execute('select 3').fetchone()[0]\n"
        "c = subprocess.run(['sh', '-c', 'echo 4 | cat'], capture_output=True, text=True).stdout\n"
        "async def echo():\n"
        "    child = await asyncio.create_subprocess_exec('echo', '5', stdout=-1)\n"
        "    return (await child.communicate())[0]\n"
        "d = asyncio.run(echo())\n"
        "server = socket.create_server(('localhost', 0))\n"
        "e = socket.create_connection(server.getsockname()).fileno() > 2\n"
        "with tempfile.TemporaryDirectory() as f: pass\n"
        "(a, b, c, d, e)"
    )
    result = await run(sandbox, code)
    assert result.value == "([1, 2], 3, '4\\n', b'5\\n', True)", result
    await assert_healthy(sandbox)


async def test_the_engine_and_the_host_cannot_be_seen(sandbox: Sandbox) -> None:
    code = (
        "import os, socket\nfound = [p for p in ('/var/run/docker.sock', '/run/docker.sock',\n"
        "    '/work', '/host') if os.path.exists(p)]\n"
        "found += [n for n in os.listdir('/sys/class/net') if n != 'lo']\n"
        "found += [] if socket.gethostname() == 'sandbox' else [socket.gethostname()]\n"
        "found"
    )
    assert (await run(sandbox, code)).value == "[]"


async def test_every_wall_is_in_the_containers_configuration(
    sandbox: Sandbox, engine: docker.APIClient
) -> None:
    found = engine.inspect_container(own_containers(engine)[0].lstrip("/"))
    config = found["HostConfig"]
    assert config["NetworkMode"] == "none"
    assert config["ReadonlyRootfs"] is True
    assert config["CapDrop"] == ["ALL"]
    assert not config["Privileged"]
    assert config["SecurityOpt"][0] == "no-new-privileges"
    assert '"defaultAction": "SCMP_ACT_ERRNO"' in config["SecurityOpt"][1]
    assert config["Memory"] == config["MemorySwap"] > 0
    assert config["PidsLimit"] == 64
    assert config["NanoCpus"] > 0
    assert config["LogConfig"]["Type"] == "none"
    assert config["IpcMode"] == "private"
    assert not config["Binds"]
    assert "nr_inodes" in config["Tmpfs"]["/tmp"]
    assert found["Config"]["Image"] == image_tag()


# Lost containers, orphans, shutdown


async def test_a_container_killed_from_outside_is_a_typed_error_and_is_replaced(
    pool: SandboxPool, sandbox: Sandbox, engine: docker.APIClient
) -> None:
    await run(sandbox, "x = 1")

    async def kill_all() -> None:
        for name in own_containers(engine):
            await trio.to_thread.run_sync(engine.kill, name.lstrip("/"))

    async with trio.open_nursery() as nursery:
        started = trio.Event()

        async def call() -> None:
            with pytest.raises(SandboxLost):
                await sandbox.execute(
                    "print(1)\nwhile True: pass", LIMITS, lambda text: started.set()
                )

        nursery.start_soon(call)
        with trio.fail_after(20):
            await started.wait()
            await kill_all()
    with trio.fail_after(60):
        result = await sandbox.execute("'x' in globals()", LIMITS)
    assert (result.value, result.state_lost) == ("False", True)
    assert pool.statistics().lost >= 1


async def test_a_container_that_died_while_waiting_is_never_leased(
    pool: SandboxPool, engine: docker.APIClient
) -> None:
    await until(lambda: pool.statistics().ready > 0, seconds=60)
    with trio.fail_after(60):
        for name in own_containers(engine):
            await trio.to_thread.run_sync(engine.kill, name.lstrip("/"))
        lease = await pool.lease("test")
    assert (await run(lease, "1 + 1")).value == "2"


async def test_orphans_of_an_earlier_run_are_removed_and_a_living_servers_are_not(
    pool: SandboxPool, sandbox: Sandbox, engine: docker.APIClient, nursery: trio.Nursery
) -> None:
    def create() -> str:
        made = engine.create_container(image_tag(), "true", labels={LABEL: DEAD_OWNER})
        return str(made["Id"])

    orphan = await trio.to_thread.run_sync(create)
    second = await open_pool(SETTINGS)
    with trio.fail_after(60):
        await nursery.start(second.run)

    def exists() -> bool:
        return any(row["Id"] == orphan for row in engine.containers(all=True))

    await until(lambda: not exists())
    assert (await run(sandbox, "'alive'")).value == "'alive'"


async def test_a_closed_lease_and_a_closed_pool_leave_no_container(
    engine: docker.APIClient,
) -> None:
    pool = await open_pool(SETTINGS)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(60):
            await nursery.start(pool.run)
            leases = [await pool.lease(str(number)) for number in range(2)]
            await leases[0].aclose()
            nursery.cancel_scope.cancel()
    await until(lambda: own_containers(engine) == [])


async def test_a_killed_server_leaves_no_container_behind(engine: docker.APIClient) -> None:
    program = (
        "import trio, pathlib\n"
        "from pie_sandbox import SandboxSettings, ExecutionLimits, open_pool\n"
        "async def main():\n"
        "    settings = SandboxSettings('docker', pathlib.Path('unused'))\n"
        "    pool = await open_pool(settings)\n"
        "    async with trio.open_nursery() as nursery:\n"
        "        await nursery.start(pool.run)\n"
        "        lease = await pool.lease('x')\n"
        "        code = 'print(1)\\nwhile True: pass'\n"
        "        say = lambda text: print('up', flush=True)\n"
        "        await lease.execute(code, ExecutionLimits(600), say)\n"
        "trio.run(main)\n"
    )
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with trio.fail_after(60):
        assert await process.stdout.receive_some(10)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await process.stdout.aclose()

    def left() -> list[str]:
        owner = f" {process.pid} "
        rows = engine.containers(all=True, filters={"label": LABEL})
        return [row["Names"][0] for row in rows if owner in row["Labels"][LABEL]]

    await until(lambda: left() == [], seconds=20)
