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
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: list[tuple[int, float]] = []

    def params(self, default_seed: int, vocabulary: int) -> SamplingParams:
        """The engine's form. Raises InvalidArguments for a value out of range."""
        params = SamplingParams(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=default_seed if self.seed is None else self.seed,
            repetition_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=tuple(self.logit_bias),
        )
        params.check_vocabulary(vocabulary)
        return params


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


class Vocabulary(ModelRequest, kw_only=True):
    """tokenizer.vocabulary."""

    start: int = 0
    stop: int | None = None


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


class LogprobsAt(msgspec.Struct, forbid_unknown_fields=True):
    """Log-probabilities of given tokens at an offset of the fill."""

    index: int
    tokens: list[int]


class Readouts(Request, kw_only=True):
    """What is wanted of positions; each list is answered in its order.

    `entropies`, `logits` and `hidden` are offsets; the last two are answered by tensors.
    """

    samplers: list[SampleAt] = []
    distributions: list[DistributionAt] = []
    logprobs: list[LogprobsAt] = []
    entropies: list[int] = []
    logits: list[int] = []
    hidden: list[int] = []


class Forward(Readouts, kw_only=True):
    """context.forward.

    `visible` has the ranges of tokens that each fed token sees (itself always), `positions` their
    rotary positions; `embeddings` is a tensor to feed instead of a fill.
    """

    context: int
    fill: list[Segment] = []
    embeddings: int | None = None
    visible: list[list[tuple[int, int]]] | None = None
    positions: list[int] | None = None


class Generate(Fill, kw_only=True):
    """context.generate."""

    max_tokens: int
    sampler: Sampler = msgspec.field(default_factory=Sampler)
    stop_tokens: list[int] | None = None
    stop: list[str] = []
    stream: Literal["text"] | None = None
    ignore_eos: bool = False
    grammar: int | None = None


class Range(ContextRequest):
    """context.drop: tokens `start..stop`."""

    start: int
    stop: int


class Mask(Range, kw_only=True):
    """context.mask."""

    visible: bool = False


class SetAdapter(ContextRequest):
    """context.set_adapter."""

    adapter: str | None


class CopyTokens(ContextRequest):
    """context.copy: tokens of `source`, in this order, to the end of `context`."""

    source: int
    tokens: list[int]


class KeepTokens(ContextRequest):
    """context.keep: behind the first `length` tokens only `tokens` stay, in this order."""

    length: int
    tokens: list[int]


PriorityName = Literal["low", "normal", "high"]


class CreateQueue(Request):
    """queue.create."""

    priority: PriorityName = "normal"


class QueueRequest(Request):
    """An operation on a command queue."""

    queue: int


class SetPriority(QueueRequest):
    """queue.set_priority."""

    priority: PriorityName


class SetQueue(ContextRequest):
    """context.set_queue."""

    queue: int | None


class CreateEmbeddings(ModelRequest):
    """embeddings.create."""

    text: str = ""
    tokens: list[int] = []
    queue: int | None = None


class TensorRequest(Request):
    """An operation on a tensor."""

    tensor: int


class ReadHidden(Readouts, kw_only=True):
    """hidden.read: offsets are rows of the tensor."""

    tensor: int
    queue: int | None = None


class ReadTensor(TensorRequest, kw_only=True):
    """tensor.read."""

    row: int = 0
    start: int = 0
    stop: int | None = None


class CompileGrammar(ModelRequest, kw_only=True):
    """grammar.compile: exactly one of the sources.

    `tools` are tool names or schemas: the model's own format of tool calls; with `required` the
    text must call one.
    """

    json_schema: dict[str, object] | None = None
    json: bool = False
    regex: str | None = None
    ebnf: str | None = None
    tools: list[str] | None = None
    required: bool = True


class GrammarRequest(Request):
    """An operation on a grammar."""

    grammar: int


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
