"""Renders chat messages with a checkpoint's own Jinja template, one turn at a time.

Templates render whole conversations, a context grows turn by turn. A turn's text is therefore the
difference of two renderings, with and without it, behind a fixed stub conversation: this holds for
every template that only appends (ChatML, Llama 3, Mistral, Hermes and their relatives).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pie_server.errors import CheckpointError, TemplateError
from pie_server.model.config import read_json
from pie_server.model.tool_formats import tool_format_of

Message = Mapping[str, object]

_STUB_ANSWER = "~answer~"
_STUB: tuple[Message, ...] = (
    {"role": "user", "content": "~question~"},
    {"role": "assistant", "content": _STUB_ANSWER},
)


class ChatTemplate:
    """A compiled chat template.

    Args:
        source: Jinja text, as in `tokenizer_config.json`.
        tokens: Named special tokens that templates may use (`bos_token`, `eos_token`).

    Attributes:
        tool_format: How the model writes tool calls.
    """

    def __init__(self, source: str, tokens: Mapping[str, str] | None = None) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value, **options: json.dumps(
            value, ensure_ascii=False, indent=options.get("indent")
        )
        environment.globals["raise_exception"] = _raise_exception
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise CheckpointError(f"the chat template does not compile: {error}") from error
        self._tokens = dict(tokens or {})
        self.tool_format = tool_format_of(source)

    @classmethod
    def from_directory(cls, directory: Path) -> ChatTemplate:
        """Reads `chat_template.jinja` or the field in `tokenizer_config.json`.

        Raises:
            CheckpointError: There is no template, or it does not compile.
        """
        path = directory / "tokenizer_config.json"
        raw = read_json(path) if path.exists() else {}
        tokens = {
            name: str(value["content"] if isinstance(value, dict) else value)
            for name, value in raw.items()
            if name.endswith("_token") and isinstance(value, (str, dict))
        }
        file = directory / "chat_template.jinja"
        source = file.read_text(encoding="utf-8") if file.exists() else raw.get("chat_template")
        if not isinstance(source, str):
            raise CheckpointError(
                f"{directory} has no chat template",
                hint="Add chat_template.jinja, or chat_template in tokenizer_config.json.",
            )
        return cls(source, tokens)

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, object]] | None = None,
        cue: bool = False,
    ) -> str:
        """The text of a whole conversation; `cue` adds the header of the assistant's next turn.

        Raises:
            TemplateError: The template refuses these messages.
        """
        try:
            return self._template.render(
                messages=list(messages),
                tools=list(tools) if tools else None,
                add_generation_prompt=cue,
                **self._tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            raise TemplateError(
                f"the model's chat template refused the messages: {error}"
            ) from None

    def opening(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, object]] | None
    ) -> str:
        """The text of a conversation's first messages: system text, tools and what follows."""
        return self.render(messages, tools=tools)

    def turns(self, messages: Sequence[Message]) -> str:
        """The text that `messages` add to a conversation that has already begun."""
        before = self._stub
        after = self.render((*_STUB, *messages))
        if not after.startswith(before):
            raise TemplateError(
                "this chat template changes earlier turns, so turns cannot be appended",
                hint="Render the whole conversation and append it as tokens.",
            )
        return after[len(before) :]

    @cached_property
    def _stub(self) -> str:
        return self.render(_STUB)

    @cached_property
    def cue(self) -> str:
        """The header that makes the model begin an assistant turn."""
        stub = _STUB[:1]
        return self.render(stub, cue=True)[len(self.render(stub)) :]

    @cached_property
    def turn_end(self) -> str:
        """What closes an assistant turn: its end token and any white space behind it."""
        text = self._stub
        return text[text.rindex(_STUB_ANSWER) + len(_STUB_ANSWER) :]


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
