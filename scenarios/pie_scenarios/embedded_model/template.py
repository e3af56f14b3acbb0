"""The chat format: its tokens, its Jinja template, and the same rendering in plain Python.

```
<|im_start|>system
{system text}

# Tools
<tools>
{"name": ..., "description": ..., "parameters": {...}}      one line per tool
</tools><|im_end|>
<|im_start|>user
{text}<|im_end|>
<|im_start|>assistant
{remark, if any, and a newline}<tool_call>
{"name": "calculator", "arguments": {"expression": "12*3"}}
</tool_call>
<tool_call>...one per parallel call...</tool_call><|im_end|>
<|im_start|>tool
<tool_response>
{result}
</tool_response>
<tool_response>...one per call, in call order...</tool_response><|im_end|>
<|im_start|>assistant
{answer}<|im_end|>
```

Between two calls and between two responses stands one newline, as after every `<|im_end|>`.
Without tools the system turn is only its text. A conversation without a system message gets
`DEFAULT_SYSTEM`. JSON is written by `json.dumps(..., ensure_ascii=False)`: `tojson` must not
escape quotes or sort keys, as stock Jinja would (transformers replaces that filter too).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP_TOKENS = (
    "<tools>",
    "</tools>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
)
DEFAULT_SYSTEM = "You are a helpful assistant."

CHAT_TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = 'You are a helpful assistant.' %}
    {%- set turns = messages %}
{%- endif %}
{{- '<|im_start|>system\\n' + system }}
{%- if tools %}
    {{- '\\n\\n# Tools\\n<tools>\\n' }}
    {%- for tool in tools %}
        {%- set f = tool.function if tool.function is defined else tool %}
        {{- '{"name": ' + (f.name | tojson) + ', "description": ' }}
        {{- (f.description | default('', true) | tojson) + ', "parameters": ' }}
        {{- (f.parameters | default({}, true) | tojson) + '}\\n' }}
    {%- endfor %}
    {{- '</tools>' }}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- for message in turns %}
    {%- if message.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}
            {{- '<|im_start|>tool' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' + (message.content or '') }}
        {%- for call in message.tool_calls or [] %}
            {%- if not loop.first or message.content %}
                {{- '\\n' }}
            {%- endif %}
            {%- set f = call.function if call.function is defined else call %}
            {{- '<tool_call>\\n{"name": ' + (f.name | tojson) + ', "arguments": ' }}
            {{- (f.arguments if f.arguments is string else (f.arguments | tojson)) }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def compact(value: object) -> str:
    """Write JSON the way that the template does."""
    return json.dumps(value, ensure_ascii=False)


def system_turn(text: str, schemas: Iterable[dict[str, object]]) -> str:
    """Render the system turn; `schemas` have a name, a description and parameters each."""
    lines = "".join(compact(schema) + "\n" for schema in schemas)
    tools = f"\n\n# Tools\n<tools>\n{lines}</tools>" if lines else ""
    return f"<|im_start|>system\n{text}{tools}<|im_end|>\n"


def user_turn(text: str) -> str:
    """Render a user turn."""
    return f"<|im_start|>user\n{text}<|im_end|>\n"


def tool_turn(results: Iterable[str]) -> str:
    """Render the results of all calls of one assistant turn."""
    parts = "".join(f"\n<tool_response>\n{result}\n</tool_response>" for result in results)
    return f"<|im_start|>tool{parts}<|im_end|>\n"


def calls_text(calls: Iterable[tuple[str, dict[str, str]]], remark: str = "") -> str:
    """Render the body of an assistant turn that makes calls (name, arguments)."""
    parts = [
        f'<tool_call>\n{{"name": {compact(name)}, "arguments": {compact(arguments)}}}\n</tool_call>'
        for name, arguments in calls
    ]
    return "\n".join([remark, *parts] if remark else parts)


ASSISTANT_START = "<|im_start|>assistant\n"
TURN_END = "<|im_end|>\n"
