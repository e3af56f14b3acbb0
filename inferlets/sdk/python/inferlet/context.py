"""A context: one sequence of tokens with its KV cache, kept by the server.

The fillers only note what to append; the next `flush`, `complete`, `generate` or `forward` sends
it. Pages stay where they are between calls, however long the inferlet waits for a tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from inferlet._backend import control
from inferlet._releasable import Releasable
from inferlet.cached_tokens import CachedTokens
from inferlet.completion import Completion, stop_fields
from inferlet.constraining import Constraints, followed
from inferlet.fillers import Segment
from inferlet.forward import Forward
from inferlet.generation import Generator

if TYPE_CHECKING:
    from inferlet.adapter import Adapter
    from inferlet.grammar import Constrain
    from inferlet.model import Model
    from inferlet.sample import Sampler
    from inferlet.spec import Speculator


class Context(CachedTokens, Releasable):
    """A conversation of the model. Freed by `release`, by `with`, or when the inferlet ends.

    Args:
        model: Whose context it is.
        prefix_reuse: Whether pages of equal beginnings are shared with other contexts.

    Example:
        >>> ctx = Context(model)
        >>> ctx.system("You are a helpful assistant.").user("What is 2 + 2?")
        >>> reply = await ctx.complete(Sampler.argmax(), max_tokens=32)
    """

    __slots__ = ()

    def __init__(self, model: Model, *, prefix_reuse: bool = True) -> None:
        made = control("context.create", model=model.name, prefix_reuse=prefix_reuse)
        self._adopt(model, int(made["context"]), 0)

    def _adopt(self, model: Model, handle: int, length: int | None) -> None:
        self.handle = handle
        self._model = model
        self._length = length
        self._pending = []
        self._sealed = False
        self._adapter = self._fed_through = None
        self._queue = None

    @classmethod
    def _wrap(cls, model: Model, handle: int, length: int | None) -> Context:
        context = object.__new__(cls)
        context._adopt(model, handle, length)
        return context

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
        fork = Context._wrap(self._model, int(made["context"]), self._length)
        fork._pending, fork._sealed = list(self._pending), self._sealed
        fork._adapter, fork._fed_through = self._adapter, self._fed_through
        return fork

    def save(self, name: str) -> None:
        """Keep a copy under `name`, beyond the end of this inferlet. Flush before.

        Example:
            >>> await ctx.flush()
            >>> ctx.save("handbook")
        """
        self._feed_through(self._adapter)
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
        return cls._wrap(model, handle, length)

    @staticmethod
    def delete(model: Model, name: str) -> None:
        """Delete what was saved under `name`.

        Example:
            >>> Context.delete(model, "draft")
        """
        control("context.delete", model=model.name, name=name)

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
        constrain: Constrain | Iterable[Constrain] | None = None,
        logit_mask: list[int] | None = None,
        speculator: Speculator | None = None,
        adapter: Adapter | None = None,
        auto_flush: bool = True,
    ) -> Generator:
        """Generate step by step, or all at once with the generator's `collect_text`.

        Args:
            sampler: Picks the tokens.
            max_tokens: At most so many; None for what the context still holds.
            stop: Tokens (or strings) that end it; the model's end of turn if not given.
            constrain: A grammar (see `inferlet.grammar`), or constraints of the inferlet's own.
            logit_mask: A mask (see `inferlet.masks`) of the tokens that are allowed throughout.
            speculator: Drafts tokens that are checked several at a time (see `inferlet.spec`).
            adapter: Generate through it; the context goes on with its own.
            auto_flush: Begin the model's turn first (`cue`).

        Raises:
            ValueError: Two grammars, or a speculator and a constraint that cannot go back.

        Example:
            >>> async for step in ctx.generate(Sampler.argmax(), max_tokens=64):
            ...     out = await step.execute()
        """
        if auto_flush and stop is None:
            stop = self._model.eos_tokens
        generator = Generator(
            self,
            sampler,
            max_tokens=max_tokens,
            stop=stop,
            constrain=constrain,
            logit_mask=logit_mask,
            speculator=speculator,
            adapter=adapter,
        )
        if auto_flush:
            self.cue()
        return generator

    async def complete(
        self,
        sampler: Sampler,
        *,
        max_tokens: int | None = None,
        stop: Iterable[int | str] | None = None,
        constrain: Constrain | None = None,
        adapter: Adapter | None = None,
        stream: bool = False,
        cue: bool = True,
        ignore_eos: bool = False,
    ) -> Completion:
        """The model's whole turn as one operation: the cheapest way to generate.

        Args:
            sampler: Picks the tokens.
            max_tokens: At most so many; None for what the context still holds.
            stop: Further tokens or strings that end it, beside the model's end of turn.
            constrain: A grammar that the text must fit (see `inferlet.grammar`).
            adapter: Generate through it; the context goes on with its own.
            stream: Send the text to the client while it is decoded, without tool-call markup.
            cue: Begin the model's turn first.
            ignore_eos: Go on to exactly `max_tokens` (for benchmarks).

        Raises:
            ContextTooLong: It does not fit into the model's context.
            ValueError: The constraint is Python code, which has to run at each token.

        Example:
            >>> reply = await ctx.user("2 + 2?").complete(Sampler.argmax(), max_tokens=32)
            >>> reply.text
        """
        constraints = Constraints(self._model)
        constraints.add(constrain)
        if constraints.masks:
            raise ValueError(
                "complete is one operation, so it takes grammars only: use ctx.generate with a "
                "Constraint of your own"
            )
        async with followed(constraints.grammar, self._model) as grammar:
            return await self._generate(
                sampler,
                max_tokens,
                [*self._model.eos_tokens, *(stop or ())],
                # Not noted: a caller whose turn is refused may note something else before it.
                [{"cue": True}] if cue and not self._cued() else [],
                stream=stream,
                ignore_eos=ignore_eos,
                grammar=grammar,
                adapter=adapter,
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
        grammar: Mapping[str, int],
        adapter: Adapter | None = None,
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
            adapter=adapter,
            **grammar,
            **stop_fields(stop),
        )
        completion = Completion._from_wire(done)
        last = completion.tokens[-1] if completion.tokens else None
        self._grew(completion.length, sealed=last in self._model.eos_tokens)
        return completion
