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
`timeout`, queues, tensors and the tool calls are ours.
"""

from __future__ import annotations

from inferlet import chat as chat
from inferlet import files as files
from inferlet import http as http
from inferlet import masks as masks
from inferlet import messaging as messaging
from inferlet import runtime as runtime
from inferlet import session as session
from inferlet import store as store
from inferlet import tensors as tensors
from inferlet import tools as tools
from inferlet.adapter import Adapter as Adapter
from inferlet.children import Child as Child
from inferlet.completion import Completion as Completion
from inferlet.concurrency import Task as Task
from inferlet.concurrency import TaskCancelled as TaskCancelled
from inferlet.concurrency import gather as gather
from inferlet.concurrency import sleep as sleep
from inferlet.concurrency import spawn as spawn
from inferlet.concurrency import timeout as timeout
from inferlet.context import Context as Context
from inferlet.errors import ChildFailed as ChildFailed
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
from inferlet.generation import Generator as Generator
from inferlet.grammar import AnyJson as AnyJson
from inferlet.grammar import CompiledGrammar as CompiledGrammar
from inferlet.grammar import Constraint as Constraint
from inferlet.grammar import Ebnf as Ebnf
from inferlet.grammar import Grammar as Grammar
from inferlet.grammar import GrammarConstraint as GrammarConstraint
from inferlet.grammar import JsonSchema as JsonSchema
from inferlet.grammar import Regex as Regex
from inferlet.grammar import Schema as Schema
from inferlet.grammar import ToolCallFormat as ToolCallFormat
from inferlet.matcher import Matcher as Matcher
from inferlet.model import Model as Model
from inferlet.model import Tokenizer as Tokenizer
from inferlet.queues import Queue as Queue
from inferlet.sample import Distribution as Distribution
from inferlet.sample import Entropy as Entropy
from inferlet.sample import Logits as Logits
from inferlet.sample import Logprob as Logprob
from inferlet.sample import Logprobs as Logprobs
from inferlet.sample import Sampler as Sampler
from inferlet.spec import PromptLookup as PromptLookup
from inferlet.spec import Speculator as Speculator
from inferlet.stepping import GenStep as GenStep
from inferlet.tensors import Embeddings as Embeddings
from inferlet.tensors import Hidden as Hidden
from inferlet.tensors import LogitRows as LogitRows
from inferlet.tensors import Tensor as Tensor

__all__ = [
    "Adapter",
    "AnyJson",
    "Child",
    "ChildFailed",
    "CompiledGrammar",
    "Completion",
    "Constraint",
    "Context",
    "ContextTooLong",
    "Deadlock",
    "Distribution",
    "Ebnf",
    "Embeddings",
    "Entropy",
    "Forward",
    "GenStep",
    "Generator",
    "Grammar",
    "GrammarConstraint",
    "Hidden",
    "InvalidOperation",
    "JsonSchema",
    "LimitExceeded",
    "LogitRows",
    "Logits",
    "Logprob",
    "Logprobs",
    "Matcher",
    "Model",
    "OperationCancelled",
    "OperationError",
    "Output",
    "ProbeHandle",
    "PromptLookup",
    "Queue",
    "Regex",
    "SampleHandle",
    "Sampler",
    "Schema",
    "ServerFault",
    "Speculator",
    "Task",
    "TaskCancelled",
    "Tensor",
    "Tokenizer",
    "ToolCallFormat",
    "chat",
    "files",
    "gather",
    "http",
    "masks",
    "messaging",
    "runtime",
    "session",
    "sleep",
    "spawn",
    "store",
    "tensors",
    "timeout",
    "tools",
]
