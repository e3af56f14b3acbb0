"""The SDK's public surface and its pure parts."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
import trio

import inferlet
from inferlet import (
    Context,
    Distribution,
    Generator,
    Sampler,
    chat,
    files,
    http,
    masks,
    messaging,
    runtime,
    session,
    store,
    tensors,
    tools,
)
from inferlet.errors import error_from_wire
from pie_server.errors import (
    ContextTooLong,
    DeviceError,
    InvalidArguments,
    InvalidRequest,
    OperationsExceeded,
    PagesExceeded,
    PieError,
    TemplateError,
)
from pie_server.runtime import JsonValue
from tests.runtime.conftest import Runner
from tests.runtime.fake_host import FakeHost, Fields

SURFACE = {
    "inferlet": {
        "Adapter", "AnyJson", "Child", "ChildFailed", "CompiledGrammar", "Completion",
        "Constraint", "Context",
        "ContextTooLong", "Deadlock", "Distribution", "Ebnf", "Embeddings", "Entropy", "Forward",
        "GenStep", "Generator", "Grammar", "GrammarConstraint", "Hidden", "InvalidOperation",
        "JsonSchema", "LimitExceeded", "LogitRows", "Logits", "Logprob", "Logprobs", "Matcher",
        "Model", "OperationCancelled", "OperationError", "Output", "ProbeHandle", "PromptLookup",
        "Queue", "Regex", "SampleHandle", "Sampler", "Schema", "ServerFault", "Speculator", "Task",
        "TaskCancelled", "Tensor", "Tokenizer", "ToolCallFormat", "chat", "files", "gather",
        "http", "masks", "messaging", "runtime", "session", "sleep", "spawn", "store", "tensors",
        "timeout", "tools",
    },
    "Context": {
        "append", "assistant", "buffer", "complete", "copy_from", "cue", "delete", "drop", "flush",
        "fork", "forward", "generate", "handle", "info", "keep", "mask", "message", "model", "open",
        "page_size", "queue", "release", "save", "seal", "seq_len", "set_adapter", "system", "take",
        "text", "tool_result", "tools", "truncate", "unmask", "user",
    },
    "Generator": {
        "accept", "adapter", "add_stop", "collect_json", "collect_text", "collect_tokens",
        "constrain", "is_done", "max_tokens", "probe_each_step", "stop", "switch",
        "tokens_generated",
    },
    "Matcher": {
        "accept_tokens", "forced_tokens", "fork", "handle", "is_accepting", "is_terminated",
        "next_token_logit_mask", "release", "reset", "rollback",
    },
    "GenStep": {"clear_sampler", "execute", "probe"},
    "Forward": {
        "adapter", "attention_mask", "execute", "input", "input_at", "input_embeddings",
        "keep_hidden", "keep_logits", "mask", "probe", "sample", "start_position", "visible",
    },
    "Output": {
        "distribution", "entropy", "hidden", "kept_logits", "logits", "logprob", "logprobs",
        "token", "tokens", "tokens_at",
    },
    "Sampler": {"argmax", "min_p", "multinomial", "to_wire", "top_k", "top_k_top_p", "top_p"},
    "Grammar": {"compile", "from_ebnf", "from_json_schema", "from_regex", "json", "tool_calls"},
    "CompiledGrammar": {"handle", "release"},
    "GrammarConstraint": {
        "from_ebnf", "from_grammar", "from_json_schema", "from_regex", "grammar", "json", "step",
    },
    "PromptLookup": {"accept", "draft", "reset", "rollback"},
    "Adapter": {"create", "fork", "load", "model", "name", "open", "save"},
    "Queue": {"handle", "priority", "release", "synchronize"},
    "Tensor": {"handle", "read", "release", "rows", "width"},
    "Hidden": {"execute", "handle", "probe", "read", "release", "rows", "sample", "width"},
    "tensors": {"Embeddings", "Hidden", "LogitRows", "Tensor", "embed"},
    "masks": {"TokenMask", "mask_of", "mask_of_ranges", "ranges_of"},
    "Model": {
        "adapters", "architecture", "eos_tokens", "load", "max_context_tokens", "name", "page_size",
        "tokenizer", "traits", "vocab_size",
    },
    "Tokenizer": {"decode", "encode", "vocabulary"},
    "Task": {"cancel", "done", "join"},
    "chat": {
        "AnyEvent", "Decoder", "Event", "assistant", "cue", "render", "seal", "stop_tokens",
        "system", "user",
    },
    "tools": {
        "Call", "Decoder", "Event", "Result", "answer_prefix", "call", "call_all",
        "equip_prefix", "parse", "schemas",
    },
    "session": {"File", "receive", "receive_file", "send", "send_file"},
    "messaging": {"Subscription", "broadcast", "pull", "push", "subscribe"},
    "Child": {"cancel", "detach", "join", "name", "receive", "send", "state"},
    "store": {"Entry", "delete", "entry", "get", "keys", "put", "remove", "swap"},
    "http": {"Response", "get", "post", "request"},
    "files": {"append", "delete", "names", "read", "write"},
    "runtime": {
        "instance_id", "launch", "log", "models", "random_seed", "sleep", "time", "username",
        "version",
    },
}  # fmt: skip
MODULES: dict[str, ModuleType] = {
    "chat": chat, "files": files, "http": http, "masks": masks, "messaging": messaging,
    "store": store, "runtime": runtime, "session": session, "tensors": tensors,
    "tools": tools,
}  # fmt: skip


def _public(name: str) -> set[str]:
    if name == "inferlet":
        return set(inferlet.__all__)
    owner = MODULES.get(name) or getattr(inferlet, name)
    names = {item for item in dir(owner) if not item.startswith("_")}
    if name in MODULES:
        own = {f"inferlet.{name}", "inferlet.concurrency"}
        names = {
            item for item in names
            if item == "AnyEvent" or getattr(getattr(owner, item), "__module__", None) in own
        } - {"gather"}  # fmt: skip
    return names


@pytest.mark.parametrize("name", SURFACE)
def test_public_surface_is_what_was_agreed(name: str) -> None:
    assert _public(name) == SURFACE[name]


def test_everything_public_is_documented_with_an_example() -> None:
    lacking = []
    for name in SURFACE:
        owner = inferlet if name == "inferlet" else MODULES.get(name) or getattr(inferlet, name)
        for item in SURFACE[name] - {"handle"}:
            thing = inspect.getattr_static(owner, item, None)
            thing = thing.fget if isinstance(thing, property) else getattr(owner, item, None)
            if not inspect.isroutine(thing) and not inspect.isclass(thing):
                continue
            if issubclass(thing if inspect.isclass(thing) else object, Exception):
                continue
            if "Example:" not in (inspect.getdoc(thing) or ""):
                lacking.append(f"{name}.{item}")
    assert lacking == []


def test_fillers_return_the_context() -> None:
    for name in ("system", "user", "assistant", "cue", "seal", "append", "tools", "text"):
        assert inspect.signature(getattr(Context, name)).return_annotation == "Self"


def test_generate_takes_pies_arguments() -> None:
    parameters = inspect.signature(Context.generate).parameters
    assert list(parameters) == [
        "self", "sampler", "max_tokens", "stop", "constrain", "logit_mask", "speculator", "adapter",
        "auto_flush",
    ]  # fmt: skip
    assert list(inspect.signature(Generator.__init__).parameters)[:3] == [
        "self", "context", "sampler"
    ]  # fmt: skip


def test_samplers_send_what_their_names_say() -> None:
    plain = {"temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": None}
    assert Sampler.argmax().to_wire() == plain
    assert Sampler.top_p(0.5, 0.9).to_wire() == plain | {"temperature": 0.5, "top_p": 0.9}
    assert Sampler.top_k(0.5, 3).to_wire() == plain | {"temperature": 0.5, "top_k": 3}
    assert Sampler.min_p(0.5, 0.2).to_wire() == plain | {"temperature": 0.5, "min_p": 0.2}
    assert Sampler.multinomial(seed=3).to_wire() == plain | {"temperature": 1.0, "seed": 3}
    adjusted = Sampler.top_k(0.5, 3, presence_penalty=0.1, logit_bias={7: -1.0}).to_wire()
    assert adjusted == plain | {
        "temperature": 0.5, "top_k": 3, "presence_penalty": 0.1, "logit_bias": [(7, -1.0)]
    }  # fmt: skip
    with pytest.raises(ValueError, match="one draw"):
        Sampler.multinomial(1.0, 2)


def test_distribution_is_rescaled_by_its_temperature() -> None:
    tokens, probabilities = Distribution(temperature=0.5, k=1)._scale([5, 6], [0.75, 0.25])
    assert tokens == [5]
    assert probabilities == pytest.approx([0.9])


def test_tool_calls_are_parsed_and_broken_ones_left_out() -> None:
    text = (
        'I will. <tool_call>\n{"name": "a", "arguments": {"x": 1}}\n</tool_call>'
        "<tool_call>{broken</tool_call>"
        '<tool_call>{"name": "b", "arguments": "{\\"y\\": 2}"}'
    )
    assert tools.parse(text) == [tools.Call("a", {"x": 1}), tools.Call("b", {"y": 2})]
    assert tools.parse("no calls") == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("context_too_long", inferlet.ContextTooLong),
        ("pages_exceeded", inferlet.LimitExceeded),
        ("cancelled", inferlet.OperationCancelled),
        ("device_error", inferlet.ServerFault),
        ("unknown_handle", inferlet.InvalidOperation),
        ("something_new", inferlet.OperationError),
    ],
)
def test_codes_become_exceptions(code: str, kind: type[Exception]) -> None:
    error = error_from_wire({"code": code, "message": "m", "hint": "h", "details": {"n": 1}}, "op")
    assert type(error) is kind
    assert (error.code, error.hint, error.details) == (code, "h", {"n": 1})
    assert str(error) == f"op: m h [{code}]"


def test_sdk_outside_an_inferlet_says_so() -> None:
    with pytest.raises(RuntimeError, match="pie-server run"):
        runtime.models()


async def test_decoder_holds_back_half_a_character(both: Runner) -> None:
    source = """
        from inferlet import Model, chat
        def main(input):
            decoder = chat.Decoder(Model.load("fake"))
            pieces = ["aé".encode()[:2], "é".encode()[1:], b"b"]
            events = [decoder.feed(list(piece)) for piece in pieces]
            events += [decoder.feed([257]), decoder.feed([256]), decoder.feed([])]
            return [type(e).__name__ + getattr(e, "text", "") for e in events]
    """
    assert await both(source) == ["Idle", "Deltaaé", "Deltab", "Interrupt", "Doneaéb", "Idle"]


async def test_tools_decoder_reports_each_call_once(both: Runner) -> None:
    source = """
        from inferlet import Model, tools
        def main(input):
            decoder = tools.Decoder(Model.load("fake"))
            text = '<tool_call>{"name": "a", "arguments": {}}</tool_call> and'
            events = [decoder.feed(list(c.encode())) for c in text]
            return [e.name for e in events if isinstance(e, tools.Event.Call)]
    """
    assert await both(source) == ["a"]


class RefusingHost(FakeHost):
    """Refuses the next inference operation with `refusal`; cut it half-way if that is a fault."""

    refusal: PieError | None = None
    half_way = 0

    def _check(self, fields: Fields) -> None:
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            self._context(fields).extend([7] * self.half_way)
            raise refusal

    def control_refuse(self, fields: Fields) -> JsonValue:
        self.half_way = fields["half_way"]
        self.refusal = ERRORS[fields["code"]]("not like this")
        return None

    async def async_context_flush(self, fields: Fields) -> JsonValue:
        self._check(fields)
        return await super().async_context_flush(fields)

    async def async_context_generate(self, fields: Fields) -> JsonValue:
        self._check(fields)
        return await super().async_context_generate(fields)

    async def async_context_forward(self, fields: Fields) -> JsonValue:
        self._check(fields)
        return await super().async_context_forward(fields)


ERRORS = {kind.code: kind for kind in (
    ContextTooLong, DeviceError, InvalidArguments, InvalidRequest, OperationsExceeded,
    PagesExceeded, TemplateError,
)}  # fmt: skip

ATTEMPTS = {
    "flush": "await ctx.flush()",
    "complete": "await ctx.complete(Sampler.argmax(), max_tokens=2)",
    "collect": "await ctx.generate(Sampler.argmax(), max_tokens=2).collect_text()",
    "forward": "await ctx.forward().execute()",
    "step": "await GenStep(ctx.generate(Sampler.argmax(), auto_flush=False)).execute()",
}

REFUSED = """
from inferlet import Context, GenStep, Model, OperationError, Sampler
from inferlet._backend import control

async def attempt(ctx):
    {attempt}

async def main(input):
    ctx = Context(Model.load("fake"))
    await ctx.append([1, 2]).flush()
    ctx.user("first").append([65, 66])
    control("refuse", code=input["code"], half_way=input["half_way"])
    try:
        await attempt(ctx)
        return "not refused"
    except OperationError as error:
        assert error.code == input["code"], error
    between = ctx.seq_len
    await attempt(ctx)
    return [between, ctx.seq_len, ctx.info()["tokens"]]
"""


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_a_refused_operation_sends_the_same_when_it_is_tried_again(
    both: Runner, attempt: str
) -> None:
    source = REFUSED.format(attempt=ATTEMPTS[attempt])
    for code in sorted(ERRORS.keys() - {"device_error"}):
        host = RefusingHost(both.nursery)
        result = await both(source, {"code": code, "half_way": 0}, host=host)
        assert isinstance(result, list), code
        first, second = (op["fill"] for op in host.operations[-8:] if len(op.get("fill", ())) > 1)
        assert first == second, code
        assert result[0] == 2
        assert result[1] == result[2]


async def test_what_failed_half_way_is_not_sent_twice_and_its_length_is_known(
    both: Runner,
) -> None:
    source = """
        from inferlet import Context, Model, OperationError, Sampler
        from inferlet._backend import control
        async def main(input):
            ctx = Context(Model.load("fake")).append([1, 2])
            await ctx.flush()
            control("refuse", code="device_error", half_way=5)
            try:
                await ctx.append([3]).complete(Sampler.argmax(), max_tokens=9)
            except OperationError:
                pass
            length = ctx.seq_len
            ctx.truncate(5)
            return [length, ctx.seq_len, ctx.buffer()]
    """
    host = RefusingHost(both.nursery)
    assert await both(source, host=host) == [7, 2, []]


async def test_a_cancelled_completion_leaves_the_contexts_true_length(both: Runner) -> None:
    source = """
        from inferlet import Context, Model, Sampler, TaskCancelled, sleep, spawn
        async def main(input):
            ctx = Context(Model.load("fake")).append([1, 2])
            await ctx.flush()
            task = spawn(ctx.append([3]).complete(Sampler.argmax(), max_tokens=9, cue=False))
            while ctx.info()["tokens"] < 6:
                await sleep(0.001)
            task.cancel()
            try:
                await task.join()
            except TaskCancelled:
                pass
            length = ctx.seq_len
            ctx.truncate(length - 2)
            return [length, ctx.seq_len, ctx.info()["tokens"]]
    """

    class StuckHost(FakeHost):
        async def async_context_generate(self, fields: Fields) -> JsonValue:
            self._context(fields).extend([3, 4, 5, 6])
            await trio.sleep_forever()
            return None

    with trio.fail_after(30):
        assert await both(source, host=StuckHost(both.nursery)) == [6, 2, 2]


async def test_a_turn_is_begun_once_however_often_it_is_cued(both: Runner) -> None:
    source = """
        from inferlet import Context, Model, Sampler
        async def main(input):
            ctx = Context(Model.load("fake")).user("hi").cue()
            ctx.generate(Sampler.argmax())
            await ctx.complete(Sampler.argmax(), max_tokens=2)
    """
    await both(source)
    (generated,) = both.host.ops("context.generate")
    assert generated["fill"] == [{"user": "hi"}, {"cue": True}]
