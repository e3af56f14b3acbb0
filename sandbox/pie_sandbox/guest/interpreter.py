"""The process in a sandbox container that keeps a session's variables and runs its cells.

Guest code, standard library only. The supervisor forks it, stops it between cells and kills it at
a deadline; it speaks only to the supervisor, over the channel that it inherits.
"""

from __future__ import annotations

# What a cell is likely to import is loaded once, before the fork, so that it costs a cell nothing.
import collections  # noqa: F401
import contextlib
import datetime  # noqa: F401
import decimal  # noqa: F401
import fractions  # noqa: F401
import itertools  # noqa: F401
import json  # noqa: F401
import math  # noqa: F401
import os
import random  # noqa: F401
import re  # noqa: F401
import resource
import signal
import statistics  # noqa: F401
import sys
import threading

from pie_sandbox.guest import cell
from pie_sandbox.guest.frames import Frames, write

MAX_REQUEST_BYTES = 8 << 20
VALUE_CHARACTERS = 20_000
THREAD_STACK_BYTES = 1 << 20
OWN_DESCRIPTORS = 256  # the supervisor never has more open when it forks


def interpret(channel: int, stdout: int, stderr: int, memory_bytes: int) -> None:
    """Run cells from `channel` until it closes; the body of the forked process."""
    _take_over_descriptors(channel, stdout, stderr)
    _limit_itself(memory_bytes)
    namespace = cell.new_namespace()
    sys.path.insert(0, "")
    own_pid, number, requests = os.getpid(), 0, Frames(MAX_REQUEST_BYTES)
    write(channel, {"ready": True})
    while (request := requests.read(channel)) is not None:
        number += 1
        result = cell.run_cell(str(request["code"]), namespace, number, VALUE_CHARACTERS)
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(BaseException):  # a cell may have replaced or closed it
                stream.flush()  # type: ignore[union-attr]
        if os.getpid() != own_pid:
            os._exit(0)  # a fork made by the cell reached its end; its parent gives the answer
        write(channel, result)


def _take_over_descriptors(channel: int, stdout: int, stderr: int) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    os.closerange(3, channel)
    os.closerange(channel + 1, OWN_DESCRIPTORS)
    for name, fd, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = os.fdopen(
            fd, mode, buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _limit_itself(memory_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.nice(10)  # the supervisor must get through even when every process in here spins
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # out of memory: the kernel takes this process, not PID 1
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    threading.stack_size(THREAD_STACK_BYTES)  # RLIMIT_DATA counts whole stacks
