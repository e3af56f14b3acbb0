"""The operations' arguments as typed structures; what does not fit is refused with its path."""

from __future__ import annotations

from typing import Literal

import msgspec

from pie_server.engine.sampling import SamplingParams
from pie_server.host.fills import Segment


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every operation carries: its number and its name."""

    id: int = 0
    op: str = ""


class Empty(Request):
    """An operation without arguments."""


class Sampler(msgspec.Struct, forbid_unknown_fields=True):
    """See `SamplingParams`; a missing seed is drawn from the instance's randomness."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None

    def params(self, default_seed: int) -> SamplingParams:
        """The engine's form. Raises InvalidArguments for a value out of range."""
        return SamplingParams(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=default_seed if self.seed is None else self.seed,
        )


class ModelRequest(Request):
    """An operation on a model."""

    model: str


class Encode(ModelRequest):
    """tokenizer.encode."""

    text: str


class Decode(ModelRequest):
    """tokenizer.decode."""

    tokens: list[int]
    skip_special: bool = False


class CreateContext(ModelRequest):
    """context.create."""

    prefix_reuse: bool = True


class ContextRequest(Request):
    """An operation on a context."""

    context: int


class Truncate(ContextRequest):
    """context.truncate."""

    length: int


class Save(ContextRequest):
    """context.save."""

    name: str


class Named(ModelRequest):
    """context.open, context.take, context.delete."""

    name: str


class Fill(ContextRequest):
    """context.flush, context.render."""

    fill: list[Segment] = []


class SampleAt(msgspec.Struct, forbid_unknown_fields=True):
    """A sampler at an offset of the fill; negative counts from its end."""

    index: int
    sampler: Sampler


class DistributionAt(msgspec.Struct, forbid_unknown_fields=True):
    """A distribution at an offset of the fill; `top_k` 0 is the whole vocabulary."""

    index: int
    top_k: int = 256


class Forward(Fill):
    """context.forward."""

    samplers: list[SampleAt] = []
    distributions: list[DistributionAt] = []


class Generate(Fill, kw_only=True):
    """context.generate."""

    max_tokens: int
    sampler: Sampler = msgspec.field(default_factory=Sampler)
    stop_tokens: list[int] | None = None
    stop: list[str] = []
    stream: Literal["text"] | None = None
    ignore_eos: bool = False


class ToolCallRequest(Request):
    """tools.call."""

    name: str
    arguments: dict[str, object]
    call_id: str | None = None
    contexts: list[int] = []


class Send(Request):
    """session.send."""

    message: object


class Sleep(Request):
    """runtime.sleep."""

    seconds: float


class Log(Request):
    """log."""

    message: str
    level: Literal["debug", "info", "warning", "error"] = "info"


class Cancel(Request):
    """cancel."""

    target: int
