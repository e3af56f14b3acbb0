"""wasmtime's C API as `fibers` needs it; nobody else imports this module.

wasmtime-py offers no asynchronous API, so the documented C functions are declared here with
private prototypes, and checked at start: version, sizes of structures, symbols.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import mmap
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from wasmtime import _ffi as ffi

from pie_server.errors import ConfigurationError

_WASMTIME_MAJOR: Final = "50."
# Async callbacks run Python on the fiber's stack, which these releases do not survive.
_BROKEN_PYTHONS: Final = {(3, 14, 0), (3, 14, 1)}

# What guests may use. Everything else is off: each feature is attack surface, and some (stack
# switching) abort the process. A wrong combination panics too, hence `programs` proves this set
# in a subprocess before the server builds an engine with it.
FEATURES: Final[dict[str, bool]] = {
    "wasm_component_model_async": False,
    "wasm_component_model_more_async_builtins": False,
    "wasm_bulk_memory": True,
    "wasm_reference_types": True,
    "wasm_simd": True,
    "wasm_multi_value": True,
    "wasm_relaxed_simd": False,
    "wasm_threads": False,
    "shared_memory": False,
    "wasm_memory64": False,
    "wasm_multi_memory": False,
    "wasm_gc": False,
    "gc_support": False,
    "wasm_function_references": False,
    "wasm_exceptions": False,
    "wasm_tail_call": False,
    "wasm_wide_arithmetic": False,
    "wasm_custom_page_sizes": False,
}
Pointer = ctypes.c_void_p
_Size = ctypes.c_size_t
Value = ffi.wasmtime_component_val_t
VALUE_BYTES: Final = 32
_VALUE_OFFSET: Final = 8


class _Continuation(ctypes.Structure):
    _fields_ = (("callback", Pointer), ("env", Pointer), ("finalizer", Pointer))


AsyncCallback = ctypes.CFUNCTYPE(
    None,
    Pointer,  # env
    Pointer,  # context
    Pointer,  # function type
    Pointer,  # arguments
    _Size,
    Pointer,  # results
    _Size,
    ctypes.POINTER(Pointer),  # error
    ctypes.POINTER(_Continuation),
)
SyncCallback = ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, Pointer, Pointer, _Size, Pointer, _Size)


_TYPES: Final[dict[str, Any]] = {
    "": None,
    "p": Pointer,
    "pp": ctypes.POINTER(Pointer),
    "size": _Size,
    "bool": ctypes.c_bool,
    "text": ctypes.c_char_p,
    "i64": ctypes.c_int64,
    "u64": ctypes.c_uint64,
    "async": AsyncCallback,
    "sync": SyncCallback,
}


def check_wasmtime() -> None:
    """Check that this interpreter and this wasmtime are ones the declarations here fit.

    Raises:
        ConfigurationError: With what was found and which version to install.
    """
    version = importlib.metadata.version("wasmtime")
    if not version.startswith(_WASMTIME_MAJOR):
        raise ConfigurationError(
            f"wasmtime {version} is installed, but the runtime needs {_WASMTIME_MAJOR}x.",
            hint=f"pip install 'wasmtime=={_WASMTIME_MAJOR}*'",
        )
    if sys.version_info[:3] in _BROKEN_PYTHONS:
        raise ConfigurationError(
            f"Python {sys.version.split()[0]} crashes when called from a fiber's stack.",
            hint="Use Python 3.11, 3.12, 3.13, or 3.14.2 and later.",
        )
    sizes = {
        "wasmtime_component_val_t": (ctypes.sizeof(Value), VALUE_BYTES),
        "wasmtime_component_val_t.of": (Value.of.offset, _VALUE_OFFSET),
        "wasmtime_async_continuation_t": (
            ctypes.sizeof(ffi.wasmtime_async_continuation_t),
            ctypes.sizeof(_Continuation),
        ),
        "wasm_byte_vec_t": (ctypes.sizeof(ffi.wasm_byte_vec_t), 16),
        "wasmtime_component_valresult_t": (ctypes.sizeof(ffi.wasmtime_component_valresult_t), 16),
    }
    wrong = [
        f"{name} is {found} bytes, not {due}"
        for name, (found, due) in sizes.items()
        if found != due
    ]
    if wrong:
        raise ConfigurationError(
            f"wasmtime {version} has another memory layout than expected: {'; '.join(wrong)}.",
            hint="Report this with the output of `pip show wasmtime`.",
        )


class Library:
    """wasmtime's C functions with prototypes of our own (wasmtime-py's stay untouched).

    Raises:
        ConfigurationError: The installed wasmtime does not fit.
    """

    def __init__(self) -> None:
        check_wasmtime()
        self._dll = ctypes.CDLL(str(ffi.filename))
        bind = self._bind
        self.poll = bind("wasmtime_call_future_poll", "bool", "p")
        self.delete_future = bind("wasmtime_call_future_delete", "", "p")
        self.call = bind("wasmtime_component_func_call_async", "p", "p p p size p size pp")
        self.instantiate = bind("wasmtime_component_linker_instantiate_async", "p", "p p p p pp")
        self.add_async = bind(
            "wasmtime_component_linker_instance_add_func_async", "p", "p text size async p p"
        )
        self.add_sync = bind(
            "wasmtime_component_linker_instance_add_func", "p", "p text size sync p p"
        )
        self.export_index = bind(
            "wasmtime_component_instance_get_export_index", "p", "p p p text size"
        )
        self.delete_export_index = bind("wasmtime_component_export_index_delete", "", "p")
        self.get_function = bind("wasmtime_component_instance_get_func", "bool", "p p p p")
        self.new_store = bind("wasmtime_store_new", "p", "p p p")
        self.delete_store = bind("wasmtime_store_delete", "", "p")
        self.store_context = bind("wasmtime_store_context", "p", "p")
        self.store_limits = bind("wasmtime_store_limiter", "", "p i64 i64 i64 i64 i64")
        self.context_data = bind("wasmtime_context_get_data", "p", "p")
        self.new_wasi = bind("wasi_config_new", "p", "")
        self.set_wasi = bind("wasmtime_context_set_wasi", "p", "p p")
        # wasmtime-py declares an error as its result; the library leaves that undefined.
        self.yield_on_epoch = bind(
            "wasmtime_context_epoch_deadline_async_yield_and_update", "", "p u64"
        )
        self.set_deadline = bind("wasmtime_context_set_epoch_deadline", "", "p u64")
        self.new_error = bind("wasmtime_error_new", "p", "text")
        self.delete_error = bind("wasmtime_error_delete", "", "p")
        self.error_message = bind("wasmtime_error_message", "", "p p")
        self.new_bytes = bind("wasm_byte_vec_new", "", "p size text")
        self.delete_bytes = bind("wasm_byte_vec_delete", "", "p")
        self.delete_value = bind("wasmtime_component_val_delete", "", "p")
        # A native `bool ready(void *flag)`: "" has length 0, "\1" has length 1. A Python callback
        # here would cost a call for each poll of each waiting guest.
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, Pointer).value
        assert strlen is not None
        self.ready_address: int = strlen

    def _bind(self, name: str, result: str, arguments: str) -> Callable[..., Any]:
        try:
            function = getattr(self._dll, name)
        except AttributeError:
            raise ConfigurationError(
                f"wasmtime's library does not export {name}.",
                hint=f"pip install --force-reinstall 'wasmtime=={_WASMTIME_MAJOR}*'",
            ) from None
        function.restype = _TYPES[result]
        function.argtypes = [_TYPES[argument] for argument in arguments.split()]
        return function  # type: ignore[no-any-return] # ctypes

    def restrict(self, config: Any) -> None:
        """Give a configuration exactly our features."""
        for name, enabled in FEATURES.items():
            self._bind(f"wasmtime_config_{name}_set", "", "p bool")(pointer(config), enabled)

    def write_string(self, address: int, text: bytes) -> None:
        """Make the component value at `address` a string; its owner deletes it."""
        ctypes.c_uint8.from_address(address).value = ffi.WASMTIME_COMPONENT_STRING.value
        self.new_bytes(address + _VALUE_OFFSET, len(text), text)

    def take_error(self, error: int) -> str:
        """The text of a wasmtime error, which is deleted."""
        text = ffi.wasm_byte_vec_t()
        self.error_message(error, ctypes.addressof(text))
        message = ctypes.string_at(text.data, text.size).decode(errors="replace")
        self.delete_bytes(ctypes.addressof(text))
        self.delete_error(error)
        return message

    def check(self, error: int | None) -> None:
        """Raise if a set-up call returned an error.

        Raises:
            ConfigurationError: With wasmtime's text.
        """
        if error:
            raise ConfigurationError(f"wasmtime refused its set-up: {self.take_error(error)}")


def read_string(address: int) -> bytes:
    """The bytes of the string value at `address`."""
    size, data = (ctypes.c_size_t * 2).from_address(address + _VALUE_OFFSET)
    return ctypes.string_at(data, size) if size else b""


def pointer(managed: Any) -> Any:
    """The address that one of wasmtime-py's objects wraps."""
    return ctypes.cast(managed.ptr(), Pointer)


def wasi_version() -> str:
    """The version of `wasi:io/poll` that this wasmtime defines, so that it can be shadowed."""
    with (
        Path(ffi.filename).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library,
    ):
        found = re.search(rb"wasi:io/poll@([0-9.]+[0-9])", library)
        if found is None:
            raise ConfigurationError("wasmtime's library does not define wasi:io/poll.")
        return found[1].decode()
