"""Models and their tokenizers. Control operations only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pie_server.errors import InvalidArguments
from pie_server.host.requests import Decode, Empty, Encode, ModelRequest, Vocabulary
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost

TRAITS = ("chat", "tools", "fork", "truncate", "export", "mask", "copy", "embeddings", "grammar")
MAX_VOCABULARY = 16_384  # of one answer: a bit over 100 KiB of JSON


def list_models(host: InstanceHost, _: Empty) -> JsonValue:
    """Names, the default first."""
    return list(host.services.engines)


def info(host: InstanceHost, request: ModelRequest) -> JsonValue:
    """What this model and device can do."""
    engine = host.engine(request.model)
    config = engine.checkpoint.config
    return {
        "name": engine.checkpoint.name,
        "architecture": config.architecture,
        "vocab_size": config.vocab_size,
        "page_size_tokens": engine.settings.page_size_tokens,
        "max_context_tokens": config.max_context_tokens,
        "eos_tokens": list(config.eos_tokens),
        "adapters": [*engine.adapter_names],
        "traits": [*TRAITS],
    }


def encode(host: InstanceHost, request: Encode) -> JsonValue:
    """Text to tokens."""
    tokens: list[JsonValue] = []
    tokens.extend(host.renderer(host.engine(request.model)).encode(request.text))
    return tokens


def decode(host: InstanceHost, request: Decode) -> JsonValue:
    """Tokens to text."""
    checkpoint = host.engine(request.model).checkpoint
    if any(not 0 <= token < checkpoint.config.vocab_size for token in request.tokens):
        raise InvalidArguments(f"tokens must be between 0 and {checkpoint.config.vocab_size - 1}")
    return checkpoint.tokenizer.decode(request.tokens, skip_special=request.skip_special)


def vocabulary(host: InstanceHost, request: Vocabulary) -> JsonValue:
    """Tokens `start..stop` as the vocabulary writes them (byte-level where it is byte-level)."""
    checkpoint = host.engine(request.model).checkpoint
    stop = checkpoint.config.vocab_size if request.stop is None else request.stop
    if not 0 <= request.start <= stop <= checkpoint.config.vocab_size:
        raise InvalidArguments(f"start and stop must be within 0..{checkpoint.config.vocab_size}")
    if stop - request.start > MAX_VOCABULARY:
        raise InvalidArguments(f"ask for at most {MAX_VOCABULARY} tokens at a time")
    texts: list[JsonValue] = []
    texts.extend(checkpoint.tokenizer.texts(request.start, stop))
    return texts
