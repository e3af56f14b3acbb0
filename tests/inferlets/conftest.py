"""The same fixtures as the runtime's tests."""

from __future__ import annotations

from tests.runtime.conftest import both as both
from tests.runtime.conftest import built_runtime as built_runtime
from tests.runtime.conftest import runtime as runtime
from tests.runtime.conftest import wasm as wasm
