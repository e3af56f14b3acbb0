"""Tool calls: run beside the instance, while its contexts keep their pages."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from pie_server.errors import InvalidArguments, PieError
from pie_server.host.requests import Empty, ParseToolCalls, ToolCallRequest
from pie_server.model.tool_formats import ToolFormat
from pie_server.model.tool_parser import ToolCallParser
from pie_server.runtime.port import JsonValue
from pie_tools.tool import ToolCallContext

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

MAX_PARSED_CHARACTERS = 1 << 18  # a long turn of a model; looked at one by one, on the event loop


def list_tools(host: InstanceHost, _: Empty) -> JsonValue:
    """Schemas of all tools, in OpenAI's function form."""
    schemas: list[JsonValue] = []
    schemas.extend(host.services.tools.schemas())  # type: ignore[arg-type] # JSON by construction
    return schemas


def parse(host: InstanceHost, request: ParseToolCalls) -> JsonValue:
    """Tool calls in text that a model has written, in its own format, and the text without them."""
    if len(request.text) > MAX_PARSED_CHARACTERS:
        raise InvalidArguments(
            f"text has {len(request.text)} characters, it may have {MAX_PARSED_CHARACTERS}"
        )
    tool_format = host.engine(request.model).checkpoint.chat_template.tool_format
    return parsed(tool_format, request.text, ended=request.ended)


def parsed(tool_format: ToolFormat, text: str, *, ended: bool) -> dict[str, JsonValue]:
    """The answer of `tools.parse`."""
    parser = ToolCallParser(tool_format)
    parser.feed(text)
    if ended:
        parser.finish()
    calls: list[JsonValue] = []
    for found in parser.calls:
        entry = {"name": found.name, "arguments": found.arguments}
        calls.append(entry if found.error is None else {**entry, "error": found.error})  # type: ignore[arg-type, dict-item] # parsed from JSON
    return {"content": parser.content.strip(), "tool_calls": calls}


async def call(host: InstanceHost, request: ToolCallRequest) -> JsonValue:
    """Runs one tool. A tool that fails is a result that says so, for the model to read."""
    session, usage = host.session, host.usage
    usage.tool_calls += 1
    call_id = request.call_id or host.new_call_id()
    parked = [host.context(identifier) for identifier in request.contexts]
    session.emit(
        "tool_call",
        {"call_id": call_id, "name": request.name, "arguments": request.arguments},  # type: ignore[dict-item] # JSON
    )
    for held in parked:
        usual = held.engine.residency.tool_times.expected_seconds(request.name)
        held.engine.park(held.context, usual)
    pages = len({page for held in parked for page in held.context.table.held_pages()})
    usage.parked_pages_peak = max(usage.parked_pages_peak, pages)

    def on_output(text: str) -> None:
        # A session that has said too much loses output here and fails at the result below: the
        # tool must not see an error that is not its own.
        with contextlib.suppress(PieError):
            session.emit("stdout", {"call_id": call_id, "text": text})

    context = ToolCallContext(
        session_id=session.id,
        call_id=call_id,
        on_output=on_output,
        sandbox=host.sandbox,
    )
    started = trio.current_time()
    try:
        result = await host.services.tools.call(request.name, request.arguments, context)
    finally:
        for held in parked:
            held.engine.resume(held.context)
    seconds = trio.current_time() - started
    for engine in {held.engine for held in parked}:
        engine.residency.tool_times.observe(request.name, seconds)
    usage.tool_seconds += seconds
    if result.backend is not None:
        usage.executions[result.backend] = usage.executions.get(result.backend, 0) + 1
    answer: dict[str, JsonValue] = {
        "content": result.content,
        "is_error": result.is_error,
        "seconds": round(seconds, 6),
        "backend": result.backend,
    }
    session.emit("tool_result", {"call_id": call_id, "name": request.name, **answer})
    return answer
