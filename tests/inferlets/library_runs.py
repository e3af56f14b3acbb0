"""Running library inferlets by name, and their functions one by one."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import trio

from pie_server.engine.engine import Engine
from pie_server.host.instance_host import InstanceHost
from pie_server.host.ports import Services
from pie_server.runtime import InstanceLimits, Registry, run_native
from pie_server.runtime.locations import inferlets_directory
from pie_tools.registry import ToolRegistry
from tests.host.conftest import RememberingSession, no_sandbox
from tests.inferlets.real_engine import GUEST_SECONDS, RealRunner

registry = Registry()


async def run(runner: RealRunner, name: str, **arguments: Any) -> Any:
    """The result of a library inferlet, its arguments checked and completed by its manifest."""
    return await runner(registry.get(name), arguments)


async def run_with(
    runner: RealRunner, name: str, tools: ToolRegistry, *more: Engine, **arguments: Any
) -> Any:
    """The result of a library inferlet that runs natively, over these tools and more engines."""
    engines = {engine.checkpoint.name: engine for engine in (runner.engine, *more)}
    limits = InstanceLimits()
    host = InstanceHost(
        Services(engines, tools), RememberingSession(), runner.nursery, no_sandbox, limits
    )
    with trio.fail_after(GUEST_SECONDS):
        return await run_native(registry.get(name), arguments, host, limits)


def module_of(name: str) -> ModuleType:
    """A library inferlet as a module, for tests of its functions."""
    spec = importlib.util.spec_from_file_location(
        f"library_{name.replace('-', '_')}", inferlets_directory() / "library" / name / "main.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
