"""Embeddings, hidden states and logits: they stay on the device, guests hold them by number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch

from pie_server.engine.batch import Answer, Sample
from pie_server.engine.device_tasks import EmbedTokens
from pie_server.engine.device_tasks import ReadHidden as ReadHiddenTask
from pie_server.engine.sampling import uniform
from pie_server.errors import InvalidArguments, PieError
from pie_server.host.held_matchers import MatcherLoans
from pie_server.host.held_tensors import hold
from pie_server.host.readouts import answered, asked_of
from pie_server.host.requests import (
    CreateEmbeddings,
    ReadHidden,
    ReadTensor,
    TensorRequest,
)
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost, Reply

MAX_READ_NUMBERS = 65_536  # JSON of more than this would hold the loop up


def embed(host: InstanceHost, request: CreateEmbeddings, reply: Reply) -> None:
    """Embeds text or tokens: the input half of a forward pass on its own."""
    engine = host.engine(request.model)
    tokens = list(request.tokens)
    if request.text:
        tokens += host.renderer(engine).encode(request.text)
    vocabulary = engine.checkpoint.config.vocab_size
    if not tokens or any(not 0 <= token < vocabulary for token in tokens):
        raise InvalidArguments(f"embeddings need tokens, each between 0 and {vocabulary - 1}")
    engine.room(len(tokens))

    def on_done(result: object, error: PieError | None) -> None:
        if error is not None:
            reply.fail(error)
            return
        try:
            handle = hold(host, engine, "embeddings", cast(torch.Tensor, result))
        except PieError as refused:
            reply.fail(refused)
        else:
            reply.complete({"tensor": handle, "rows": len(tokens)})

    command = engine.run_task(EmbedTokens(tokens), on_done, host.queue_of(request.queue))
    reply.cancel = lambda: engine.scheduler.cancel(command)


def read_hidden(host: InstanceHost, request: ReadHidden, reply: Reply) -> None:
    """Samples, distributions and more of kept hidden states: the output half on its own."""
    tensor = host.tensors.get(request.tensor)
    if tensor.kind != "hidden":
        raise InvalidArguments(f"tensor {request.tensor} holds {tensor.kind}, not hidden states")
    engine = tensor.engine
    loans = MatcherLoans(host, engine)
    placed = [
        replace(readout, index=row, uniform=uniform(readout.params.seed, row))
        if isinstance(readout, Sample)
        else replace(readout, index=row)
        for row, readout in asked_of(host, engine, request, len(tensor.rows), loans, counts=False)
    ]

    def on_done(result: object, error: PieError | None) -> None:
        if error is not None:
            loans.fail()
            reply.fail(error)
            return
        try:
            reply.complete(answered(host, engine, request, cast(list[Answer], result), loans))
        except PieError as refused:
            loans.fail()
            reply.fail(refused)

    task = ReadHiddenTask(tensor.rows, placed)
    loans.begin()
    command = engine.run_task(task, on_done, host.queue_of(request.queue))
    reply.cancel = lambda: engine.scheduler.cancel(command)


def info(host: InstanceHost, request: TensorRequest) -> JsonValue:
    """What a tensor is: its kind and shape."""
    tensor = host.tensors.get(request.tensor)
    return {"kind": tensor.kind, "rows": tensor.rows.shape[0], "width": tensor.rows.shape[1]}


def read(host: InstanceHost, request: ReadTensor) -> JsonValue:
    """Numbers of one row of a tensor."""
    rows = host.tensors.get(request.tensor).rows
    count, width = rows.shape
    stop = width if request.stop is None else request.stop
    if not 0 <= request.row < count or not 0 <= request.start < stop <= width:
        raise InvalidArguments(f"the tensor has {count} rows of {width} numbers")
    if stop - request.start > MAX_READ_NUMBERS:
        raise InvalidArguments(f"read at most {MAX_READ_NUMBERS} numbers at a time")
    numbers: list[JsonValue] = []
    numbers.extend(rows[request.row, request.start : stop].float().tolist())
    return numbers


def release(host: InstanceHost, request: TensorRequest) -> JsonValue:
    """Frees a tensor."""
    host.tensors.release(request.tensor)
    return None
