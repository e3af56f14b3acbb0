"""The table of operations: name -> arguments, handler, kind.

Three kinds: *control* operations are answered at once, *inference* operations are queued for the
device and answered by a callback, *tasks* run in the instance's nursery (tools, waits).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pie_server.host import (
    files,
    forward,
    generate,
    grammars,
    http,
    kv,
    launch,
    matchers,
    messaging,
    models,
    queues,
    session,
    store,
    tensors,
    tools,
)
from pie_server.host import requests as r
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost, Reply

# The table pairs each handler with its own request type; `Any` stands for that pairing, which the
# type system cannot express, and does not leave this module.
Control: TypeAlias = "Callable[[InstanceHost, Any], JsonValue]"
Inference: TypeAlias = "Callable[[InstanceHost, Any, Reply], None]"
Task: TypeAlias = "Callable[[InstanceHost, Any], Awaitable[JsonValue]]"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table; exactly one handler is set."""

    request: type[r.Request]
    control: Control | None = None
    inference: Inference | None = None
    task: Task | None = None


OPERATIONS: dict[str, Operation] = {
    "models.list": Operation(r.Empty, control=models.list_models),
    "model.info": Operation(r.ModelRequest, control=models.info),
    "tokenizer.encode": Operation(r.Encode, control=models.encode),
    "tokenizer.decode": Operation(r.Decode, control=models.decode),
    "context.create": Operation(r.CreateContext, control=kv.create),
    "context.fork": Operation(r.ContextRequest, control=kv.fork),
    "context.release": Operation(r.ContextRequest, control=kv.release),
    "context.truncate": Operation(r.Truncate, control=kv.truncate),
    "context.info": Operation(r.ContextRequest, control=kv.info),
    "context.render": Operation(r.Fill, control=kv.render),
    "context.save": Operation(r.Save, control=kv.save),
    "context.open": Operation(r.Named, control=kv.open_saved),
    "context.take": Operation(r.Named, control=kv.take_saved),
    "context.delete": Operation(r.Named, control=kv.delete_saved),
    "context.list": Operation(r.ModelRequest, control=kv.list_saved),
    "context.mask": Operation(r.Mask, control=kv.mask),
    "context.drop": Operation(r.Range, control=kv.drop),
    "context.copy": Operation(r.CopyTokens, inference=kv.copy),
    "context.keep": Operation(r.KeepTokens, inference=kv.keep),
    "context.set_adapter": Operation(r.SetAdapter, control=kv.set_adapter),
    "context.set_queue": Operation(r.SetQueue, control=queues.assign),
    "context.flush": Operation(r.Fill, inference=forward.flush),
    "context.forward": Operation(r.Forward, inference=forward.forward),
    "context.generate": Operation(r.Generate, inference=generate.generate),
    "embeddings.create": Operation(r.CreateEmbeddings, inference=tensors.embed),
    "hidden.read": Operation(r.ReadHidden, inference=tensors.read_hidden),
    "tensor.info": Operation(r.TensorRequest, control=tensors.info),
    "tensor.read": Operation(r.ReadTensor, control=tensors.read),
    "tensor.release": Operation(r.TensorRequest, control=tensors.release),
    "grammar.compile": Operation(r.CompileGrammar, task=grammars.compile_grammar),
    "grammar.release": Operation(r.GrammarRequest, control=grammars.release),
    "matcher.create": Operation(r.CreateMatcher, control=matchers.create),
    "matcher.advance": Operation(r.AdvanceMatcher, control=matchers.advance),
    "matcher.rollback": Operation(r.RollBackMatcher, control=matchers.roll_back),
    "matcher.fork": Operation(r.MatcherRequest, control=matchers.fork),
    "matcher.state": Operation(r.MatcherRequest, control=matchers.state),
    "matcher.allowed": Operation(r.MatcherRequest, control=matchers.allowed),
    "matcher.release": Operation(r.MatcherRequest, control=matchers.release),
    "queue.create": Operation(r.CreateQueue, control=queues.create),
    "queue.set_priority": Operation(r.SetPriority, control=queues.set_priority),
    "queue.synchronize": Operation(r.QueueRequest, task=queues.synchronize),
    "queue.release": Operation(r.QueueRequest, control=queues.release),
    "tokenizer.vocabulary": Operation(r.Vocabulary, control=models.vocabulary),
    "tools.list": Operation(r.Empty, control=tools.list_tools),
    "tools.parse": Operation(r.ParseToolCalls, control=tools.parse),
    "tools.call": Operation(r.ToolCallRequest, task=tools.call),
    "session.send": Operation(r.Send, control=session.send),
    "session.receive": Operation(r.Empty, task=session.receive),
    "session.info": Operation(r.Empty, control=session.info),
    "messaging.broadcast": Operation(r.Publish, control=messaging.broadcast),
    "messaging.subscribe": Operation(r.Topic, control=messaging.subscribe),
    "messaging.receive": Operation(r.SubscriptionRequest, task=messaging.receive),
    "messaging.unsubscribe": Operation(r.SubscriptionRequest, control=messaging.unsubscribe),
    "messaging.push": Operation(r.Publish, control=messaging.push),
    "messaging.pull": Operation(r.Topic, task=messaging.pull),
    "runtime.launch": Operation(r.LaunchChild, control=launch.launch),
    "child.join": Operation(r.ChildRequest, task=launch.join),
    "child.cancel": Operation(r.ChildRequest, control=launch.cancel),
    "child.detach": Operation(r.ChildRequest, control=launch.detach),
    "child.send": Operation(r.SendToChild, control=launch.send),
    "child.receive": Operation(r.ChildRequest, task=launch.receive),
    "child.info": Operation(r.ChildRequest, control=launch.info),
    "store.get": Operation(r.KeyRequest, task=store.get),
    "store.put": Operation(r.PutKey, task=store.put),
    "store.delete": Operation(r.DeleteKey, task=store.delete),
    "store.list": Operation(r.ListKeys, task=store.list_keys),
    "http.request": Operation(r.HttpRequest, task=http.request),
    "files.write": Operation(r.WriteFile, control=files.write),
    "files.read": Operation(r.ReadFile, control=files.read),
    "files.list": Operation(r.Empty, control=files.list_files),
    "files.delete": Operation(r.FileRequest, control=files.delete),
    "session.send_file": Operation(r.SendFile, control=files.send),
    "runtime.sleep": Operation(r.Sleep, task=session.sleep),
    "runtime.time": Operation(r.Empty, control=session.time_now),
    "runtime.random_seed": Operation(r.Empty, control=session.random_seed),
    "runtime.version": Operation(r.Empty, control=session.version),
    "log": Operation(r.Log, control=session.log),
    "cancel": Operation(r.Cancel, control=session.cancel),
}
