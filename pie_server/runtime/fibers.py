"""WebAssembly guests as native wasmtime fibers: with `wasmtime_api`, all that knows wasmtime.

Owns the engine, the linker with our two host functions, and one store and future per guest. The
driver polls a `Fiber`; the guest runs until it waits, is preempted at an epoch tick, or ends.
Never schedules, never parses what guests say, never talks to a host.

Several mistakes abort the process instead of raising, and each is made impossible here: a finished
future is deleted at once and never polled again; a store is deleted only after its future; host
callbacks set their continuation before anything can fail; the epoch deadline is renewed before each
poll, since a guest that waited long would otherwise yield at once.
"""

from __future__ import annotations

import ctypes
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio.lowlevel
import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wasm_component

from pie_server.runtime.wasmtime_api import (
    VALUE_BYTES,
    AsyncCallback,
    Library,
    Pointer,
    SyncCallback,
    Value,
    pointer,
    read_string,
    wasi_version,
)

_EPOCH_TICKS_PER_POLL: Final = 2
_HOST_INTERFACE: Final = "pie:inferlet/host@1.0.0"

# The Python component needs 1 memory, 2 tables and about 20 instances; the rest is room for others.
_TABLE_ELEMENTS: Final = 100_000
_INSTANCES: Final = 100
_TABLES: Final = 20
_MEMORIES: Final = 4

_BLOCKING_CALL: Final = (
    b"this call would stop every other inferlet in the server, so it is refused; "
    b"use `await inferlet.sleep(seconds)` or another operation of the SDK instead"
)


class Turn(enum.Enum):
    """How a poll ended."""

    WAITING = "waiting"  # in wait(): poll again only after resume()
    PREEMPTED = "preempted"  # has more to do
    FINISHED = "finished"  # `outcome` is set; never poll again


@dataclass(frozen=True, slots=True)
class Returned:
    """`run` returned: `text` is its result, or the guest's error where `ok` is false."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Trapped:
    """WebAssembly trap; `message` has wasmtime's text with the guest's stack."""

    message: str


class FiberEngine:
    """One engine with the host functions that every guest imports.

    Args:
        None. Construct it once per process and keep it: stores and components refer to it.

    Raises:
        ConfigurationError: The installed wasmtime does not fit.
    """

    def __init__(self) -> None:
        self._library = Library()
        config = wasmtime.Config()
        config.epoch_interruption = True
        self._library.restrict(config)
        self._engine = wasmtime.Engine(config)
        self._linker = wasm_component.Linker(self._engine)
        self._fibers: dict[int, Fiber] = {}
        self._next_identity = 0
        self._callbacks = (
            AsyncCallback(self._on_wait),
            SyncCallback(self._on_submit),
            SyncCallback(self._on_blocking_call),
        )
        self._always_ready = ctypes.create_string_buffer(b"\1")
        self._define_host_functions()

    @property
    def live_fibers(self) -> int:
        """Stores that exist now."""
        return len(self._fibers)

    def tick(self) -> None:
        """Advance the epoch; guests that run now are preempted. Callable from any thread."""
        self._engine.increment_epoch()

    def compile(self, wasm: bytes) -> bytes:
        """Compile a component to machine code; blocks, and a hostile one takes very long.

        Raises:
            ValueError: The component is malformed or uses a feature that is off.
        """
        try:
            return bytes(wasm_component.Component(self._engine, wasm).serialize())
        except wasmtime.WasmtimeError as error:
            raise ValueError(str(error)) from None

    def load(self, path: Path) -> Component:
        """Map compiled code that `compile` of this very version wrote; takes milliseconds.

        Only ever load what this server wrote: machine code is trusted.

        Raises:
            ValueError: The file is from another version or damaged.
        """
        try:
            return Component(wasm_component.Component.deserialize_file(self._engine, str(path)))
        except wasmtime.WasmtimeError as error:
            raise ValueError(str(error)) from None

    def spawn(self, component: Component, source: str, arguments: str, memory_bytes: int) -> Fiber:
        """A new guest, not yet started: the first poll instantiates it.

        Raises:
            ConfigurationError: wasmtime refused the store.
        """
        self._next_identity += 1
        fiber = Fiber(self, component, self._next_identity, source, arguments, memory_bytes)
        self._fibers[self._next_identity] = fiber
        return fiber

    def _define_host_functions(self) -> None:
        library = self._library
        wait, submit, refuse = self._callbacks
        self._linker.add_wasip2()
        self._linker.allow_shadowing = True
        with self._linker.root() as root:
            with root.add_instance(f"wasi:io/poll@{wasi_version()}") as poll:
                for name in (b"[method]pollable.block", b"poll"):
                    library.check(
                        library.add_sync(pointer(poll), name, len(name), refuse, None, None)
                    )
            with root.add_instance(_HOST_INTERFACE) as host:
                library.check(library.add_sync(pointer(host), b"submit", 6, submit, None, None))
                library.check(library.add_async(pointer(host), b"wait", 4, wait, None, None))

    def _on_submit(
        self, env: int, context: int, kind: int, arguments: int, count: int, results: int, size: int
    ) -> int | None:
        try:
            fiber = self._fibers[self._library.context_data(context)]
            fiber.submitted.append(read_string(arguments))
        except BaseException as error:  # must not leave a callback
            return self._error(repr(error).encode())
        return None

    def _on_wait(
        self, env: int, context: int, kind: int, arguments: int, count: int,
        results: int, size: int, error: Any, continuation: Any,
    ) -> None:  # fmt: skip
        # Set before anything can fail: an unset continuation aborts the process.
        continuation[0].callback = self._library.ready_address
        continuation[0].env = ctypes.addressof(self._always_ready)
        continuation[0].finalizer = None
        try:
            fiber = self._fibers[self._library.context_data(context)]
            continuation[0].env = fiber.suspend(results)
        except BaseException as failure:
            error[0] = self._error(repr(failure).encode())

    def _on_blocking_call(self, *_: object) -> int:
        return self._error(_BLOCKING_CALL)

    def _error(self, message: bytes) -> int:
        return self._library.new_error(message)  # type: ignore[no-any-return] # ctypes

    def _forget(self, identity: int) -> None:
        self._fibers.pop(identity, None)


@dataclass(frozen=True, slots=True)
class Component:
    """Compiled code of one program or interpreter, ready to be instantiated many times."""

    raw: Any


class Fiber:
    """One guest: its store, its stack, and what it exchanged with us since the last poll.

    Attributes:
        submitted: Raw texts of its submits, oldest first; the owner takes them after each poll.
        outcome: How it ended, once `poll` returned `FINISHED`.
    """

    def __init__(
        self,
        engine: FiberEngine,
        component: Component,
        identity: int,
        source: str,
        arguments: str,
        memory_bytes: int,
    ) -> None:
        self._engine = engine
        self._library = library = engine._library
        self._identity = identity
        self._component = component
        self.submitted: list[bytes] = []
        self.outcome: Returned | Trapped | None = None
        self._result_address: int | None = None
        self._mail: bytes | None = None
        self._flag = ctypes.create_string_buffer(2)
        self._error = Pointer()
        self._instance = ffi.wasmtime_component_instance_t()
        self._function = ffi.wasmtime_component_func_t()
        self._arguments = (Value * 2)()
        self._result = (Value * 1)()
        self._texts = (source.encode(), arguments.encode())
        self._calling = False
        self._future: int | None = None
        self._store: int | None = library.new_store(pointer(engine._engine), identity, None)
        self._context = library.store_context(self._store)
        library.store_limits(
            self._store, memory_bytes, _TABLE_ELEMENTS, _INSTANCES, _TABLES, _MEMORIES
        )
        library.check(library.set_wasi(self._context, library.new_wasi()))
        library.yield_on_epoch(self._context, 1)
        library.set_deadline(self._context, _EPOCH_TICKS_PER_POLL)
        self._future = library.instantiate(
            pointer(engine._linker),
            self._context,
            pointer(component.raw),
            ctypes.addressof(self._instance),
            ctypes.byref(self._error),
        )

    @property
    def waiting(self) -> bool:
        """Whether the guest is in wait() and has nothing to wake it yet."""
        return self._result_address is not None and self._mail is None

    def resume(self, mail: bytes) -> None:
        """Let wait() return `mail` at the next poll. Only for a guest that is `waiting`."""
        if not self.waiting:
            raise RuntimeError("only a guest that waits can be resumed")
        self._mail = mail

    def suspend(self, result_address: int) -> int:
        """Called on the fiber's own stack when the guest waits; the address of its ready flag."""
        self._flag[0] = b"\0"
        self._result_address = result_address
        return ctypes.addressof(self._flag)

    # A Ctrl-C must not be raised inside a callback on the fiber's stack.
    @trio.lowlevel.enable_ki_protection
    def poll(self) -> Turn:
        """Run the guest until it waits, is preempted or ends."""
        if self._future is None:
            raise RuntimeError("the guest has ended: polling it again would abort the process")
        library = self._library
        if self._mail is not None and self._result_address is not None:
            library.write_string(self._result_address, self._mail)
            self._mail = self._result_address = None
            self._flag[0] = b"\1"
        library.set_deadline(self._context, _EPOCH_TICKS_PER_POLL)
        if not library.poll(self._future):
            return Turn.PREEMPTED if self._result_address is None else Turn.WAITING
        self._delete_future()
        if self._error.value:
            self.outcome = Trapped(library.take_error(self._error.value))
            self._error = Pointer()
            return Turn.FINISHED
        if self._calling:
            self.outcome = self._take_result()
            return Turn.FINISHED
        return self._start_call()

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """Stop the guest wherever it is and free all it holds. Idempotent."""
        self._delete_future()
        if self._store is not None:
            if self._error.value:
                self._library.delete_error(self._error)
            for index in range(2 if self._calling else 0):
                self._library.delete_value(ctypes.addressof(self._arguments) + index * VALUE_BYTES)
            self._library.delete_store(self._store)
            self._store = None
            self._engine._forget(self._identity)

    def _start_call(self) -> Turn:
        library = self._library
        index = library.export_index(
            ctypes.addressof(self._instance), self._context, None, b"run", 3
        )
        if not index or not library.get_function(
            ctypes.addressof(self._instance), self._context, index, ctypes.addressof(self._function)
        ):
            self.outcome = Trapped("the component does not export `run`")
            return Turn.FINISHED
        library.delete_export_index(index)
        for position, text in enumerate(self._texts):
            library.write_string(ctypes.addressof(self._arguments) + position * VALUE_BYTES, text)
        self._texts = (b"", b"")
        self._calling = True
        self._future = library.call(
            ctypes.addressof(self._function),
            self._context,
            ctypes.addressof(self._arguments),
            2,
            ctypes.addressof(self._result),
            1,
            ctypes.byref(self._error),
        )
        return Turn.PREEMPTED

    def _take_result(self) -> Returned:
        result = self._result[0].of.result
        text = read_string(ctypes.addressof(result.val.contents)) if result.val else b""
        returned = Returned(bool(result.is_ok), text.decode(errors="replace"))
        self._library.delete_value(ctypes.addressof(self._result))
        return returned

    def _delete_future(self) -> None:
        if self._future is not None:
            self._library.delete_future(self._future)
            self._future = None
