"""Embeddings, hidden states and logits that stay on the device; an inferlet holds them by number.

The paper's separate halves of a forward pass: `embed` is the input half, `Hidden.execute` the
output half, `Forward.input_embeddings` and `Forward.keep_hidden` connect them with the layers
between. Freed by `release`, by `with`, or when the inferlet ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferlet._backend import control, operation
from inferlet._releasable import Releasable
from inferlet.readouts import Output, ProbeHandle, SampleHandle, Slots

if TYPE_CHECKING:
    from inferlet.matcher import Matcher
    from inferlet.model import Model
    from inferlet.queues import Queue
    from inferlet.sample import Probe, Sampler


class Tensor(Releasable):
    """Rows of numbers on the device.

    Example:
        >>> with await tensors.embed(model, "hello") as embeddings:
        ...     embeddings.rows, embeddings.width
    """

    __slots__ = ("_shape", "handle")

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._shape: tuple[int, int] | None = None

    @property
    def rows(self) -> int:
        """Number of rows: one for each position.

        Example:
            >>> embeddings.rows
        """
        return self._size()[0]

    @property
    def width(self) -> int:
        """Numbers in a row.

        Example:
            >>> embeddings.width
        """
        return self._size()[1]

    def _size(self) -> tuple[int, int]:
        if self._shape is None:
            info = control("tensor.info", tensor=self.handle)
            self._shape = int(info["rows"]), int(info["width"])
        return self._shape

    def read(self, row: int = 0, start: int = 0, stop: int | None = None) -> list[float]:
        """Numbers `start..stop` of one row, all of them if not said; at most 65,536 at a time.

        Example:
            >>> length = math.hypot(*embeddings.read(0))
        """
        return list(control("tensor.read", tensor=self.handle, row=row, start=start, stop=stop))

    def release(self) -> None:
        """Free it now.

        Example:
            >>> embeddings.release()
        """
        control("tensor.release", tensor=self.handle)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.handle})"


class Embeddings(Tensor):
    """What a forward pass takes instead of tokens. Made by `embed`.

    Example:
        >>> ctx.forward().input_embeddings(embeddings)
    """

    __slots__ = ()


class LogitRows(Tensor):
    """Logits of the positions that `Forward.keep_logits` named, one row each.

    Example:
        >>> rows = (await forward.keep_logits([-1]).execute()).kept_logits
    """

    __slots__ = ()


class Hidden(Tensor):
    """Hidden states behind the last layer, one row for each position that was kept.

    Attach samplers and probes, whose indices are rows, and `execute`.

    Example:
        >>> hidden = (await ctx.forward().input(tokens).keep_hidden([-1]).execute()).hidden
        >>> best = hidden.sample([0], Sampler.argmax())
        >>> token = (await hidden.execute()).token(best)
    """

    __slots__ = ("_slots",)

    def __init__(self, handle: int) -> None:
        super().__init__(handle)
        self._slots = Slots()

    def sample(
        self, indices: list[int], sampler: Sampler, *, matcher: Matcher | None = None
    ) -> SampleHandle:
        """Sample the token that follows each of these rows. Its penalties must be off.

        Args:
            indices: Rows.
            sampler: Picks the tokens.
            matcher: Only what it allows is picked; it stands where it is until it is moved.

        Example:
            >>> best = hidden.sample([0], Sampler.argmax())
        """
        return self._slots.sample(indices, sampler, matcher=matcher)

    def probe(self, index: int, probe: Probe) -> ProbeHandle:
        """Read the distribution behind a row.

        Example:
            >>> top = hidden.probe(-1, Distribution(k=10))
        """
        return self._slots.probe(index, probe)

    async def execute(self, *, queue: Queue | None = None) -> Output:
        """Run what is attached, and forget it: the rows can be read out again.

        Raises:
            ValueError: Nothing is attached.

        Example:
            >>> out = await hidden.execute()
        """
        slots, self._slots = self._slots, Slots()
        if not slots:
            raise ValueError("nothing to read out: attach .sample(...) or .probe(...) before")
        raw: dict[str, Any] = await operation(
            "hidden.read",
            tensor=self.handle,
            queue=None if queue is None else queue.handle,
            **slots.fields(),
        )
        return Output(raw)


async def embed(model: Model, text: str | list[int], *, queue: Queue | None = None) -> Embeddings:
    """Embeddings of a text, or of tokens: the input half of a forward pass on its own.

    Example:
        >>> embeddings = await tensors.embed(model, "The capital of France is")
    """
    given = {"text": text} if isinstance(text, str) else {"tokens": list(text)}
    made = await operation(
        "embeddings.create",
        model=model.name,
        queue=None if queue is None else queue.handle,
        **given,
    )
    return Embeddings(int(made["tensor"]))
