"""A small deterministic host: byte tokens, contexts as lists, a scripted model and tools.

Real enough for the runtime and for library inferlets; the server's own host is tested elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from pie_server.errors import (
    InvalidRequest,
    OperationCancelled,
    PieError,
    UnknownHandle,
    UnknownModel,
    UnknownOperation,
)
from pie_server.host.tools import parsed
from pie_server.model.tool_formats import ToolFormat
from pie_server.runtime import JsonValue, Mailbox

EOS = 256
SPECIAL = 257  # stands for markup that is no text
MODEL: dict[str, JsonValue] = {
    "name": "fake",
    "architecture": "bytes",
    "vocab_size": 258,
    "page_size_tokens": 16,
    "max_context_tokens": 4096,
    "eos_tokens": [EOS],
    "traits": ["tools"],
}
TOOLS: list[JsonValue] = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": {}}}
    for name in ("calculator", "search_documents", "python")
]

Fields = Mapping[str, Any]


@dataclass
class Reply:
    """What the scripted model says."""

    text: str
    calls: list[dict[str, Any]] = field(default_factory=list)
    logprob: float = -1.0
    finish_reason: str = "stop"


def encode(text: str) -> list[int]:
    return list(text.encode())


def decode(tokens: Sequence[int]) -> str:
    return bytes(token for token in tokens if token < 256).decode(errors="replace")


class FakeHost:
    """Implements `Host`.

    Args:
        nursery: Runs asynchronous operations; None if the guest starts none.
        model: Gives the reply for the text of a context.
        tool: Runs a tool call.
    """

    def __init__(
        self,
        nursery: trio.Nursery | None = None,
        model: Callable[[str], Reply] = lambda text: Reply("ok"),
        tool: Callable[[str, dict[str, Any]], Awaitable[str]] | None = None,
    ) -> None:
        self._nursery = nursery
        self._model = model
        self._tool = tool
        self.operations: list[dict[str, Any]] = []
        self.messages: list[Any] = []
        self.logs: list[tuple[str, str]] = []
        self.contexts: dict[int, list[int]] = {}
        self.saved: dict[str, list[int]] = {}
        self.inbox: list[Any] = []
        self.stored: dict[str, Any] = {}
        self.launched: list[dict[str, Any]] = []
        self.closed = 0
        self.in_flight: dict[int, trio.CancelScope] = {}
        self.cancelled: list[str] = []
        self.sleeping = trio.Event()
        self.receiving = trio.Event()
        self._made = 0

    def ops(self, name: str) -> list[dict[str, Any]]:
        return [operation for operation in self.operations if operation["op"] == name]

    def text(self, context: int) -> str:
        return decode(self.contexts[context])

    def submit(self, operations: Sequence[Fields], mailbox: Mailbox) -> None:
        for operation in operations:
            self.operations.append(dict(operation))
            number, name = operation["id"], operation["op"]
            handler = getattr(self, "async_" + name.replace(".", "_"), None)
            if handler is not None:
                assert self._nursery is not None
                scope = self.in_flight[number] = trio.CancelScope()
                self._nursery.start_soon(self._run, handler, operation, scope, mailbox)
                continue
            try:
                mailbox.complete(number, self._control(operation))
            except PieError as error:
                mailbox.fail(number, error)

    def call(self, operation: Fields) -> JsonValue:
        self.operations.append(dict(operation))
        return self._control(operation)

    def close(self) -> None:
        self.closed += 1
        for scope in self.in_flight.values():
            scope.cancel()
        self.in_flight.clear()
        self.contexts.clear()

    async def _run(
        self,
        handler: Callable[[Fields], Awaitable[JsonValue]],
        operation: Fields,
        scope: trio.CancelScope,
        mailbox: Mailbox,
    ) -> None:
        number = operation["id"]
        with scope:
            try:
                value = await handler(operation)
                await trio.lowlevel.checkpoint_if_cancelled()
            except PieError as error:
                mailbox.fail(number, error)
            else:
                mailbox.complete(number, value)
        if scope.cancelled_caught:
            self.cancelled.append(operation["op"])
            mailbox.fail(number, OperationCancelled("the operation was cancelled."))
        self.in_flight.pop(number, None)

    def _control(self, fields: Fields) -> JsonValue:
        handler = getattr(self, "control_" + fields["op"].replace(".", "_"), None)
        if handler is None:
            if hasattr(self, "async_" + fields["op"].replace(".", "_")):
                raise InvalidRequest(f"{fields['op']} is asynchronous")
            raise UnknownOperation(f"there is no operation {fields['op']!r}.", hint="See docs.")
        value: JsonValue = handler(fields)
        return value

    # models

    def control_models_list(self, fields: Fields) -> JsonValue:
        return ["fake"]

    def control_model_info(self, fields: Fields) -> JsonValue:
        if fields["model"] != "fake":
            raise UnknownModel(f"there is no model {fields['model']!r}.", hint="There is: fake.")
        return MODEL

    def control_tokenizer_encode(self, fields: Fields) -> JsonValue:
        return list(encode(fields["text"]))

    def control_tokenizer_decode(self, fields: Fields) -> JsonValue:
        text = decode(fields["tokens"])
        return text if fields.get("skip_special") else text + "<>" * (SPECIAL in fields["tokens"])

    def control_tools_parse(self, fields: Fields) -> JsonValue:
        return parsed(ToolFormat.HERMES, fields["text"], ended=fields["ended"])

    # contexts

    def _context(self, fields: Fields) -> list[int]:
        try:
            return self.contexts[fields["context"]]
        except KeyError:
            raise UnknownHandle(f"there is no context {fields['context']}.") from None

    def _make(self, tokens: list[int]) -> JsonValue:
        self._made += 1
        self.contexts[self._made] = tokens
        return {"context": self._made}

    def control_context_create(self, fields: Fields) -> JsonValue:
        return self._make([])

    def control_context_fork(self, fields: Fields) -> JsonValue:
        return self._make(list(self._context(fields)))

    def control_context_release(self, fields: Fields) -> JsonValue:
        self._context(fields)
        del self.contexts[fields["context"]]
        return None

    def control_context_truncate(self, fields: Fields) -> JsonValue:
        del self._context(fields)[fields["length"] :]
        return None

    def control_context_info(self, fields: Fields) -> JsonValue:
        return {"tokens": len(self._context(fields)), "pages": 1, "state": "idle"}

    def control_context_render(self, fields: Fields) -> JsonValue:
        self._context(fields)
        return list(self._render(fields["fill"]))

    def control_context_save(self, fields: Fields) -> JsonValue:
        self.saved[fields["name"]] = list(self._context(fields))
        return None

    def control_context_open(self, fields: Fields) -> JsonValue:
        saved = self.saved.get(fields["name"])
        return None if saved is None else self._make(list(saved))

    def control_context_take(self, fields: Fields) -> JsonValue:
        opened = self.control_context_open(fields)
        self.saved.pop(fields["name"], None)
        return opened

    def control_context_delete(self, fields: Fields) -> JsonValue:
        self.saved.pop(fields["name"], None)
        return None

    def _render(self, fill: Sequence[Mapping[str, Any]]) -> list[int]:
        tokens: list[int] = []
        for segment in fill:
            ((kind, value),) = segment.items()
            if kind == "tokens":
                tokens += value
            elif kind == "text":
                tokens += encode(value)
            elif kind == "seal":
                tokens.append(EOS)
            elif kind == "message":
                tokens += encode(f"<{value['role']}>{value['content']}")
            elif kind == "tools":
                names = [
                    tool if isinstance(tool, str) else tool["function"]["name"] for tool in value
                ]
                tokens += encode(f"<tools>{','.join(names)}")
            else:
                tokens += encode("<assistant>" if kind == "cue" else f"<{kind}>{value}")
        return tokens

    async def async_context_flush(self, fields: Fields) -> JsonValue:
        context = self._context(fields)
        context += self._render(fields["fill"])
        return {"tokens": len(context)}

    async def async_context_forward(self, fields: Fields) -> JsonValue:
        """The next token is the last one plus one."""
        await trio.lowlevel.checkpoint()
        context = self._context(fields)
        added = self._render(fields["fill"])
        context += added
        tokens: list[JsonValue] = [added[s["index"]] + 1 for s in fields["samplers"]]
        distributions: list[JsonValue] = [
            {"tokens": [added[d["index"]] + 1, 0], "probabilities": [0.8, 0.2]}
            for d in fields["distributions"]
        ]
        return {"length": len(context), "tokens": tokens, "distributions": distributions}

    async def async_context_generate(self, fields: Fields) -> JsonValue:
        await trio.lowlevel.checkpoint()
        context = self._context(fields)
        context += self._render(fields["fill"])
        reply = self._model(decode(context))
        markup = "".join(f"<tool_call>{json.dumps(call)}</tool_call>" for call in reply.calls)
        text = reply.text + markup
        tokens = [*encode(text), EOS][: fields["max_tokens"]]
        if fields.get("ignore_eos"):
            tokens = (encode(text) * fields["max_tokens"])[: fields["max_tokens"]]
        context += tokens
        if fields.get("stream") == "text" and reply.text:
            self.messages.append({"stream": reply.text})
        calls: list[JsonValue] = [{"id": f"call_{n}", **c} for n, c in enumerate(reply.calls)]
        return {
            "tokens": list(tokens),
            "text": decode(tokens),
            "content": reply.text,
            "tool_calls": calls,
            "finish_reason": "stop" if tokens[-1:] == [EOS] else "length",
            "logprob": reply.logprob,
            "length": len(context),
        }

    # tools, session, runtime

    def control_tools_list(self, fields: Fields) -> JsonValue:
        return TOOLS

    async def async_tools_call(self, fields: Fields) -> JsonValue:
        if self._tool is None:
            content = "error: there are no tools"
        else:
            content = await self._tool(fields["name"], fields["arguments"])
        failed = content.startswith("error:")
        return {"content": content, "is_error": failed, "seconds": 0.0, "backend": None}

    def control_session_send(self, fields: Fields) -> JsonValue:
        self.messages.append(fields["message"])
        return None

    async def async_session_receive(self, fields: Fields) -> JsonValue:
        self.receiving.set()
        if self.inbox:
            value: JsonValue = self.inbox.pop(0)
            return value
        await trio.sleep_forever()
        return None

    def control_session_info(self, fields: Fields) -> JsonValue:
        return {"id": "session-1", "tenant": "tests"}

    def control_messaging_push(self, fields: Fields) -> JsonValue:
        self.inbox.append(fields["message"])
        return None

    async def async_messaging_pull(self, fields: Fields) -> JsonValue:
        return {"message": self.inbox.pop(0)}

    async def async_store_put(self, fields: Fields) -> JsonValue:
        self.stored[fields["key"]] = fields["value"]
        return {"done": True, "version": 7}

    async def async_store_get(self, fields: Fields) -> JsonValue:
        return {"value": self.stored[fields["key"]], "version": 7}

    def control_runtime_launch(self, fields: Fields) -> JsonValue:
        self.launched.append({"program": fields["program"], "arguments": fields["arguments"]})
        return {"child": len(self.launched), "name": f"c_{len(self.launched)}"}

    async def async_child_join(self, fields: Fields) -> JsonValue:
        return self.launched[fields["child"] - 1]

    async def async_runtime_sleep(self, fields: Fields) -> JsonValue:
        self.sleeping.set()
        await trio.sleep(fields["seconds"])
        return None

    def control_runtime_time(self, fields: Fields) -> JsonValue:
        return 1_700_000_000.0

    def control_runtime_random_seed(self, fields: Fields) -> JsonValue:
        return 7

    def control_runtime_version(self, fields: Fields) -> JsonValue:
        return "0.0.0"

    def control_log(self, fields: Fields) -> JsonValue:
        self.logs.append((fields["level"], fields["message"]))
        return None

    def control_cancel(self, fields: Fields) -> JsonValue:
        scope = self.in_flight.get(fields["target"])
        if scope is None:
            return False
        scope.cancel()
        return True
