"""PID 1 of a sandbox container: passes cells to the interpreter and ends what must end.

Guest code, standard library only. The host speaks to it over the container's stdin and stdout:

    host: {"id", "code", "seconds", "output_bytes"} | {"cancel": id} | {"ping": n}
    here: {"ready": true} | {"pong": n} | {"id", "stdout": text} | {"id", "stderr": text}
          | {"id", "done": {ok, value, exception, traceback, limit, state_lost, truncated, seconds}}

It relies on two facts: as PID 1 it cannot be killed or stopped from inside its PID namespace, and
as an undumpable process it can neither be traced nor have its descriptors opened through /proc.
It guarantees: between two cells nothing runs in the container (the interpreter is stopped, every
other process is dead); after a deadline or a cancellation everything is dead before it answers.
When its stdin closes it exits, and the kernel kills the rest.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time

from pie_sandbox.guest.frames import READ_BYTES, Frames, FrameTooLarge, write
from pie_sandbox.guest.interpreter import MAX_REQUEST_BYTES, interpret

MAX_RESULT_BYTES = 1 << 20
REAP_SECONDS = 0.2  # how late an orphan's zombie may be collected while a cell runs
OUTPUT_PAUSE_SECONDS = 0.01  # tiny writes are collected: each frame costs the engine far more
EXIT_SECONDS = 0.2  # from the closing of a dying process's descriptors to its end
PURGE_ROUNDS = 100
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36
OOM_FILES = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
FROM_CELL = ("ok", "value", "exception", "traceback", "limit")


class Interpreter:
    """The child process with its channel and pipes; stopped except while a cell runs."""

    def __init__(self, memory_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                interpret(theirs.fileno(), stdout, stderr, memory_bytes)
            os._exit(70)
        for fd in (stdout, stderr, theirs.detach()):
            os.close(fd)
        self.channel = ours.detach()
        self.exited = os.pidfd_open(self.pid)  # unlike the pipes, nobody can hold this open
        self.pipes = {self.stdout: "stdout", self.stderr: "stderr"}
        for fd in self.pipes:
            os.set_blocking(fd, False)
        self.results = Frames(MAX_RESULT_BYTES)
        self.results.read(self.channel)
        self.stop()

    def stop(self) -> bool:
        """Freeze it with all its threads; False when it has ended instead."""
        os.kill(self.pid, signal.SIGSTOP)
        flags = os.WEXITED | os.WSTOPPED | os.WNOWAIT
        status = os.waitid(os.P_PID, self.pid, flags)
        return status is not None and status.si_code == os.CLD_STOPPED

    def how_it_ended(self) -> str:
        """Name the exit status or signal, for the model."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"SystemExit: the interpreter ended with {how}"

    def close(self) -> None:
        """Close this side's descriptors."""
        for fd in (*self.pipes, self.exited, self.channel):
            os.close(fd)


class Output:
    """Forwards what the processes of one cell write, up to its byte limit."""

    def __init__(self, request_id: object, limit_bytes: int) -> None:
        self.cut = False
        self._request_id = request_id
        self._left_bytes = limit_bytes
        utf8 = codecs.getincrementaldecoder("utf-8")
        self._decoders = {name: utf8("replace") for name in ("stdout", "stderr")}

    def forward(self, fd: int, name: str) -> bool:
        """Pass on what is there now; False when there is nothing."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return False
        self.cut = self.cut or len(data) > self._left_bytes
        kept = data[: self._left_bytes]
        self._left_bytes -= len(kept)
        self._send(name, self._decoders[name].decode(kept))
        return bool(data)

    def finish(self, pipes: dict[int, str]) -> None:
        """Pass on the rest; called when no process that could write is running."""
        for fd, name in pipes.items():
            while self.forward(fd, name):
                pass
            self._send(name, self._decoders[name].decode(b"", final=True))

    @property
    def full(self) -> bool:
        """Whether everything further is thrown away."""
        return self._left_bytes == 0

    def _send(self, name: str, text: str) -> None:
        if text:
            write(1, {"id": self._request_id, name: text})


class Supervisor:
    """Serves one request at a time."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._requests = Frames(MAX_REQUEST_BYTES)
        self._child = Interpreter(memory_bytes)

    def serve(self) -> None:
        """Answer requests until stdin closes."""
        write(1, {"ready": True})
        while (request := self._requests.read(0)) is not None:
            if "ping" in request:
                write(1, {"pong": request["ping"]})
            elif "code" in request:
                write(1, {"id": request["id"], "done": self._execute(request)})

    def _execute(self, request: dict[str, object]) -> dict[str, object]:
        started, kills, child = time.monotonic(), oom_kills(), self._child
        drain(child.pipes)
        output = Output(request["id"], int(str(request["output_bytes"])))
        os.kill(child.pid, signal.SIGCONT)
        result = self._watch(request, started + float(str(request["seconds"])), output)
        lost = "state_lost" in result or not child.stop() or not purge(child.pid)
        if lost:
            kill_all()
        output.finish(child.pipes)
        if lost:
            child.close()
            self._child = Interpreter(self._memory_bytes)
        if oom_kills() > kills:
            result["limit"] = "memory"
            if lost:
                result["exception"] = "MemoryError: the code needs more memory than it may use"
        result["limit"] = result["limit"] or ("output" if output.cut else None)
        seconds = time.monotonic() - started
        return {**result, "state_lost": lost, "truncated": output.cut, "seconds": seconds}

    def _watch(
        self, request: dict[str, object], deadline: float, output: Output
    ) -> dict[str, object]:
        """Wait for the result, passing output on; else say why the interpreter must be killed."""
        child, quiet_until = self._child, 0.0
        try:
            # It can only block when a cell sabotaged its own channel; the host's deadline is next.
            write(child.channel, {"code": request["code"]})
        except OSError:
            return killed("SystemExit: the interpreter had closed its channel")
        while (now := time.monotonic()) < deadline:
            paused = now < quiet_until and not output.full
            until = min(deadline, quiet_until if paused else now + REAP_SECONDS)
            watched = [0, child.channel, child.exited, *(() if paused else child.pipes)]
            ready = select.select(watched, [], [], until - now)[0]
            reap(child.pid)
            for fd in child.pipes:
                if fd in ready and output.forward(fd, child.pipes[fd]):
                    quiet_until = time.monotonic() + OUTPUT_PAUSE_SECONDS
            if child.channel in ready:
                result = self._result()
                if result is not None:
                    return result
            elif child.exited in ready:
                return killed(child.how_it_ended())
            elif 0 in ready:
                message = self._requests.read(0)
                if message is None:
                    sys.exit(0)  # the host is gone
                if message.get("cancel") == request["id"]:
                    return killed("the call was cancelled", "cancelled")
        seconds = float(str(request["seconds"]))
        return killed(f"TimeoutError: the code was stopped after {seconds:g} s", "time")

    def _result(self) -> dict[str, object] | None:
        """Read from the channel; its other end may be in hostile hands."""
        try:
            data = os.read(self._child.channel, READ_BYTES)
            self._child.results.feed(data)
            body = self._child.results.take()
            if body is None:
                return None if data else self._lost_channel()
            found = json.loads(body)
            return {key: found[key] for key in FROM_CELL}
        except (OSError, FrameTooLarge, ValueError, TypeError, KeyError, RecursionError):
            return killed("SystemExit: the interpreter broke its channel")

    def _lost_channel(self) -> dict[str, object]:
        if select.select([self._child.exited], [], [], EXIT_SECONDS)[0]:
            return killed(self._child.how_it_ended())
        return killed("SystemExit: the interpreter closed its channel")


def killed(exception: str, limit: str | None = None) -> dict[str, object]:
    """The result of a cell whose interpreter is killed."""
    return {
        "ok": False,
        "value": None,
        "exception": exception,
        "traceback": None,
        "limit": limit,
        "state_lost": True,
    }


def kill_all() -> None:
    """Kill everything else in the container and wait until it is dead."""
    with contextlib.suppress(ChildProcessError):
        while True:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            os.waitpid(-1, 0)


def purge(keep: int) -> bool:
    """Kill every process but this one and `keep`, which is stopped; False if that fails."""
    for _ in range(PURGE_ROUNDS):
        others = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != 1]
        alive = [pid for pid in others if pid != keep and not is_dead(pid)]
        reap(keep)
        if not alive:
            return True
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    return False


def is_dead(pid: int) -> bool:
    """Whether the process is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def reap(keep: int) -> None:
    """Collect orphans that have ended; the status of `keep` is left for who asks for it."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitid(os.P_ALL, 0, flags)) is not None and found.si_pid != keep:
            os.waitpid(found.si_pid, 0)


def drain(pipes: dict[int, str]) -> None:
    """Throw away what threads wrote between the last result and the stop."""
    for fd in pipes:
        with contextlib.suppress(BlockingIOError):
            while os.read(fd, READ_BYTES):
                pass


def oom_kills() -> int:
    """How often the kernel has killed a process here for want of memory."""
    for path in OOM_FILES:
        with contextlib.suppress(OSError), open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    return 0


def main(memory_bytes: int) -> None:
    """Entry point of the container."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for option, value in ((PR_SET_DUMPABLE, 0), (PR_SET_CHILD_SUBREAPER, 1)):
        if prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl failed")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # PID 1 without a handler never gets the signal
    Supervisor(memory_bytes).serve()
