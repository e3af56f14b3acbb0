"""What is asked of positions, and the answers: of forward passes, steps and hidden states."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inferlet._backend import control
from inferlet.sample import Distribution, Entropy, Logits, Logprob, Logprobs, Probe, Sampler

if TYPE_CHECKING:
    from inferlet.matcher import Matcher
    from inferlet.tensors import Hidden, LogitRows

_MOST_NUMBERS = 65_536  # of one read


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
    probe: Probe


@dataclass(slots=True)
class Slots:
    """Samplers and probes attached to one forward pass. A slot counts within its own kind."""

    samplers: list[dict[str, Any]] = field(default_factory=list)
    distributions: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    entropies: list[int] = field(default_factory=list)
    logits: list[int] = field(default_factory=list)
    kept_logits: list[int] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    def sample(
        self,
        indices: list[int],
        sampler: Sampler,
        *,
        matcher: Matcher | None = None,
        drafts: Sequence[Sequence[int]] = (),
        advance: bool = False,
    ) -> SampleHandle:
        """Attach a sampler at each index, with the drafts that stand before it if there are any."""
        handle = SampleHandle(len(self.samplers), len(indices))
        for number, index in enumerate(indices):
            asked: dict[str, Any] = {"index": index, "sampler": sampler.to_wire()}
            if matcher is not None:
                asked |= {"matcher": matcher.handle, "advance": advance}
                asked["draft"] = list(drafts[number]) if drafts else []
            self.samplers.append(asked)
        return handle

    def probe(self, index: int, probe: Probe) -> ProbeHandle:
        """Attach a probe."""
        match probe:
            case Distribution():
                self.distributions.append({"index": index, "top_k": probe._wire_width()})
                return ProbeHandle(len(self.distributions) - 1, probe)
            case Logprob() | Logprobs():
                tokens = [probe.token] if isinstance(probe, Logprob) else list(probe.tokens)
                self.logprobs.append({"index": index, "tokens": tokens})
                return ProbeHandle(len(self.logprobs) - 1, probe)
            case Entropy():
                self.entropies.append(index)
                return ProbeHandle(len(self.entropies) - 1, probe)
            case Logits():
                self.logits.append(index)
                return ProbeHandle(len(self.logits) - 1, probe)
        raise TypeError(
            f"{type(probe).__name__} is not a probe; "
            "there are Distribution, Logits, Logprob, Logprobs and Entropy"
        )

    def move_back(self, count: int) -> None:
        """Make the probes' negative indices count from `count` tokens before the end."""
        for item in (*self.distributions, *self.logprobs):
            if item["index"] < 0:
                item["index"] -= count
        for indices in (self.entropies, self.logits, self.kept_logits, self.hidden):
            indices[:] = [index - count if index < 0 else index for index in indices]

    def fields(self) -> dict[str, Any]:
        """Arguments of the operation; kept logits are the first rows of their tensor."""
        optional = {
            "logprobs": self.logprobs,
            "entropies": self.entropies,
            "logits": [*self.kept_logits, *self.logits],
            "hidden": self.hidden,
        }
        return {
            "samplers": self.samplers,
            "distributions": self.distributions,
            **{name: asked for name, asked in optional.items() if asked},
        }

    def finish(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Fetch the logits that were probed; what nobody keeps is freed on the device."""
        if self.logits:
            kept, tensor = len(self.kept_logits), int(raw["logits"])
            raw["logit_rows"] = [_row(tensor, kept + slot) for slot in range(len(self.logits))]
            if not kept:
                control("tensor.release", tensor=raw.pop("logits"))
        return raw


def _row(tensor: int, row: int) -> bytes:
    width = int(control("tensor.info", tensor=tensor)["width"])
    parts = []
    for start in range(0, width, _MOST_NUMBERS):
        stop = min(width, start + _MOST_NUMBERS)
        numbers = control("tensor.read", tensor=tensor, row=row, start=start, stop=stop)
        parts.append(struct.pack(f"={len(numbers)}f", *numbers))
    return b"".join(parts)


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
        """Tokens and probabilities of a `Distribution`, most probable first.

        Example:
            >>> tokens, probabilities = out.distribution(top)
        """
        probe = handle.probe
        if not isinstance(probe, Distribution):
            raise _wrong(handle, "Distribution")
        raw = self._raw["distributions"][handle.slot]
        return probe._scale(list(raw["tokens"]), list(raw["probabilities"]))

    def logprobs(self, handle: ProbeHandle) -> list[float]:
        """Log-probabilities of a `Logprobs` (or the one of a `Logprob`), in its order.

        Example:
            >>> out.logprobs(forward.probe(-1, Logprobs([yes, no])))
        """
        if not isinstance(handle.probe, (Logprob, Logprobs)):
            raise _wrong(handle, "Logprobs")
        return list(self._raw["logprobs"][handle.slot])

    def logprob(self, handle: ProbeHandle) -> float:
        """The (first) log-probability of a `Logprob`.

        Example:
            >>> out.logprob(forward.probe(-1, Logprob(token)))
        """
        return self.logprobs(handle)[0]

    def entropy(self, handle: ProbeHandle) -> float:
        """The entropy of an `Entropy`, in nats.

        Example:
            >>> out.entropy(forward.probe(-1, Entropy()))
        """
        if not isinstance(handle.probe, Entropy):
            raise _wrong(handle, "Entropy")
        return float(self._raw["entropies"][handle.slot])

    def logits(self, handle: ProbeHandle) -> bytes:
        """The logits of a `Logits`: `vocab_size` float32 in the machine's byte order.

        Example:
            >>> struct.unpack(f"{model.vocab_size}f", out.logits(raw))
        """
        if not isinstance(handle.probe, Logits):
            raise _wrong(handle, "Logits")
        rows: list[bytes] = self._raw["logit_rows"]
        return rows[handle.slot]

    @property
    def kept_logits(self) -> LogitRows | None:
        """Logits of the positions named to `Forward.keep_logits`, on the device.

        Example:
            >>> best_five = sorted(out.kept_logits.read(0))[-5:]
        """
        from inferlet.tensors import LogitRows

        handle = self._raw.get("logits")
        return None if handle is None else LogitRows(int(handle))

    @property
    def hidden(self) -> Hidden | None:
        """Hidden states of the positions named to `Forward.keep_hidden`, on the device.

        Example:
            >>> out.hidden.read(0, 0, 16)
        """
        from inferlet.tensors import Hidden

        handle = self._raw.get("hidden")
        return None if handle is None else Hidden(int(handle))


def _wrong(handle: ProbeHandle, wanted: str) -> TypeError:
    return TypeError(f"the handle is of a {type(handle.probe).__name__}, not of a {wanted}")
