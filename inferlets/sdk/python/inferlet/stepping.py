"""One step of a generator: a forward pass over what is noted, and over drafts."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING

from inferlet.errors import OperationError
from inferlet.forward import run_forward
from inferlet.masks import TokenMask
from inferlet.matcher import Matcher
from inferlet.readouts import Output, ProbeHandle, Slots
from inferlet.sample import Probe
from inferlet.spec import matching

if TYPE_CHECKING:
    from inferlet.generation import Generator
    from inferlet.model import Model


class GenStep:
    """The next forward pass of a generator; add probes before `execute`.

    Example:
        >>> async for step in generator:
        ...     top = step.probe(-1, Distribution(k=2))
        ...     out = await step.execute()
    """

    __slots__ = ("_generator", "_samples", "_slots")

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._slots = Slots()
        self._samples = True
        for index, probe in generator._probes:
            self._slots.probe(index, probe)

    def clear_sampler(self) -> GenStep:
        """Sample nothing: the inferlet picks the token and calls `Generator.accept`.

        Example:
            >>> step.clear_sampler()
        """
        self._samples = False
        return self

    def probe(self, index: int, probe: Probe) -> ProbeHandle:
        """Attach a probe to this step only.

        Example:
            >>> top = step.probe(-1, Distribution(k=2))
        """
        return self._slots.probe(index, probe)

    async def execute(self) -> Output:
        """Run it; the last sampled token goes into the context with the next step.

        Example:
            >>> out = await step.execute()
            >>> out.tokens
        """
        generator = self._generator
        context = generator._context
        if not context._pending:
            generator._done = True
            generator._close_if_done()
            return Output({"tokens": [], "distributions": []})
        matcher = await generator._constraints.matcher()
        if not self._speculates():
            return await self._try(self._slots, [], 0, 0, matcher)
        pending = context.buffer()
        before = context.seq_len + len(pending)
        drafts, drafted = self._draft(before)
        try:
            return await self._try(deepcopy(self._slots), drafts, drafted, before, matcher)
        except OperationError as error:
            if not drafts or error.code != "invalid_grammar":
                raise
        # A draft may lead to where the grammar has no way on, and may yet be wrong.
        context.truncate(1)
        context.append(pending[-1:])
        return await self._try(self._slots, [], 0, before, matcher)

    async def _try(
        self,
        slots: Slots,
        drafts: list[int],
        drafted: int,
        before: int,
        matcher: Matcher | None,
    ) -> Output:
        """One pass over what is noted and over drafts, which begin behind `before` tokens."""
        generator = self._generator
        context = generator._context
        allowed = generator._constraints.next_masks(drafts)
        drafts = drafts[: len(allowed) - 1]
        if self._samples:
            self._sample(slots, drafts, allowed, matcher)
        slots.move_back(len(drafts))
        behind = [{"tokens": drafts}] if drafts else []
        try:
            raw = await run_forward(context, None, slots, behind=behind, adapter=generator._adapter)
        except OperationError:
            self._take_back(drafts, drafted, before)
            raise
        if matcher is not None and self._samples:
            matcher._moved()
        if not self._samples:
            return Output(raw, [])
        found = matching(drafts, raw["tokens"])
        for mask, token in zip(allowed, found, strict=False):
            if mask is not None:
                mask.check([token])
        return Output(raw, generator._take(found, drafts, drafted))

    def _sample(
        self,
        slots: Slots,
        drafts: list[int],
        allowed: list[TokenMask | None],
        matcher: Matcher | None,
    ) -> None:
        """A sampler behind what is noted and behind each draft."""
        generator = self._generator
        for index in range(len(drafts) + 1):
            sampler = generator._sampler._counting([*generator._tokens, *drafts[:index]])
            mask = allowed[index]
            slots.sample(
                [index - len(drafts) - 1],
                sampler if mask is None else mask.apply(sampler),
                matcher=matcher,
                drafts=[drafts[:index]],
                advance=not drafts,
            )

    def _speculates(self) -> bool:
        return self._samples and self._generator._speculator is not None

    def _draft(self, length: int) -> tuple[list[int], int]:
        """Drafts to try behind `length` tokens, and how many the speculator gave."""
        generator = self._generator
        if not self._speculates() or generator._speculator is None:
            return [], 0
        tokens, positions = generator._speculator.draft()
        if positions and positions != list(range(length, length + len(tokens))):
            raise ValueError(
                f"a speculator's drafts follow each other from position {length}; check trees "
                "with ctx.forward().input_at(...).visible(...) and ctx.keep"
            )
        room = generator._context.model.max_context_tokens - length
        if generator._max_tokens is not None:
            # One more token comes from behind the drafts.
            room = min(room, generator._max_tokens - generator._generated - 1)
        return list(tokens)[: max(0, room)], len(tokens)

    def _take_back(self, drafts: list[int], drafted: int, before: int) -> None:
        """After a failure no draft stays in the context, however far the pass came."""
        generator = self._generator
        generator._constraints.forget(len(drafts))
        if drafted and generator._speculator is not None:
            generator._speculator.rollback(drafted)
        if drafts:
            generator._context.truncate(max(0, generator._context.seq_len - before))


class StopStrings:
    """Finds out whether generated tokens end with a stop string."""

    __slots__ = ("_model", "_strings", "_width")

    def __init__(self, stop: Iterable[int | str], model: Model) -> None:
        self._model = model
        self._strings = [item for item in stop if isinstance(item, str)]
        # Each token has a byte at least, but for special ones.
        self._width = max((len(item.encode()) for item in self._strings), default=0) + 4

    def end(self, tokens: list[int]) -> bool:
        """Whether one of them is in the text of the last tokens."""
        if not self._strings:
            return False
        text = self._model.tokenizer().decode(tokens[-self._width :])
        return any(item in text for item in self._strings)
