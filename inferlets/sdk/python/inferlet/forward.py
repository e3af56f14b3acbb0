"""One forward pass: tokens in, sampled tokens and distributions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inferlet.sample import Distribution, Sampler

if TYPE_CHECKING:
    from inferlet.context import Context


@dataclass(frozen=True, slots=True)
class SampleHandle:
    """Where an `Output` has the tokens of one `sample` call.

    Example:
        >>> handle = ctx.forward().input(tokens).sample([-1], Sampler.argmax())
    """

    slot: int
    arity: int = 1


@dataclass(frozen=True, slots=True)
class ProbeHandle:
    """Where an `Output` has the result of one `probe` call.

    Example:
        >>> handle = ctx.forward().input(tokens).probe(-1, Distribution(k=3))
    """

    slot: int
    probe: Distribution


@dataclass(slots=True)
class Slots:
    """Samplers and probes attached to one forward pass."""

    samplers: list[dict[str, Any]] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)

    def sample(self, indices: list[int], sampler: Sampler) -> SampleHandle:
        """Attach a sampler at each index."""
        handle = SampleHandle(len(self.samplers), len(indices))
        self.samplers += [{"index": index, "sampler": sampler.to_wire()} for index in indices]
        return handle

    def probe(self, index: int, probe: Distribution) -> ProbeHandle:
        """Attach a probe."""
        if not isinstance(probe, Distribution):
            raise TypeError(f"{type(probe).__name__} is not a probe; use Distribution(k=...)")
        handle = ProbeHandle(len(self.probes), probe)
        self.probes.append({"index": index, "top_k": probe._wire_width()})
        return handle


class Output:
    """What a forward pass gave.

    Attributes:
        tokens: Tokens that a generator's step accepted (without the stop token); empty for a
            plain forward pass, whose tokens are read through handles.

    Example:
        >>> out = await forward.execute()
        >>> out.token(best), out.distribution(top)
    """

    __slots__ = ("_raw", "tokens")

    def __init__(self, raw: dict[str, Any], tokens: list[int] | None = None) -> None:
        self._raw = raw
        self.tokens: list[int] = tokens if tokens is not None else []

    def token(self, handle: SampleHandle) -> int:
        """The (first) token of a sampler.

        Example:
            >>> out.token(best)
        """
        return self.tokens_at(handle)[0]

    def tokens_at(self, handle: SampleHandle) -> list[int]:
        """The tokens of a sampler with several indices.

        Example:
            >>> out.tokens_at(forward.sample([0, 1, 2], Sampler.argmax()))
        """
        sampled: list[int] = self._raw["tokens"]
        return sampled[handle.slot : handle.slot + handle.arity]

    def distribution(self, handle: ProbeHandle) -> tuple[list[int], list[float]]:
        """Tokens and probabilities of a probe, most probable first.

        Example:
            >>> tokens, probabilities = out.distribution(top)
        """
        raw = self._raw["distributions"][handle.slot]
        return handle.probe._scale(list(raw["tokens"]), list(raw["probabilities"]))


class Forward:
    """A forward pass to be executed. Methods return what is needed to chain them.

    Without `input` it runs what is noted in the context's buffer. The sampled tokens do not enter
    the context by themselves: give them to the next pass, or to `ctx.append`.

    Example:
        >>> forward = ctx.forward().input(model.tokenizer().encode("2 + 2 ="))
        >>> best = forward.sample([-1], Sampler.argmax())
        >>> out = await forward.execute()
        >>> ctx.append([out.token(best)])
    """

    __slots__ = ("_context", "_inputs", "_slots")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._inputs: list[int] = []
        self._slots = Slots()

    def start_position(self) -> int:
        """Position of the first input token.

        Example:
            >>> ctx.forward().start_position() == ctx.seq_len
        """
        return self._context.seq_len

    def input(self, tokens: list[int]) -> Forward:
        """Add tokens after the context's last one.

        Example:
            >>> ctx.forward().input([token])
        """
        self._inputs.extend(tokens)
        return self

    def sample(self, indices: list[int], sampler: Sampler) -> SampleHandle:
        """Sample the token that follows each input index (negative: from the end).

        Example:
            >>> best = forward.sample([-1], Sampler.argmax())
        """
        return self._slots.sample(indices, sampler)

    def probe(self, index: int, probe: Distribution) -> ProbeHandle:
        """Read the distribution of the token that follows an input index.

        Example:
            >>> top = forward.probe(-1, Distribution(k=10))
        """
        return self._slots.probe(index, probe)

    async def execute(self) -> Output:
        """Run it. Its inputs are in the context's KV cache afterwards.

        Raises:
            ValueError: It has nothing to run.

        Example:
            >>> out = await forward.execute()
        """
        if not self._inputs and not self._context._pending:
            raise ValueError(
                "a forward pass needs input: call .input(tokens), or fill the context before"
            )
        return Output(await run_forward(self._context, self._inputs, self._slots))


async def run_forward(context: Context, inputs: list[int], slots: Slots) -> dict[str, Any]:
    """One `context.forward` operation, on `inputs` or else on what the context has noted."""
    fields = {"samplers": slots.samplers, "distributions": slots.probes}
    if inputs:
        raw = await context._run("context.forward", [{"tokens": inputs}], **fields)
    else:
        raw = await context._run_pending("context.forward", **fields)
    context._grew(int(raw["length"]))
    return raw
