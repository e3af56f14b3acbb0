"""The operations' arguments as typed structures; what does not fit is refused with its path."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
    """A sampler at an offset of the fill; negative counts from its end.

    It chooses what `matcher` allows behind the tokens of `draft`, which are not in it yet; with
    `advance` the matcher takes the token.
    """

    index: int
    sampler: Sampler
    matcher: int | None = None
    draft: list[int] = []
    advance: bool = False


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
    matcher: int | None = None


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


class CreateMatcher(GrammarRequest):
    """matcher.create."""


class MatcherRequest(Request):
    """An operation on a matcher."""

    matcher: int


class AdvanceMatcher(MatcherRequest):
    """matcher.advance."""

    tokens: list[int]


class RollBackMatcher(MatcherRequest):
    """matcher.rollback: the last `tokens` tokens."""

    tokens: int


class ParseToolCalls(ModelRequest, kw_only=True):
    """tools.parse: without `ended` a call that is still being written is not one yet."""

    text: str
    ended: bool = True


class ToolCallRequest(Request):
    """tools.call."""

    name: str
    arguments: dict[str, object]
    call_id: str | None = None
    contexts: list[int] = []


class Send(Request):
    """session.send."""

    message: object


TopicName = Annotated[str, Meta(min_length=1, max_length=256)]


class Topic(Request):
    """messaging.subscribe, messaging.pull."""

    topic: TopicName


class Publish(Topic):
    """messaging.broadcast, messaging.push."""

    message: object


class SubscriptionRequest(Request):
    """An operation on a subscription."""

    subscription: int


class LaunchChild(Request, kw_only=True):
    """runtime.launch."""

    program: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: dict[str, object] = {}


class ChildRequest(Request):
    """An operation on a launched inferlet."""

    child: int


class SendToChild(ChildRequest):
    """child.send."""

    message: object


Key = Annotated[str, Meta(min_length=1, max_length=512)]
Version = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class KeyRequest(Request):
    """An operation on a key of the key-value store."""

    key: Key


class PutKey(KeyRequest, kw_only=True):
    """store.put; `version` makes it compare-and-swap."""

    value: object
    version: Version | None = None


class DeleteKey(KeyRequest, kw_only=True):
    """store.delete."""

    version: Version | None = None


class ListKeys(Request, kw_only=True):
    """store.list."""

    prefix: Annotated[str, Meta(max_length=512)] = ""
    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class HttpRequest(Request, kw_only=True):
    """http.request; the body is text or base64."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: str | None = None
    seconds: Annotated[float, Meta(gt=0, le=120)] = 30.0
    max_bytes: Annotated[int, Meta(ge=0, le=2 << 20)] = 1 << 20
    follow_redirects: bool = True


FileName = Annotated[str, Meta(min_length=1, max_length=255)]
Offset = Annotated[int, Meta(ge=0)]


class FileRequest(Request):
    """An operation on a scratch file."""

    name: FileName


class WriteFile(FileRequest, kw_only=True):
    """files.write; the content is text or base64."""

    text: str | None = None
    base64: str | None = None
    append: bool = False


class ReadFile(FileRequest, kw_only=True):
    """files.read."""

    start: Offset = 0
    stop: Offset | None = None


class SendFile(FileRequest, kw_only=True):
    """session.send_file; the content is text or base64."""

    text: str | None = None
    base64: str | None = None
    media_type: Annotated[str, Meta(max_length=127)] = "application/octet-stream"


class Sleep(Request):
    """runtime.sleep."""

    seconds: float


LogValue = bool | int | float | Annotated[str, Meta(max_length=1024)] | None
LogFields = Annotated[
    dict[Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,63}$")], LogValue],
    Meta(max_length=32),
]


class Log(Request):
    """log; `fields` are facts for programs that read the log."""

    message: str
    level: Literal["debug", "info", "warning", "error"] = "info"
    fields: LogFields = {}


class Cancel(Request):
    """cancel."""

    target: int
