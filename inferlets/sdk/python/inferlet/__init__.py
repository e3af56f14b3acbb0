"""The inferlet SDK for Python.

An inferlet is a source file with `async def main(input: dict) -> str`. The same file runs in
WebAssembly and, for trusted authors, natively in the server.

    from inferlet import Context, Model, Sampler, runtime

    async def main(input: dict) -> str:
        model = Model.load(runtime.models()[0])
        ctx = Context(model)
        ctx.system("You are a helpful assistant.").user(input["prompt"])
        return (await ctx.complete(Sampler.argmax(), max_tokens=64, stream=True)).text

The names are those of Pie's Python SDK where it has them; `complete`, `gather`, `spawn`, `sleep`,
`timeout` and the tool calls are ours.
"""

from __future__ import annotations

from inferlet import chat as chat
from inferlet import runtime as runtime
from inferlet import session as session
from inferlet import tools as tools
from inferlet.concurrency import Task as Task
from inferlet.concurrency import TaskCancelled as TaskCancelled
from inferlet.concurrency import gather as gather
from inferlet.concurrency import sleep as sleep
from inferlet.concurrency import spawn as spawn
from inferlet.concurrency import timeout as timeout
from inferlet.context import Context as Context
from inferlet.errors import ContextTooLong as ContextTooLong
from inferlet.errors import Deadlock as Deadlock
from inferlet.errors import InvalidOperation as InvalidOperation
from inferlet.errors import LimitExceeded as LimitExceeded
from inferlet.errors import OperationCancelled as OperationCancelled
from inferlet.errors import OperationError as OperationError
from inferlet.errors import ServerFault as ServerFault
from inferlet.forward import Forward as Forward
from inferlet.forward import Output as Output
from inferlet.forward import ProbeHandle as ProbeHandle
from inferlet.forward import SampleHandle as SampleHandle
from inferlet.generation import Completion as Completion
from inferlet.generation import Generator as Generator
from inferlet.generation import GenStep as GenStep
from inferlet.model import Model as Model
from inferlet.model import Tokenizer as Tokenizer
from inferlet.sample import Distribution as Distribution
from inferlet.sample import Sampler as Sampler

__all__ = [
    "Completion",
    "Context",
    "ContextTooLong",
    "Deadlock",
    "Distribution",
    "Forward",
    "GenStep",
    "Generator",
    "InvalidOperation",
    "LimitExceeded",
    "Model",
    "OperationCancelled",
    "OperationError",
    "Output",
    "ProbeHandle",
    "SampleHandle",
    "Sampler",
    "ServerFault",
    "Task",
    "TaskCancelled",
    "Tokenizer",
    "chat",
    "gather",
    "runtime",
    "session",
    "sleep",
    "spawn",
    "timeout",
    "tools",
]
