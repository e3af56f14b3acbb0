"""Matchers: where a text stands in a grammar, for guests that decode step by step.

A guest advances its matcher over the tokens it accepts; a sampler that names the matcher chooses
only what may follow there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pie_server.engine.grammar import Matcher, empty_masks
from pie_server.errors import InvalidArguments
from pie_server.host.held_matchers import HostMatcher, check_tokens
from pie_server.host.requests import (
    AdvanceMatcher,
    CreateMatcher,
    MatcherRequest,
    RollBackMatcher,
)
from pie_server.runtime.port import JsonValue

if TYPE_CHECKING:
    from pie_server.host.instance_host import InstanceHost


def create(host: InstanceHost, request: CreateMatcher) -> JsonValue:
    """A matcher at the beginning of a grammar."""
    compiled = host.grammars.get(request.grammar)
    held = HostMatcher(compiled.engine, compiled.grammar.matcher())
    return {"matcher": host.matchers.add(held), **_place(held.matcher)}


def fork(host: InstanceHost, request: MatcherRequest) -> JsonValue:
    """An independent matcher at the same place."""
    held = _free(host, request.matcher)
    twin = HostMatcher(held.engine, held.matcher.copy())
    return {"matcher": host.matchers.add(twin), **_place(twin.matcher)}


def advance(host: InstanceHost, request: AdvanceMatcher) -> JsonValue:
    """Takes tokens of the text, all or none; refused if the grammar does not allow one of them."""
    held = _free(host, request.matcher)
    check_tokens("tokens", request.tokens, held.engine)
    held.advance(request.tokens)
    return _place(held.matcher)


def roll_back(host: InstanceHost, request: RollBackMatcher) -> JsonValue:
    """Takes back the last `tokens` tokens."""
    held = _free(host, request.matcher)
    length = held.matcher.consumed_tokens
    if not 0 <= request.tokens <= length:
        raise InvalidArguments(f"tokens is {request.tokens}, the matcher has taken {length}")
    held.matcher.rollback(request.tokens)
    held.moves += bool(request.tokens)
    return _place(held.matcher)


def state(host: InstanceHost, request: MatcherRequest) -> JsonValue:
    """How far it is, whether the text may or must end there, and tokens that have to follow."""
    held = _free(host, request.matcher)
    forced: list[JsonValue] = []
    forced.extend(held.matcher.forced_tokens())
    return {**_place(held.matcher), "forced": forced}


def allowed(host: InstanceHost, request: MatcherRequest) -> JsonValue:
    """Which tokens may follow: how many, and as half-open ranges."""
    held = _free(host, request.matcher)
    row = empty_masks(1, held.matcher.vocab_size)[0]
    held.matcher.fill_mask(row)
    ranges = _ranges(row, held.matcher.vocab_size)
    found: list[JsonValue] = []
    found.extend([low, high] for low, high in ranges)
    return {"count": sum(high - low for low, high in ranges), "ranges": found}


def release(host: InstanceHost, request: MatcherRequest) -> JsonValue:
    """Forgets a matcher; operations that follow it go on."""
    host.matchers.release(request.matcher)
    return None


def _free(host: InstanceHost, handle: int) -> HostMatcher:
    held = host.matchers.get(handle)
    held.check_free(handle)
    return held


def _place(matcher: Matcher) -> dict[str, JsonValue]:
    return {
        "length": matcher.consumed_tokens,
        "accepting": matcher.is_accepting,
        "finished": matcher.is_stopped,
    }


def _ranges(row: torch.Tensor, vocab_size: int) -> list[tuple[int, int]]:
    """Half-open ranges of the set bits of one mask: [words] int32."""
    octets = row.view(torch.uint8)
    bits = ((octets[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1).flatten()[:vocab_size]
    edges = torch.nn.functional.pad(bits.to(torch.int8), (1, 1)).diff()
    starts, stops = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
