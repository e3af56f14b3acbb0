"""Frames, attach streams and labels: what comes out of a container is believed by nobody."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from pie_sandbox.attach import open_attach
from pie_sandbox.container import container_specification, is_orphan, new_owner, seccomp_profile
from pie_sandbox.guest.frames import Frames, FrameTooLarge, pack
from pie_sandbox.limits import SandboxLimits
from pie_sandbox.messages import parse_message, parse_outcome
from pie_server.errors import SandboxLost, SandboxUnavailable


@given(st.lists(st.text()), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(texts: list[str], step: int) -> None:
    data = b"".join(pack({"text": text}) for text in texts)
    frames, found = Frames(1 << 20), []
    for start in range(0, len(data), step):
        frames.feed(data[start : start + step])
        while (body := frames.take()) is not None:
            found.append(json.loads(body)["text"])
    assert found == texts


def test_a_length_beyond_the_limit_is_refused_before_the_body_arrives() -> None:
    frames = Frames(100)
    frames.feed(struct.pack(">I", 101))
    with pytest.raises(FrameTooLarge):
        frames.take()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"id": "x"}',
        b'{"done": {}}',
        b'{"done": {"ok": 1}}',
        b'{"stdout": 5}',
        b'{"stdout": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_a_forged_message_is_a_lost_sandbox(body: bytes) -> None:
    with pytest.raises(SandboxLost):
        parse_message(body)


def test_a_forged_outcome_is_a_lost_sandbox() -> None:
    with pytest.raises(SandboxLost):
        parse_outcome('{"ok": true, "limit": "sanity"}')


class FakeEngine:
    """Answers one attach request with prepared bytes, in pieces."""

    def __init__(self, path: Path, nursery: trio.Nursery) -> None:
        self.path, self.nursery = path, nursery
        self.pieces: list[bytes] = []
        self.request = b""

    async def listen(self) -> None:
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(str(self.path))
        listener.listen(1)
        self.nursery.start_soon(self._serve, listener)

    async def _serve(self, listener: trio.socket.SocketType) -> None:
        with listener:
            connection, _ = await listener.accept()
            with connection:
                self.request = await connection.recv(10_000)
                for piece in self.pieces:
                    await connection.send(piece)
                    await trio.sleep(0.001)


@pytest.fixture
async def engine(tmp_path: Path, nursery: trio.Nursery) -> FakeEngine:
    engine = FakeEngine(tmp_path / "engine.sock", nursery)
    await engine.listen()
    return engine


UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def multiplexed(kind: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", kind, len(data)) + data


async def test_an_attach_stream_is_demultiplexed_from_any_pieces(engine: FakeEngine) -> None:
    frame = pack({"ready": True})
    data = UPGRADED + multiplexed(1, frame[:3]) + multiplexed(2, b"why") + multiplexed(1, frame[3:])
    engine.pieces = [data[i : i + 7] for i in range(0, len(data), 7)]
    with trio.fail_after(5):
        async with await open_attach(str(engine.path), "name") as stream:
            assert json.loads(await stream.receive()) == {"ready": True}
            with pytest.raises(SandboxLost):
                await stream.receive()
    assert stream.complaint == b"why"
    assert engine.request.startswith(b"POST /v1.40/containers/name/attach?stream=1&stdin=1")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 404 Not Found\r\n\r\nno such container", b"", b"x" * 20_000]
)
async def test_a_refused_attach_is_an_error(engine: FakeEngine, answer: bytes) -> None:
    engine.pieces = [answer]
    with trio.fail_after(5), pytest.raises(SandboxUnavailable, match="refused to attach"):
        await open_attach(str(engine.path), "name")


async def test_a_frame_that_announces_gigabytes_is_a_lost_sandbox(engine: FakeEngine) -> None:
    engine.pieces = [UPGRADED + multiplexed(1, b"\xff\xff\xff\xff")]
    with trio.fail_after(5):
        async with await open_attach(str(engine.path), "name") as stream:
            with pytest.raises(SandboxLost, match="4294967295 bytes"):
                await stream.receive()


async def test_no_engine_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="cannot connect"):
        await open_attach(str(tmp_path / "none"), "name")


def test_an_owner_is_alive_as_long_as_its_process() -> None:
    mine = new_owner()
    assert not is_orphan(mine, running=True)
    boot, namespace, pid, started, token = mine.split(" ")
    assert is_orphan(f"{boot} {namespace} {pid} {int(started) + 1} {token}", running=True)
    assert is_orphan(f"{boot} {namespace} {os.getpid()} 0 {token}", running=True)
    assert is_orphan(f"other {namespace} {pid} {started} {token}", running=True)
    assert not is_orphan(f"{boot} 1 {pid} {started} {token}", running=True)
    assert is_orphan(f"{boot} 1 {pid} {started} {token}", running=False)
    assert not is_orphan("nonsense", running=True)


def test_the_system_call_list_allows_nothing_that_reaches_out_of_the_container() -> None:
    profile = json.loads(seccomp_profile())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    free = {name for rule in profile["syscalls"] if not rule.get("args") for name in rule["names"]}
    forbidden = {
        "mount", "umount2", "ptrace", "keyctl", "bpf", "unshare", "setns", "io_uring_setup",
        "userfaultfd", "perf_event_open", "kexec_load", "init_module", "reboot", "swapon", "setuid",
        "process_vm_readv", "process_vm_writev", "open_by_handle_at", "chroot", "pivot_root",
        "socket", "clone", "prlimit64", "pidfd_getfd", "fsopen", "move_mount", "syslog", "kcmp",
    }  # fmt: skip
    assert not free & forbidden
    assert 200 < len(free) < 260


def test_limits_reach_the_specification() -> None:
    limits = SandboxLimits(memory_bytes=64 << 20, processes=7, cpus=0.5, disk_inodes=99)
    host = container_specification("image", 5, limits, {})["HostConfig"]
    assert isinstance(host, dict)
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (64 << 20, 7, 5e8)
    assert "nr_inodes=99" in host["Tmpfs"]["/tmp"]
