"""The `python` tool: runs the model's code in the session's sandbox, never in this process."""

from __future__ import annotations

from pie_sandbox.sandbox import ExecutionLimits, ExecutionResult
from pie_tools.tool import Arguments, JsonSchema, ToolCallContext, ToolResult

EXECUTION_LIMITS = ExecutionLimits(seconds=10.0, output_bytes=16 << 10)
DEADLINE_SECONDS = 60.0
"""Longer than an execution: the first call of a session may wait for a sandbox."""

NOTHING = "(no output)"


class PythonTool:
    """Variables stay between the calls of a session."""

    name = "python"
    description = "Run Python code and return what it prints."
    deadline_seconds = DEADLINE_SECONDS

    def __init__(self, limits: ExecutionLimits = EXECUTION_LIMITS) -> None:
        self._limits = limits

    @property
    def parameters(self) -> JsonSchema:
        """The one argument."""
        return {
            "type": "object",
            "properties": {"code": {"type": "string"}},
            "required": ["code"],
        }

    async def run(self, arguments: Arguments, call: ToolCallContext) -> ToolResult:
        """Execute `arguments["code"]`, streaming what it prints."""
        sandbox = await call.sandbox()
        result = await sandbox.execute(str(arguments["code"]), self._limits, call.on_output)
        return ToolResult(render_execution(result), not result.ok, result.backend)


def render_execution(result: ExecutionResult) -> str:
    """Write an execution as the model reads it: what was printed, else the value, then errors."""
    parts = [result.stdout.strip("\n")]
    if result.truncated:
        parts.append("[output cut]")
    parts.append(result.stderr.strip("\n"))
    if result.ok and not result.stdout and result.value is not None:
        parts.append(result.value)
    if not result.ok:
        parts.append(f"error: {result.exception}")
        if result.state_lost:
            parts.append("(the interpreter was restarted; earlier variables are gone)")
    return "\n".join(part for part in parts if part) or NOTHING
