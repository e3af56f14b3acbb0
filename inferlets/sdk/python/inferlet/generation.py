"""Generation: one coarse operation, or step by step under the inferlet's control."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inferlet import chat
from inferlet.forward import Output, ProbeHandle, SampleHandle, Slots, run_forward
from inferlet.sample import Distribution, Sampler
from inferlet.tools import Call

if TYPE_CHECKING:
    from inferlet.context import Context


@dataclass(frozen=True, slots=True)
class Completion:
    """A turn of the model.

    Attributes:
        text: All of it, as decoded.
        content: The text without tool-call markup.
        tokens: All tokens, the end of turn included.
        tool_calls: The tool calls it contains.
        finish_reason: "stop" or "length".
        logprob: Sum of the tokens' log-probabilities.
        length: Tokens in the context now.

    Example:
        >>> reply = await ctx.complete(Sampler.argmax(), max_tokens=64)
        >>> reply.tool_calls or reply.content
    """

    text: str
    content: str
    tokens: list[int]
    tool_calls: list[Call]
    finish_reason: str
    logprob: float
    length: int

    @property
    def mean_logprob(self) -> float:
        """Log-probability per token: how sure the model was.

        Example:
            >>> best = max(replies, key=lambda reply: reply.mean_logprob)
        """
        return self.logprob / max(1, len(self.tokens))

    @classmethod
    def _from_wire(cls, raw: dict[str, Any]) -> Completion:
        return cls(
            text=raw["text"],
            content=raw["content"],
            tokens=list(raw["tokens"]),
            tool_calls=[Call._from_wire(call) for call in raw["tool_calls"]],
            finish_reason=raw["finish_reason"],
            logprob=float(raw["logprob"]),
            length=int(raw["length"]),
        )


def stop_fields(stop: Iterable[int | str]) -> dict[str, Any]:
    """Stop tokens and stop strings as the operation has them."""
    items = list(stop)
    return {
        "stop_tokens": [item for item in items if isinstance(item, int)],
        "stop": [item for item in items if isinstance(item, str)],
    }


class Generator:
    """Made by `ctx.generate`. Iterate over it for control of each token, or collect.

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
    ) -> None:
        self._context = context
        self._sampler = sampler
        self._max_tokens = max_tokens
        self._stop: list[int | str] = list(stop or ())
        self._probes: list[tuple[int, Distribution]] = []
        self._generated = 0
        self._text = ""
        self._done = False
        self._stepped = False

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

    def probe_each_step(self, index: int, probe: Distribution) -> ProbeHandle:
        """Attach a probe to every step.

        Example:
            >>> top = generator.probe_each_step(-1, Distribution(k=5))
        """
        self._probes.append((index, probe))
        return ProbeHandle(len(self._probes) - 1, probe)

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

        Example:
            >>> step.clear_sampler()
            >>> out = await step.execute()
            >>> generator.accept([choose(out.distribution(top))])
        """
        accepted: list[int] = []
        for token in tokens:
            if token in self._stop:
                self._done = True
                break
            accepted.append(token)
            if self._max_tokens is not None and self._generated + len(accepted) >= self._max_tokens:
                self._done = True
                break
        self._generated += len(accepted)
        self._context.append(accepted)
        self._check_stop_strings(accepted)
        return accepted

    def _check_stop_strings(self, accepted: list[int]) -> None:
        strings = [item for item in self._stop if isinstance(item, str)]
        if strings and accepted:
            self._text += self._context.model.tokenizer().decode(accepted)
            self._done = self._done or any(item in self._text for item in strings)

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

        One operation for all tokens, unless steps have been taken or probes attached.

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

    def _needs_steps(self) -> bool:
        return self._stepped or bool(self._probes) or self.is_done

    async def _run_at_once(self) -> Completion:
        completion = await self._context._generate(self._sampler, self._max_tokens, self._stop)
        self._done = True
        self._generated += len(self._without_stop(completion.tokens))
        return completion

    def _without_stop(self, tokens: list[int]) -> list[int]:
        return tokens[:-1] if tokens and tokens[-1] in self._stop else tokens


class GenStep:
    """The next forward pass of a generator; add probes before `execute`.

    Example:
        >>> async for step in generator:
        ...     top = step.probe(-1, Distribution(k=2))
        ...     out = await step.execute()
    """

    __slots__ = ("_generator", "_sampled", "_slots")

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._slots = Slots()
        self._sampled: SampleHandle | None = self._slots.sample([-1], generator._sampler)
        for index, probe in generator._probes:
            self._slots.probe(index, probe)

    def clear_sampler(self) -> GenStep:
        """Sample nothing: the inferlet picks the token and calls `Generator.accept`.

        Example:
            >>> step.clear_sampler()
        """
        self._slots.samplers.clear()
        self._sampled = None
        return self

    def probe(self, index: int, probe: Distribution) -> ProbeHandle:
        """Attach a probe to this step only.

        Example:
            >>> top = step.probe(-1, Distribution(k=2))
        """
        return self._slots.probe(index, probe)

    async def execute(self) -> Output:
        """Run it; the sampled token goes into the context with the next step.

        Example:
            >>> out = await step.execute()
            >>> out.tokens
        """
        generator = self._generator
        if not generator._context._pending:
            generator._done = True
            return Output({"tokens": [], "distributions": []})
        raw = await run_forward(generator._context, [], self._slots)
        sampled = raw["tokens"][:1] if self._sampled is not None else []
        return Output(raw, generator.accept(sampled))
