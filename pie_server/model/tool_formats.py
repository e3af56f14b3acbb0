"""How model families write tool calls, and which of these a checkpoint was trained on.

    HERMES           Qwen 2.5 and 3, Hermes, the embedded model
                     <tool_call>{"name": "f", "arguments": {...}}</tool_call>
    LLAMA            Llama 3.1 and later: the whole turn is calls, separated by ";"
                     {"name": "f", "parameters": {...}}
    MISTRAL_LIST     Mistral up to tokenizer v7
                     [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...]
    MISTRAL          Mistral from tokenizer v11 on
                     [TOOL_CALLS]f[ARGS]{...}
    FUNCTION_GEMMA   Gemma 3 trained on functions
                     <start_function_call>call:f{key:<escape>text<escape>}<end_function_call>

A chat template renders the calls of earlier turns, so the markers in its source say which it is.
"""

from __future__ import annotations

from enum import Enum


class ToolFormat(Enum):
    """A way to write tool calls."""

    HERMES = "hermes"
    LLAMA = "llama"
    MISTRAL_LIST = "mistral_list"
    MISTRAL = "mistral"
    FUNCTION_GEMMA = "function_gemma"

    @property
    def opening(self) -> str:
        """What begins a call; of Llama's, what may stand before the first one."""
        return _OPENINGS[self]

    @property
    def markers(self) -> tuple[str, ...]:
        """The markup's own tokens, which text for people would be decoded without."""
        return _MARKERS[self]


_OPENINGS = {
    ToolFormat.HERMES: "<tool_call>",
    ToolFormat.LLAMA: "<|python_tag|>",
    ToolFormat.MISTRAL_LIST: "[TOOL_CALLS]",
    ToolFormat.MISTRAL: "[TOOL_CALLS]",
    ToolFormat.FUNCTION_GEMMA: "<start_function_call>",
}
_MARKERS = {
    ToolFormat.HERMES: ("<tool_call>", "</tool_call>"),
    ToolFormat.LLAMA: ("<|python_tag|>",),
    ToolFormat.MISTRAL_LIST: ("[TOOL_CALLS]",),
    ToolFormat.MISTRAL: ("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"),
    ToolFormat.FUNCTION_GEMMA: ("<start_function_call>", "<end_function_call>", "<escape>"),
}


def tool_format_of(template: str) -> ToolFormat:
    """The format that a chat template's source writes; Hermes' if it writes none.

    Llama's later templates name no marker: they are known by the role of their tool results.
    """
    if "<tool_call>" in template:
        return ToolFormat.HERMES
    if "[TOOL_CALLS]" in template:
        return ToolFormat.MISTRAL if "[ARGS]" in template else ToolFormat.MISTRAL_LIST
    if "<start_function_call>" in template:
        return ToolFormat.FUNCTION_GEMMA
    if "<|python_tag|>" in template or "ipython" in template:
        return ToolFormat.LLAMA
    return ToolFormat.HERMES
