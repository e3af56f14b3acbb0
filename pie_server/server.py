"""Puts the layers together and runs them: one process, one event loop, one device.

Nurseries nest as lifetimes do: the server's services, then the sessions they serve. SIGTERM drains:
no new sessions, running ones may finish for a bounded time, clients get what is left and a close
frame, then everything ends.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
import trio

import pie_server
import pie_tools
from pie_sandbox.choose import SandboxSettings, open_pool
from pie_sandbox.sandbox import SandboxPool
from pie_server.config import Config
from pie_server.engine.engine import Engine, EngineSettings
from pie_server.engine.policies import PolicyName
from pie_server.engine.scheduler import SchedulerLimits
from pie_server.errors import ConfigurationError
from pie_server.host.operations import OPERATIONS
from pie_server.host.ports import Services
from pie_server.instances import FamilyLimits
from pie_server.launcher import InferletLauncher
from pie_server.model.loader import Checkpoint, load_checkpoint
from pie_server.runtime.port import InstanceLimits, JsonValue
from pie_server.runtime.registry import Registry
from pie_server.runtime.runtime import Runtime
from pie_server.runtime.uploads import Uploads
from pie_server.runtime.version_store import VersionStore
from pie_server.services.http_addresses import AllowList
from pie_server.services.http_client import HttpClient
from pie_server.services.key_values import KeyValueStore, StoreLimits
from pie_server.services.messaging import Messaging
from pie_server.sessions import SessionHub, SessionLimits
from pie_server.web import Services as WebServices
from pie_server.web import WebLimits, create_app, serve
from pie_tools.registry import default_registry

_LOG = logging.getLogger(__name__)

_SHOWN_SHARE = 0.05  # of the bytes, between two reports
# An uploaded inferlet of 3 MiB as base64, and its escapes.
_UPLOAD_BYTES = 5 << 20

# What a slow start is doing, and how far that is (0 to 1) if it is known.
Progress = Callable[[str, float | None], None]


class Server:
    """A whole server.

    Args:
        config: All settings.
        progress: Told what a slow start is doing.

    Attributes:
        engines: By model name, the default first; there once `run` has started, like all parts.
        stopped: Set when `run` has drained and ended.
    """

    def __init__(
        self, config: Config, progress: Progress = lambda text, _: _LOG.info(text)
    ) -> None:
        self.config = config
        self._store = VersionStore(Path(config.data_dir) / "registry")
        own = Path(config.inferlets) if config.inferlets else None
        self.registry = Registry(own, store=self._store)
        self.runtime = Runtime(Path(config.cache_dir))
        self.uploads = Uploads(self.registry, self._store, self.runtime, OPERATIONS)
        self.engines: dict[str, Engine] = {}
        self.sandboxes: SandboxPool
        self.key_values = KeyValueStore(
            Path(config.data_dir) / "store.sqlite", StoreLimits(tenant_bytes=config.store_bytes)
        )
        self.hub: SessionHub
        self.messaging = Messaging()
        self._http = HttpClient(AllowList(config.http_allow))
        self._progress = progress
        self._loaded = 0.0
        self._stopping = trio.Event()
        self.stopped = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until `stop` is called, then drains. Reports the bound port as its start value.

        Raises (in an exception group):
            CheckpointError: The model cannot be loaded.
            ConfigurationError: A setting cannot be used (a port in use, a missing directory).
            SandboxUnavailable: The sandbox that was demanded cannot be had.
            JournalError: The journal cannot be opened.
            StoreError: The key-value store cannot be opened.
        """
        await self._prepare()
        draining, closing = trio.Event(), trio.Event()
        async with trio.open_nursery() as services:
            for engine in self.engines.values():
                await services.start(engine.run)
            await services.start(self.runtime.run)
            await services.start(self.sandboxes.run)
            await services.start(self.key_values.run)
            await services.start(self.hub.run)
            app = create_app(self._web_services(draining))
            async with trio.open_nursery() as serving:
                config, limits = self.config, self._web_limits()
                port = await serving.start(serve, app, config.host, config.port, closing, limits)
                task_status.started(port)
                await self._stopping.wait()
                draining.set()
                await self.hub.drain(self.config.drain_seconds)
                closing.set()
            services.cancel_scope.cancel()
        self.stopped.set()

    async def stop_on_signals(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Service body: drains at the first SIGTERM or SIGINT, ends at once at the second.

        Raises:
            KeyboardInterrupt: At the second signal.
        """
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                if self._stopping.is_set():
                    raise KeyboardInterrupt
                self.stop()

    def stop(self) -> None:
        """Begins to drain."""
        self._stopping.set()

    def statistics(self) -> dict[str, JsonValue]:
        """All figures, JSON-compatible."""
        hub = asdict(self.hub.statistics())
        return {
            "version": pie_server.__version__,
            "engines": {name: engine.statistics() for name, engine in self.engines.items()},  # type: ignore[misc] # JSON by construction
            "runtime": asdict(self.runtime.statistics()),
            "sandbox": asdict(self.sandboxes.statistics()),
            "sessions": hub,
            "messaging": asdict(self.messaging.statistics()),
            "store": asdict(self.key_values.statistics()),
        }

    async def _prepare(self) -> None:
        """Loads and builds all that takes time, side by side."""
        config = self.config
        await trio.to_thread.run_sync(self._store.open)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._prepare_runtime)
            nursery.start_soon(self._open_sandboxes)
            for source in config.model.split(","):
                await self._open_engine(source.strip())
        await trio.to_thread.run_sync(self._load_adapters)
        services = Services(
            self.engines,
            default_registry(_documents(config)),
            messaging=self.messaging,
            store=self.key_values,
            http=self._http,
        )
        limits = InstanceLimits(
            memory_bytes=config.instance_memory_bytes,
            cpu_seconds=config.instance_cpu_seconds,
            operations_in_flight=config.instance_operations,
            pages=config.instance_pages,
        )
        launcher = InferletLauncher(
            self.registry,
            self.runtime,
            services,
            self.sandboxes,
            limits,
            allow_native=config.allow_native,
            family=FamilyLimits(config.session_children, config.child_depth),
        )
        self.hub = SessionHub(
            Path(config.data_dir) / "journal.sqlite",
            launcher,
            SessionLimits(
                live_sessions=config.max_sessions,
                detach_grace_seconds=config.detach_grace_seconds,
            ),
        )

    async def _open_engine(self, source: str) -> None:
        config = self.config
        checkpoint = await trio.to_thread.run_sync(self._load_checkpoint, source)
        name = checkpoint.name
        if name in self.engines:
            raise ConfigurationError(
                f"two models are called {name!r}", hint="Rename the directory of one of them."
            )
        self._progress(f"Loaded model {name} on {checkpoint.model.device}", None)
        self.engines[name] = Engine(
            checkpoint,
            EngineSettings(
                config.pages,
                config.page_size_tokens,
                SchedulerLimits(config.prefill_tokens, config.batch_rows),
                cast(PolicyName, config.policy),
                config.offload_bytes,
                config.deterministic,
            ),
        )

    async def _prepare_runtime(self) -> None:
        await self.runtime.prepare(lambda step: self._progress(step.message, step.fraction))

    async def _open_sandboxes(self) -> None:
        settings = SandboxSettings(
            backend=self.config.sandbox,
            cache_dir=Path(self.config.cache_dir),
            warm=self.config.warm_sandboxes,
            capacity=self.config.sandbox_leases,
        )
        self.sandboxes = await open_pool(settings, lambda text: self._progress(text, None))

    def _load_checkpoint(self, source: str) -> Checkpoint:
        self._loaded = 0.0
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        dtype = None if self.config.dtype == "auto" else getattr(torch, self.config.dtype)
        return load_checkpoint(
            source,
            dtype=dtype,
            quantization="int8" if self.config.quantization == "int8" else None,
            on_progress=self._show_loading,
        )

    def _show_loading(self, done_bytes: int, total_bytes: int) -> None:
        """Called in the thread that loads the model, for every tensor."""
        fraction = done_bytes / max(1, total_bytes)
        if fraction - self._loaded >= _SHOWN_SHARE:
            self._loaded = fraction
            trio.from_thread.run_sync(self._progress, "Loading the model", fraction)

    def _load_adapters(self) -> None:
        engine = next(iter(self.engines.values()))
        if self.config.adapters:
            for directory in sorted(Path(self.config.adapters).iterdir()):
                if (directory / "adapter_config.json").exists():
                    engine.add_adapter(directory.name, directory)

    def _web_services(self, draining: trio.Event) -> WebServices:
        return WebServices(
            hub=self.hub,
            inferlets=self.registry.list,
            registry=self.registry,
            publish=self.uploads.publish,
            statistics=self.statistics,
            ready=lambda: self.runtime.ready,
            draining=draining,
            version=pie_server.__version__,
            limits=self._web_limits(),
        )

    def _web_limits(self) -> WebLimits:
        size = self.config.max_message_bytes
        return WebLimits(message_bytes=size, body_bytes=max(size, _UPLOAD_BYTES))


def _documents(config: Config) -> Path:
    built_in = Path(pie_tools.__file__).parent / "documents"
    return Path(config.documents) if config.documents else built_in
