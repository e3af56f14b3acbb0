"""A context: one sequence of tokens with its KV cache, kept by the server.

The fillers only note what to append; the next `flush`, `complete`, `generate` or `forward` sends
it. Pages stay where they are between calls, however long the inferlet waits for a tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from inferlet._backend import control, operation
from inferlet.errors import OperationError
from inferlet.forward import Forward
from inferlet.generation import Completion, Generator, stop_fields

if TYPE_CHECKING:
    from types import TracebackType

    from inferlet.model import Model
    from inferlet.sample import Sampler

Segment = dict[str, Any]

# With these codes the server has refused an operation before it changed anything.
_REFUSALS = {
    "context_too_long",
    "invalid_arguments",
    "invalid_request",
    "message_too_large",
    "operations_exceeded",
    "pages_exceeded",
    "template_error",
}


class Context:
    """A conversation of the model. Freed by `release`, by `with`, or when the inferlet ends.

    Args:
        model: Whose context it is.
        prefix_reuse: Whether pages of equal beginnings are shared with other contexts.

    Example:
        >>> ctx = Context(model)
        >>> ctx.system("You are a helpful assistant.").user("What is 2 + 2?")
        >>> reply = await ctx.complete(Sampler.argmax(), max_tokens=32)
    """

    __slots__ = ("_length", "_model", "_pending", "_sealed", "handle")

    def __init__(self, model: Model, *, prefix_reuse: bool = True) -> None:
        made = control("context.create", model=model.name, prefix_reuse=prefix_reuse)
        self._adopt(model, int(made["context"]), 0, [], sealed=False)

    def _adopt(
        self, model: Model, handle: int, length: int | None, pending: list[Segment], *, sealed: bool
    ) -> None:
        self.handle = handle
        self._model = model
        # Tokens in the KV cache; None while an operation may change it, and after one that was
        # cancelled or failed half-way: then the server is asked.
        self._length = length
        self._pending = pending
        # Whether the last thing in it is an end-of-turn token, which `seal` must not repeat.
        self._sealed = sealed

    @classmethod
    def _wrap(
        cls, model: Model, handle: int, length: int | None, pending: list[Segment], *, sealed: bool
    ) -> Context:
        context = object.__new__(cls)
        context._adopt(model, handle, length, pending, sealed=sealed)
        return context

    # What it is

    @property
    def model(self) -> Model:
        """Its model.

        Example:
            >>> ctx.model.name
        """
        return self._model

    @property
    def page_size(self) -> int:
        """Tokens in one KV page.

        Example:
            >>> ctx.seq_len // ctx.page_size
        """
        return self._model.page_size

    @property
    def seq_len(self) -> int:
        """Tokens in the KV cache; what is buffered does not count.

        Example:
            >>> before = ctx.seq_len
        """
        if self._length is None:
            return int(self.info()["tokens"])
        return self._length

    def buffer(self) -> list[int]:
        """Tokens of what is noted and not yet sent.

        Example:
            >>> len(ctx.user("hello").buffer())
        """
        if not self._pending:
            return []
        return list(control("context.render", context=self.handle, fill=self._pending))

    def info(self) -> dict[str, Any]:
        """What the server knows of it: tokens, pages, shared_pages, state.

        Example:
            >>> ctx.info()["pages"]
        """
        return dict(control("context.info", context=self.handle))

    # Fillers

    def system(self, message: str) -> Context:
        """Note the system message.

        Example:
            >>> ctx.system("You are a helpful assistant.")
        """
        return self._note({"system": message})

    def user(self, message: str) -> Context:
        """Note a message of the user.

        Example:
            >>> ctx.user("What is the capital of France?")
        """
        return self._note({"user": message})

    def assistant(self, message: str) -> Context:
        """Note an earlier reply of the model (history).

        Example:
            >>> ctx.user("Hi").assistant("Hello!").user("How are you?")
        """
        return self._note({"assistant": message})

    def message(self, message: dict[str, Any]) -> Context:
        """Note a message in OpenAI's form: role, content, perhaps tool_calls and name.

        Example:
            >>> ctx.message({"role": "tool", "content": "4"})
        """
        return self._note({"message": message})

    def tool_result(self, content: str) -> Context:
        """Note what a tool returned.

        Example:
            >>> ctx.tool_result((await tools.call(call, contexts=[ctx])).content)
        """
        return self._note({"message": {"role": "tool", "content": content}})

    def tools(self, tools: Sequence[str | dict[str, Any]]) -> Context:
        """Tell the model which tools it has: names or OpenAI schemas. Before the system message.

        Example:
            >>> ctx.tools(["calculator"]).system("Use the tools when they help.")
        """
        return self._note({"tools": list(tools)})

    def cue(self) -> Context:
        """Note the beginning of the model's turn, once. `complete` and `generate` do it themselves.

        Example:
            >>> await ctx.user("2 + 2?").cue().flush()
        """
        return self if self._cued() else self._note({"cue": True})

    def seal(self) -> Context:
        """End the turn, unless the model has just ended it itself.

        Example:
            >>> reply = await ctx.complete(sampler, max_tokens=16)  # perhaps cut off at 16
            >>> ctx.seal().user("Go on.")
        """
        if self._sealed and not self._pending:
            return self
        return self._note({"seal": True})

    def append(self, tokens: Iterable[int]) -> Context:
        """Note raw tokens.

        Example:
            >>> ctx.append(model.tokenizer().encode("Answer:"))
        """
        added = list(tokens)
        if added and self._pending and "tokens" in self._pending[-1]:
            added = [*self._pending.pop()["tokens"], *added]
        return self._note({"tokens": added}) if added else self

    def text(self, text: str) -> Context:
        """Note raw text, without any chat template.

        Example:
            >>> ctx.text("Once upon a time")
        """
        return self._note({"text": text})

    def _note(self, segment: Segment) -> Context:
        self._pending.append(segment)
        return self

    def _cued(self) -> bool:
        return bool(self._pending) and "cue" in self._pending[-1]

    async def _run(self, name: str, fill: list[Segment], **fields: Any) -> dict[str, Any]:
        """One operation that appends `fill`. Its caller says by `_grew` what came of it."""
        sealed, self._sealed, self._length = self._sealed, False, None
        try:
            done = await operation(name, context=self.handle, fill=fill, **fields)
        except OperationError as error:
            if error.code in _REFUSALS:
                self._sealed = sealed
            raise
        finally:
            self._length = None
        return dict(done)

    async def _run_pending(self, name: str, *more: Segment, **fields: Any) -> dict[str, Any]:
        """One operation that appends what is noted; noted again if the server refuses it."""
        pending, self._pending = self._pending, []
        try:
            return await self._run(name, [*pending, *more], **fields)
        except OperationError as error:
            if error.code in _REFUSALS:
                self._pending = [*pending, *self._pending]
            raise

    def _grew(self, length: int, *, sealed: bool = False) -> None:
        self._length, self._sealed = length, sealed

    # The KV cache

    async def flush(self) -> None:
        """Run what is noted through the model.

        Example:
            >>> await ctx.system("You are a helpful assistant.").flush()
        """
        if self._pending:
            done = await self._run_pending("context.flush")
            self._grew(int(done["tokens"]))

    def fork(self) -> Context:
        """A copy that shares all pages until one of the two grows; also copies what is noted.

        Example:
            >>> branches = [ctx.fork() for _ in range(3)]
        """
        made = control("context.fork", context=self.handle)
        return Context._wrap(
            self._model, int(made["context"]), self._length, list(self._pending),
            sealed=self._sealed,
        )  # fmt: skip

    def truncate(self, n: int) -> None:
        """Drop the last `n` tokens of the KV cache. Exact for any `n`.

        Example:
            >>> length = ctx.seq_len
            >>> reply = await ctx.complete(sampler, max_tokens=16)
            >>> ctx.truncate(ctx.seq_len - length)  # as if it had never been said
        """
        length = self.seq_len
        if not 0 <= n <= length:
            raise ValueError(f"cannot drop {n} of {length} tokens")
        if n:
            control("context.truncate", context=self.handle, length=length - n)
            self._grew(length - n)

    def save(self, name: str) -> None:
        """Keep a copy under `name`, beyond the end of this inferlet. Flush before.

        Example:
            >>> await ctx.flush()
            >>> ctx.save("handbook")
        """
        control("context.save", context=self.handle, name=name)

    @classmethod
    def open(cls, model: Model, name: str) -> Context | None:
        """A fork of what was saved under `name`; None if there is nothing.

        Example:
            >>> ctx = Context.open(model, "handbook") or await build()
        """
        return cls._saved("context.open", model, name)

    @classmethod
    def take(cls, model: Model, name: str) -> Context | None:
        """Like `open`, and the name is free again.

        Example:
            >>> ctx = Context.take(model, "draft")
        """
        return cls._saved("context.take", model, name)

    @classmethod
    def _saved(cls, name: str, model: Model, key: str) -> Context | None:
        made = control(name, model=model.name, name=key)
        if made is None:
            return None
        handle = int(made["context"])
        length = int(control("context.info", context=handle)["tokens"])
        return cls._wrap(model, handle, length, [], sealed=False)

    @staticmethod
    def delete(model: Model, name: str) -> None:
        """Delete what was saved under `name`.

        Example:
            >>> Context.delete(model, "draft")
        """
        control("context.delete", model=model.name, name=name)

    def release(self) -> None:
        """Free its pages now. It cannot be used afterwards.

        Example:
            >>> for branch in losers:
            ...     branch.release()
        """
        control("context.release", context=self.handle)
        self._pending, self._length = [], 0

    def __enter__(self) -> Context:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"Context({self.handle}, {'?' if self._length is None else self._length} tokens)"

    # The model

    def forward(self) -> Forward:
        """One forward pass with samplers and probes of your choice.

        Example:
            >>> forward = ctx.forward().input(tokens)
            >>> best = forward.sample([-1], Sampler.argmax())
            >>> token = (await forward.execute()).token(best)
        """
        return Forward(self)

    def generate(
        self,
        sampler: Sampler,
        *,
        max_tokens: int | None = None,
        stop: Iterable[int | str] | None = None,
        auto_flush: bool = True,
    ) -> Generator:
        """Generate step by step, or all at once with the generator's `collect_text`.

        Args:
            sampler: Picks the tokens.
            max_tokens: At most so many; None for what the context still holds.
            stop: Tokens (or strings) that end it; the model's end of turn if not given.
            auto_flush: Begin the model's turn first (`cue`).

        Example:
            >>> async for step in ctx.generate(Sampler.argmax(), max_tokens=64):
            ...     out = await step.execute()
        """
        if auto_flush:
            self.cue()
            if stop is None:
                stop = self._model.eos_tokens
        return Generator(self, sampler, max_tokens=max_tokens, stop=stop)

    async def complete(
        self,
        sampler: Sampler,
        *,
        max_tokens: int | None = None,
        stop: Iterable[int | str] | None = None,
        stream: bool = False,
        cue: bool = True,
        ignore_eos: bool = False,
    ) -> Completion:
        """The model's whole turn as one operation: the cheapest way to generate.

        Args:
            sampler: Picks the tokens.
            max_tokens: At most so many; None for what the context still holds.
            stop: Further tokens or strings that end it, beside the model's end of turn.
            stream: Send the text to the client while it is decoded, without tool-call markup.
            cue: Begin the model's turn first.
            ignore_eos: Go on to exactly `max_tokens` (for benchmarks).

        Raises:
            ContextTooLong: It does not fit into the model's context.

        Example:
            >>> reply = await ctx.user("2 + 2?").complete(Sampler.argmax(), max_tokens=32)
            >>> reply.text
        """
        return await self._generate(
            sampler,
            max_tokens,
            [*self._model.eos_tokens, *(stop or ())],
            # Not noted: a caller whose turn is refused may note something else before it.
            [{"cue": True}] if cue and not self._cued() else [],
            stream=stream,
            ignore_eos=ignore_eos,
        )

    async def _generate(
        self,
        sampler: Sampler,
        max_tokens: int | None,
        stop: Iterable[int | str],
        more: Sequence[Segment] = (),
        *,
        stream: bool = False,
        ignore_eos: bool = False,
    ) -> Completion:
        if max_tokens is None:
            fill = [*self._pending, *more]
            new = control("context.render", context=self.handle, fill=fill) if fill else []
            max_tokens = self._model.max_context_tokens - self.seq_len - len(new)
        done = await self._run_pending(
            "context.generate",
            *more,
            sampler=sampler.to_wire(),
            max_tokens=max_tokens,
            stream="text" if stream else None,
            ignore_eos=ignore_eos,
            **stop_fields(stop),
        )
        completion = Completion._from_wire(done)
        last = completion.tokens[-1] if completion.tokens else None
        self._grew(completion.length, sealed=last in self._model.eos_tokens)
        return completion
