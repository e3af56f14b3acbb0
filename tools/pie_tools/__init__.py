"""Tools that the model can call, and the registry that runs them safely."""

from pie_tools.function_tool import FunctionTool, tool
from pie_tools.registry import ToolRegistry, default_registry
from pie_tools.tool import Tool, ToolCallContext, ToolFailure, ToolResult

__all__ = [
    "FunctionTool",
    "Tool",
    "ToolCallContext",
    "ToolFailure",
    "ToolRegistry",
    "ToolResult",
    "default_registry",
    "tool",
]
