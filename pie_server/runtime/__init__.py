"""Runs inferlets: WebAssembly guests on wasmtime fibers, or trusted source as trio tasks.

Knows nothing of models, contexts or sessions: a guest's operations go to a `Host` (see `port`).
Only `fibers` knows wasmtime.
"""

from __future__ import annotations

from pie_server.runtime.build_process import BuildProgress as BuildProgress
from pie_server.runtime.building import BuiltProgram as BuiltProgram
from pie_server.runtime.building import build_program as build_program
from pie_server.runtime.manifest import Program as Program
from pie_server.runtime.native import run_native as run_native
from pie_server.runtime.port import Host as Host
from pie_server.runtime.port import InstanceLimits as InstanceLimits
from pie_server.runtime.port import JsonValue as JsonValue
from pie_server.runtime.port import Mailbox as Mailbox
from pie_server.runtime.registry import Registry as Registry
from pie_server.runtime.runtime import Runtime as Runtime
from pie_server.runtime.runtime import RuntimeStatistics as RuntimeStatistics
from pie_server.runtime.toolchains import missing_tool as missing_tool
from pie_server.runtime.uploads import Published as Published
from pie_server.runtime.uploads import Uploads as Uploads
from pie_server.runtime.version_store import VersionStore as VersionStore
