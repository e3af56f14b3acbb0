"""Entry point of the Python interpreter component; frozen into its snapshot by componentize-py.

Everything an inferlet may import has to be imported here, while the snapshot is built: the guest
has no file system at run time.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import random
import sys
import time

import wit_world
from componentize_py_types import Err
from wit_world.imports import host

from inferlet import _backend, _program
from inferlet._scheduler import Scheduler

# What an inferlet may import, beside what these import themselves. Each costs memory in every
# instance that touches it, and none of it a millisecond of launch: the snapshot is copy-on-write.
_STANDARD_LIBRARY = """
    abc array ast asyncio base64 bisect calendar cmath codecs collections collections.abc
    contextlib contextvars copy csv dataclasses datetime decimal difflib enum fnmatch fractions
    functools graphlib hashlib heapq hmac html html.parser inspect itertools json keyword linecache
    locale logging math numbers operator pprint queue random re sched secrets select shlex
    statistics string struct textwrap time timeit token tokenize tomllib traceback types typing
    unicodedata unittest.mock urllib.parse uuid warnings weakref zlib zoneinfo
"""
for _name in ["inferlet", *_STANDARD_LIBRARY.split()]:
    importlib.import_module(_name)

# What is alive now stays alive: without this the first collection in each instance would write to
# every object of the snapshot, and so copy all of its pages.
gc.collect()
gc.freeze()

_PRINT_LIMIT_CHARACTERS = 16_384


class _Printed(io.TextIOBase):
    """`print` in an inferlet goes to the server's log, one entry for all that was printed."""

    def __init__(self, scheduler: Scheduler, level: str) -> None:
        self._scheduler = scheduler
        self._level = level
        self._text = ""
        self._lost = 0

    def write(self, text: str) -> int:
        room = _PRINT_LIMIT_CHARACTERS - len(self._text)
        self._text += text[:room]
        self._lost += max(0, len(text) - room)
        return len(text)

    def send(self) -> None:
        if self._text:
            lost = f" [{self._lost} characters dropped]" if self._lost else ""
            message = self._text.rstrip("\n") + lost
            self._text, self._lost = "", 0
            self._scheduler.post({"op": "log", "level": self._level, "message": message})


def _refuse_sleep(seconds: float, /) -> None:
    raise RuntimeError(
        f"time.sleep({seconds!r}) would stop every other inferlet in the server; "
        "write `await inferlet.sleep(seconds)` instead"
    )


class WitWorld(wit_world.WitWorld):
    """The component's exports."""

    def run(self, source: str, arguments: str) -> str:
        """Run one inferlet; see `world.wit`."""
        program = json.loads(source)
        given = json.loads(arguments)
        limits = given["limits"]
        scheduler = Scheduler(
            host.submit, host.wait, limits["operations_in_flight"], limits["operation_bytes"]
        )
        printed = [_Printed(scheduler, "info"), _Printed(scheduler, "warning")]
        sys.stdout, sys.stderr = printed  # type: ignore[assignment] # they only write
        scheduler.before_wait = lambda: [stream.send() for stream in printed] and None
        time.sleep = _refuse_sleep
        random.seed()  # the snapshot's state would repeat in every instance
        _backend._current.set(scheduler)
        filename = f"{program['name']}/main.py"
        try:
            main = _program.load(program["text"], filename)
            result = scheduler.run(_program.call(main, given["arguments"]))
            return _program.encode_result(result)
        except BaseException as error:
            raise Err(json.dumps(_program.describe(error, filename))) from None
