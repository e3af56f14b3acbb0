"""One forward pass: tokens or embeddings in, sampled tokens, distributions and tensors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from inferlet.masks import TokenMask, ranges_of
from inferlet.readouts import Output as Output
from inferlet.readouts import ProbeHandle as ProbeHandle
from inferlet.readouts import SampleHandle as SampleHandle
from inferlet.readouts import Slots
from inferlet.sample import Probe, Sampler

if TYPE_CHECKING:
    from inferlet.adapter import Adapter
    from inferlet.context import Context
    from inferlet.matcher import Matcher
    from inferlet.tensors import Tensor


class _Followed(TypedDict):
    """How a sampler follows a grammar."""

    matcher: Matcher | None
    drafts: list[list[int]]
    advance: bool


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

    __slots__ = (
        "_adapter",
        "_attention",
        "_context",
        "_embeddings",
        "_inputs",
        "_mask",
        "_positions",
        "_samples",
        "_slots",
        "_visible",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._inputs: list[int] = []
        self._positions: dict[int, int] = {}  # of inputs that have one of their own, by index
        self._embeddings: Tensor | None = None
        self._slots = Slots()
        self._samples: list[tuple[list[int], Sampler, _Followed]] = []
        self._mask: list[int] | None = None
        self._attention: list[Sequence[int]] | None = None
        self._visible: list[list[tuple[int, int]]] | None = None
        self._adapter: Adapter | None = None

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

    def input_at(self, tokens: list[int], positions: list[int]) -> Forward:
        """Add tokens that stand at rotary positions of their own, such as branches of a tree.

        In the context they lie behind its last token all the same, and stay there: `ctx.keep` or
        `ctx.truncate` takes out what is not wanted.

        Example:
            >>> n = ctx.seq_len
            >>> ctx.forward().input_at([left, right], [n, n]).visible([[(0, n)], [(0, n)]])
        """
        if len(tokens) != len(positions):
            raise ValueError(f"{len(tokens)} tokens have {len(positions)} positions")
        first = len(self._inputs)
        self._positions.update(enumerate(positions, first))
        return self.input(tokens)

    def input_embeddings(self, embeddings: Tensor) -> Forward:
        """Feed rows of a tensor (embeddings or hidden states) instead of tokens.

        Example:
            >>> ctx.forward().input_embeddings(await tensors.embed(model, "hello"))
        """
        self._embeddings = embeddings
        return self

    def sample(
        self,
        indices: list[int],
        sampler: Sampler,
        *,
        matcher: Matcher | None = None,
        drafts: Sequence[int] = (),
        advance: bool = False,
    ) -> SampleHandle:
        """Sample the token that follows each input index (negative: from the end).

        Args:
            indices: Of input tokens.
            sampler: Picks the tokens.
            matcher: Only what it allows is picked. It stands where it is until it is moved.
            drafts: Tokens that it has not accepted yet: the first n of them stand behind the n-th
                index. Behind one that the grammar does not allow everything is picked from.
            advance: The matcher accepts the token, for one index without drafts.

        Example:
            >>> best = forward.sample([-1], Sampler.argmax())
            >>> drafts = [7, 8]
            >>> found = ctx.forward().input([last, *drafts]).sample(
            ...     [-3, -2, -1], Sampler.argmax(), matcher=matcher, drafts=drafts)
        """
        if matcher is None and (drafts or advance):
            raise ValueError("drafts and advance go with a matcher")
        before = [list(drafts[:number]) for number in range(len(indices))] if drafts else []
        more: _Followed = {"matcher": matcher, "drafts": before, "advance": advance}
        self._samples.append((list(indices), sampler, more))
        return self._slots.sample(indices, sampler, **more)

    def probe(self, index: int, probe: Probe) -> ProbeHandle:
        """Read the distribution of the token that follows an input index.

        Example:
            >>> top = forward.probe(-1, Distribution(k=10))
        """
        return self._slots.probe(index, probe)

    def keep_hidden(self, indices: list[int]) -> Forward:
        """Keep the hidden states behind the last layer at these indices: `Output.hidden`.

        Example:
            >>> hidden = (await ctx.forward().input(tokens).keep_hidden([-1]).execute()).hidden
        """
        self._slots.hidden.extend(indices)
        return self

    def keep_logits(self, indices: list[int]) -> Forward:
        """Keep the logits at these indices on the device: `Output.kept_logits`.

        Example:
            >>> rows = (await ctx.forward().input(tokens).keep_logits([-1]).execute()).kept_logits
        """
        self._slots.kept_logits.extend(indices)
        return self

    def mask(self, brle: list[int]) -> Forward:
        """Confine every sampler to the tokens that a mask (see `inferlet.masks`) allows.

        Example:
            >>> forward.mask(masks.mask_of([yes, no], model.vocab_size))
        """
        self._mask = list(brle)
        return self

    def attention_mask(self, masks: Sequence[Sequence[int]]) -> Forward:
        """What each input token sees, as a mask (see `inferlet.masks`) over the context's tokens.

        What lies behind the token itself is left out, and a token always sees itself.

        Example:
            >>> n = ctx.seq_len  # the first 4 tokens and the last 16
            >>> ctx.forward().input([token]).attention_mask([[0, 4, n - 20, 17]])
        """
        self._attention, self._visible = list(masks), None
        return self

    def visible(self, ranges: Sequence[Sequence[tuple[int, int]]]) -> Forward:
        """What each input token sees, as half-open ranges of the context's tokens.

        Example:
            >>> ctx.forward().input([token]).visible([[(0, 4), (n - 16, n)]])
        """
        self._visible, self._attention = [list(row) for row in ranges], None
        return self

    def adapter(self, adapter: Adapter) -> Forward:
        """Pass these tokens through an adapter; the context goes on with its own.

        Example:
            >>> ctx.forward().input(tokens).adapter(Adapter.open(model, "formal"))
        """
        self._adapter = adapter
        return self

    async def execute(self) -> Output:
        """Run it. Its inputs are in the context's KV cache afterwards.

        Raises:
            ValueError: It has nothing to run, or its masks do not fit its inputs.

        Example:
            >>> out = await forward.execute()
        """
        if self._inputs and self._embeddings is not None:
            raise ValueError("a forward pass takes tokens or embeddings, not both")
        if not self._inputs and self._embeddings is None and not self._context._pending:
            raise ValueError(
                "a forward pass needs input: call .input(tokens), or fill the context before"
            )
        mask = self._confine()
        fields: dict[str, Any] = {}
        if self._embeddings is not None:
            fields["embeddings"] = self._embeddings.handle
        if self._attention is not None or self._visible is not None:
            fields["visible"] = self._seen()
        if self._positions:
            start = self.start_position()
            fields["positions"] = [
                self._positions.get(index, start + index) for index in range(len(self._inputs))
            ]
        fill = None
        if self._inputs or self._embeddings is not None:
            fill = [{"tokens": self._inputs}] if self._inputs else []
        try:
            raw = await run_forward(
                self._context, fill, self._slots, adapter=self._adapter, **fields
            )
        finally:
            for _, _, more in self._samples:
                if more["matcher"] is not None and more["advance"]:
                    more["matcher"]._moved()
        if mask is not None:
            mask.check(raw["tokens"])
        return Output(raw)

    def _confine(self) -> TokenMask | None:
        """Put the mask into the samplers."""
        if not self._mask:
            return None
        mask = TokenMask([self._mask], self._context.model.vocab_size)
        self._slots.samplers.clear()
        for indices, sampler, more in self._samples:
            self._slots.sample(indices, mask.apply(sampler), **more)
        return mask

    def _seen(self) -> list[list[tuple[int, int]]]:
        if self._visible is not None:
            return self._visible
        assert self._attention is not None
        start = self.start_position()
        seen = []
        for token, mask in enumerate(self._attention, start):
            ranges = [(low, min(high, token + 1)) for low, high in ranges_of(mask) if low <= token]
            seen.append(ranges or [(token, token + 1)])
        return seen


async def run_forward(
    context: Context,
    fill: list[dict[str, Any]] | None,
    slots: Slots,
    *,
    behind: Sequence[dict[str, Any]] = (),
    adapter: Adapter | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """One `context.forward` operation on `fill`, or on what the context has noted and `behind`."""
    fields |= slots.fields()
    if fill is None:
        raw = await context._run_pending("context.forward", *behind, adapter=adapter, **fields)
    else:
        raw = await context._run("context.forward", fill, adapter=adapter, **fields)
    context._grew(int(raw["length"]))
    return slots.finish(raw)
