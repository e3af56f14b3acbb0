"""One model on one device, as the control layer sees it: contexts in, commands in, results out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from pie_server.engine.batch import DeviceTask
from pie_server.engine.commands import Command
from pie_server.engine.gpu_task import GpuTask
from pie_server.engine.grammar import GrammarCompiler
from pie_server.engine.kv_commands import DeviceCommand
from pie_server.engine.model_runner import ModelRunner
from pie_server.engine.policies import PolicyName, policy_named
from pie_server.engine.queues import CommandQueue
from pie_server.engine.residency import Residency
from pie_server.engine.scheduler import Scheduler, SchedulerLimits
from pie_server.errors import ContextTooLong, PagesExceeded, PieError
from pie_server.kv import Context, ContextState, Exports, PagePool, PrefixTree
from pie_server.model.adapter_loader import load_adapter
from pie_server.model.loader import Checkpoint


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Sizes of one engine.

    Attributes:
        deterministic: What a context computes has the same bits whatever else runs: each row has a
            forward pass of its own, prompts are cut at fixed places, and KV is neither shared by
            content nor computed a second time.
    """

    pages: int = 4096
    page_size_tokens: int = 16
    limits: SchedulerLimits = field(default_factory=SchedulerLimits)
    policy: PolicyName = "adaptive"
    offload_bytes: int = 256 << 20
    deterministic: bool = False


class Engine:
    """Owns the pool, the contexts, the scheduler and the GPU task of one model.

    All methods but `run` are synchronous and belong to the event loop.
    """

    def __init__(self, checkpoint: Checkpoint, settings: EngineSettings) -> None:
        self.checkpoint = checkpoint
        self.settings = settings
        self.pool = PagePool(settings.pages, settings.page_size_tokens)
        self.prefixes = PrefixTree(self.pool)
        self.exports = Exports()
        self.runner = ModelRunner(
            checkpoint.model,
            settings.pages,
            settings.page_size_tokens,
            deterministic=settings.deterministic,
        )
        self._contexts: dict[int, Context] = {}
        self._last_identifier = 0
        self.residency = Residency(
            self.pool,
            self.prefixes,
            self._all_contexts,
            self.runner.cache.page_bytes,
            settings.offload_bytes,
            recompute=not settings.deterministic,
        )
        self.scheduler = Scheduler(
            self.pool,
            self.prefixes,
            self.residency,
            settings.limits,
            self._wake,
            policy_named(settings.policy),
            deterministic=settings.deterministic,
        )
        self._gpu_task = GpuTask(self.scheduler, self.runner.execute)
        self._grammars: GrammarCompiler | None = None

    @property
    def grammars(self) -> GrammarCompiler:
        """Compiles grammars for this model's tokens.

        Raises:
            CheckpointError: The model names no end-of-sequence token.
        """
        if self._grammars is None:
            config = self.checkpoint.config
            self._grammars = GrammarCompiler(
                self.checkpoint.tokenizer.inner,
                config.vocab_size,
                config.eos_tokens,
                self.checkpoint.chat_template.tool_format,
            )
        return self._grammars

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Service body: the GPU task. Runs until cancelled."""
        try:
            await self._gpu_task.run(task_status=task_status)
        finally:
            self.runner.close()

    def add_adapter(self, name: str, directory: Path) -> None:
        """Loads a LoRA adapter; contexts can use it by its name from then on.

        Raises:
            CheckpointError: It is no adapter for this model.
        """
        self.runner.adapters[name] = load_adapter(directory, self.runner.model, name)

    @property
    def adapter_names(self) -> list[str]:
        """The adapters that contexts can use."""
        return sorted(self.runner.adapters)

    # -- contexts ----------------------------------------------------------------------------

    def create_context(self, scope: str, *, prefix_reuse: bool = True) -> Context:
        """An empty context of a tenant."""
        reuse = prefix_reuse and not self.settings.deterministic
        context = Context(self._identifier(), self.pool, scope, reuse)
        self._contexts[context.identifier] = context
        return context

    def fork(self, context: Context) -> Context:
        """A context that shares everything with `context` until one of them writes."""
        return self._adopt(context.fork(self._identifier()))

    def release(self, context: Context) -> None:
        """Ends a context: its commands are cancelled, its pages are free at once. Idempotent."""
        if self._contexts.pop(context.identifier, None) is not None:
            self.scheduler.cancel_all(context)
            context.release()

    def save(self, context: Context, name: str) -> None:
        """Exports a context under `tenant/name`."""
        self.exports.save(name, context, self._identifier())

    def open(self, scope: str, name: str) -> Context | None:
        """A fork of an exported context, or None."""
        context = self.exports.open(scope, name, self._identifier())
        return None if context is None else self._adopt(context)

    def take(self, scope: str, name: str) -> Context | None:
        """The exported context itself, or None; the export is gone."""
        context = self.exports.take(scope, name)
        return None if context is None else self._adopt(context)

    def park(self, context: Context, returns_in_seconds: float | None = None) -> None:
        """Its instance waits for a tool or for its client; the pages stay while there is room."""
        context.parks += 1
        if not self.scheduler.is_busy(context):
            context.state = ContextState.PARKED
            if returns_in_seconds is not None:
                context.returns_at = time.monotonic() + returns_in_seconds
                self._wake()  # it may have left the pool already, and must be back by then

    def resume(self, context: Context) -> None:
        """The wait is over; with several tools at once, when the last of them has returned."""
        context.parks = max(0, context.parks - 1)
        if context.parks:
            return
        context.returns_at = None
        if context.state is ContextState.PARKED:
            context.state = ContextState.IDLE

    # -- commands ----------------------------------------------------------------------------

    def room(self, tokens: int) -> int:
        """How many tokens a context of `tokens` could still take.

        Raises:
            ContextTooLong: It is longer than the model's context already.
            PagesExceeded: It is longer than the whole pool.
        """
        limit = self.checkpoint.config.max_context_tokens
        if tokens > limit:
            raise ContextTooLong(
                f"{tokens} tokens do not fit the model's context of {limit}",
                hint="Truncate the context or send less.",
                details={"tokens": tokens, "max_context_tokens": limit},
            )
        capacity = self.pool.total_pages * self.pool.page_size_tokens
        if tokens > capacity:
            raise PagesExceeded(
                f"{tokens} tokens do not fit the pool of {self.pool.total_pages} pages",
                hint="Start the server with more --pages or use a shorter context.",
            )
        return min(limit, capacity) - tokens

    def submit(self, command: Command) -> None:
        """Queues a command behind the earlier ones of its context."""
        self.scheduler.submit(command)

    def run_task(
        self,
        task: DeviceTask,
        on_done: Callable[[object, PieError | None], None],
        queue: CommandQueue | None = None,
    ) -> Command:
        """Queues work that belongs to no context."""
        command = DeviceCommand(Context(self._identifier(), self.pool), task, on_done, queue)
        self.submit(command)
        return command

    # -- books -------------------------------------------------------------------------------

    def check_integrity(self) -> None:
        """Compares the pool's books with all who hold pages.

        Raises:
            IntegrityError: They do not agree.
        """
        self.pool.check_integrity(
            [
                *(context.table.held_pages() for context in self._all_contexts()),
                list(self.prefixes.pages()),
            ]
        )

    def statistics(self) -> dict[str, object]:
        """Figures for operators, JSON-compatible."""
        pool, steps = self.pool.statistics(), self.scheduler.statistics
        prefix = self.prefixes.statistics()
        states = [context.state for context in self._contexts.values()]
        return {
            "model": self.checkpoint.name,
            "vocab_size": self.checkpoint.config.vocab_size,
            "attention": self.runner.attention.name,
            "pages": {
                "total": pool.total_pages,
                "free": pool.free_pages,
                "shared": pool.shared_pages,
                "cached": prefix.cached_pages,
                "page_size_tokens": pool.page_size_tokens,
            },
            "contexts": {state.value: states.count(state) for state in ContextState},
            "prefix_matched_tokens": prefix.matched_tokens,
            "queued_commands": self.scheduler.queue_length(),
            "steps": steps.steps,
            "rows": steps.rows,
            "prefill_tokens": steps.prefill_tokens,
            "decode_tokens": steps.decode_tokens,
            "tool_seconds": dict(self.residency.tool_times.known()),
            "residency": {
                "offloaded_now": sum(c.parcel is not None for c in self._all_contexts()),
                **dataclasses.asdict(self.residency.statistics),
            },
            "device_seconds": round(steps.device_seconds, 3),
        }

    def _all_contexts(self) -> Iterator[Context]:
        yield from self._contexts.values()
        yield from self.exports.contexts()

    def _adopt(self, context: Context) -> Context:
        self._contexts[context.identifier] = context
        return context

    def _identifier(self) -> int:
        self._last_identifier += 1
        return self._last_identifier

    def _wake(self) -> None:
        self._gpu_task.wake()
