"""Generation: one coarse operation, or step by step under the inferlet's control."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from inferlet import chat
from inferlet.adapter import Adapter
from inferlet.completion import Completion
from inferlet.constraining import Constraints, followed
from inferlet.grammar import AnyJson, Constrain, JsonSchema
from inferlet.readouts import ProbeHandle
from inferlet.sample import Probe, Sampler
from inferlet.spec import Speculator
from inferlet.stepping import GenStep, StopStrings

if TYPE_CHECKING:
    from inferlet.context import Context


class Generator:
    """Made by `ctx.generate`. Iterate over it for control of each token, or collect.

    With a speculator a step tries its drafts in the same forward pass and accepts those that are
    what the sampler picks; `out.tokens` then has one token or more, and negative indices of probes
    count from the first of them, not from the drafts.

    Example:
        >>> generator = ctx.generate(Sampler.top_p(0.6, 0.95), max_tokens=256)
        >>> async for step in generator:
        ...     out = await step.execute()
        ...     print(out.tokens)
    """

    def __init__(
        self,
        context: Context,
        sampler: Sampler,
        *,
        max_tokens: int | None = None,
        stop: Iterable[int | str] | None = None,
        constrain: Constrain | Iterable[Constrain] | None = None,
        logit_mask: list[int] | None = None,
        speculator: Speculator | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        self._context = context
        self._sampler = sampler
        self._max_tokens = max_tokens
        self._stop: list[int | str] = list(stop or ())
        self._speculator = speculator
        self._adapter = adapter
        self._constraints = Constraints(context.model)
        self._constraints.add_mask(logit_mask)
        self._probes: list[tuple[int, Probe]] = []
        self._tokens: list[int] = []  # accepted in steps
        self._generated = 0
        self._done = False
        self._stepped = False
        self._constrain(constrain)

    def max_tokens(self, n: int) -> Generator:
        """At most `n` tokens.

        Example:
            >>> ctx.generate(sampler).max_tokens(64)
        """
        self._max_tokens = n
        return self

    def stop(self, stop: Iterable[int | str]) -> Generator:
        """Replace the tokens and strings that end it.

        Example:
            >>> ctx.generate(sampler).stop(["\\n"])
        """
        self._stop = list(stop)
        return self

    def add_stop(self, stop: Iterable[int | str]) -> Generator:
        """Add tokens and strings that end it.

        Example:
            >>> ctx.generate(sampler).add_stop(["Observation:"])
        """
        self._stop.extend(stop)
        return self

    def constrain(self, constrain: Constrain) -> Generator:
        """Let it write only what fits; several constraints must all be met.

        Raises:
            ValueError: They cannot be followed together (two grammars; a speculator and a
                `Constraint` without `rollback`).

        Example:
            >>> ctx.generate(sampler).constrain(Regex("(yes|no)"))
        """
        self._constrain(constrain)
        return self

    def _constrain(self, constrain: Constrain | Iterable[Constrain] | None) -> None:
        self._constraints.add(constrain)
        self._check_speculation()

    def switch(self, constrain: Constrain | Iterable[Constrain] | None) -> Generator:
        """From the next token on follow this instead of what was followed so far; None: nothing.

        A grammar begins with the next token, a `Matcher` goes on where it stands. The `logit_mask`
        stays.

        Raises:
            ValueError: As for `constrain`.

        Example:
            >>> async for step in generator:
            ...     out = await step.execute()
            ...     if answer_begins in out.tokens:
            ...         generator.switch(JsonSchema(schema))
        """
        self._constraints.replace(constrain)
        self._check_speculation()
        return self

    def _check_speculation(self) -> None:
        if self._speculator is not None and not self._constraints.tries_drafts:
            raise ValueError(
                "drafts cannot be tried on a Constraint that cannot go back: give it a "
                "rollback(n), use a grammar, or leave out the speculator"
            )

    def adapter(self, adapter: Adapter) -> Generator:
        """Generate through an adapter; the context goes on with its own.

        Example:
            >>> ctx.generate(sampler).adapter(Adapter.open(model, "formal"))
        """
        self._adapter = adapter
        return self

    def probe_each_step(self, index: int, probe: Probe) -> ProbeHandle:
        """Attach a probe to every step.

        Example:
            >>> top = generator.probe_each_step(-1, Distribution(k=5))
        """
        handle = GenStep(self).probe(index, probe)
        self._probes.append((index, probe))
        return handle

    @property
    def tokens_generated(self) -> int:
        """Tokens accepted so far, stop tokens not counted.

        Example:
            >>> generator.tokens_generated
        """
        return self._generated

    @property
    def is_done(self) -> bool:
        """Whether it has ended.

        Example:
            >>> while not generator.is_done: ...
        """
        return self._done or (self._max_tokens is not None and self._generated >= self._max_tokens)

    def __aiter__(self) -> Generator:
        return self

    async def __anext__(self) -> GenStep:
        if self.is_done:
            raise StopAsyncIteration
        self._stepped = True
        return GenStep(self)

    def accept(self, tokens: list[int]) -> list[int]:
        """Register tokens that the inferlet picked itself; returns those before a stop.

        Raises:
            InvalidOperation: The grammar does not allow them; nothing was registered.

        Example:
            >>> step.clear_sampler()
            >>> out = await step.execute()
            >>> generator.accept([choose(out.distribution(top))])
        """
        self._constraints.check(tokens)
        accepted = self._before_stop(tokens)
        self._constraints.take_back(len(tokens) - len(accepted))
        self._constraints.accept(accepted)
        self._close_if_done()
        self._context.append(accepted)
        if self._speculator is not None:
            self._speculator.accept(accepted)
        return accepted

    def _before_stop(self, tokens: list[int]) -> list[int]:
        """Count tokens, up to where it has to stop."""
        accepted: list[int] = []
        strings, ends = StopStrings(self._stop, self._context.model), self._ends()
        for token in tokens:
            if token in ends:
                self._done = True
                break
            accepted.append(token)
            self._tokens.append(token)
            self._generated += 1
            if self.is_done or strings.end(self._tokens):
                self._done = True
                break
        return accepted

    def _ends(self) -> set[int | str]:
        """What stops it. After the end of a grammar nothing but the end may come."""
        ends = set(self._stop)
        if self._constraints.grammar is not None:
            ends.update(self._context.model.eos_tokens)
        return ends

    def _close_if_done(self) -> None:
        if self.is_done:
            self._constraints.close()

    def _take(self, found: list[int], drafts: list[int], drafted: int) -> list[int]:
        """Accept what a step found to follow; of its drafts the right ones stay.

        Args:
            found: The drafts that are right, and the token behind them.
            drafts: Those that were tried.
            drafted: How many tokens the speculator gave.
        """
        right = len(found) - 1
        if drafts:  # otherwise the grammar has taken the token with the step
            self._constraints.check(found)
        accepted = self._before_stop(found)
        self._constraints.take_back(len(found) - len(accepted))
        self._constraints.forget(len(drafts) - right)
        self._constraints.accept(accepted[right:])
        self._close_if_done()
        cached = min(len(accepted), right)
        self._context.truncate(len(drafts) - cached)
        self._context.append(accepted[cached:])
        if self._speculator is not None:
            self._speculator.accept(found)
            if drafted > right:
                self._speculator.rollback(drafted - right)
        return accepted

    async def collect_tokens(self) -> list[int]:
        """Run to the end; all tokens, without the stop token.

        Example:
            >>> tokens = await ctx.generate(Sampler.argmax(), max_tokens=16).collect_tokens()
        """
        if self._needs_steps():
            tokens: list[int] = []
            async for step in self:
                tokens += (await step.execute()).tokens
            return tokens
        return self._without_stop((await self._run_at_once()).tokens)

    async def collect_text(self) -> str:
        """Run to the end; the text, without special tokens.

        One operation for all tokens, unless steps have been taken, probes attached, or tokens are
        masked or drafted in the inferlet.

        Example:
            >>> text = await ctx.generate(Sampler.argmax(), max_tokens=64).collect_text()
        """
        if not self._needs_steps():
            return (await self._run_at_once()).text
        decoder, parts = chat.Decoder(self._context.model), []
        async for step in self:
            event = decoder.feed((await step.execute()).tokens)
            if isinstance(event, chat.Event.Delta):
                parts.append(event.text)
        return "".join(parts) + decoder.rest()

    async def collect_json(
        self,
        *,
        schema: str | Mapping[str, Any] | None = None,
        parse: Callable[[str], Any] | None = None,
    ) -> Any:
        """Run to the end as JSON, and parse it.

        Args:
            schema: What it must fit; without one, and without a constraint, any JSON value.
            parse: Parses the text instead of `json.loads`.

        Raises:
            ValueError: It was cut off, by `max_tokens` for instance, so that it is no JSON.

        Example:
            >>> person = await ctx.generate(Sampler.argmax()).collect_json(schema=schema)
        """
        if schema is not None:
            self._constrain(JsonSchema(schema))
        elif self._constraints.grammar is None:
            self._constrain(AnyJson())
        text = await self.collect_text()
        return json.loads(text) if parse is None else parse(text)

    def _needs_steps(self) -> bool:
        by_the_inferlet = self._speculator is not None or self._constraints.masks
        return self._stepped or by_the_inferlet or bool(self._probes) or self.is_done

    async def _run_at_once(self) -> Completion:
        async with followed(self._constraints.grammar, self._context.model) as grammar:
            completion = await self._context._generate(
                self._sampler,
                self._max_tokens,
                self._stop,
                grammar=grammar,
                adapter=self._adapter,
            )
        self._done = True
        self._generated += len(self._without_stop(completion.tokens))
        return completion

    def _without_stop(self, tokens: list[int]) -> list[int]:
        return tokens[:-1] if tokens and tokens[-1] in self._ends() else tokens
