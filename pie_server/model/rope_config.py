"""Reads `rope_parameters` (or the older `rope_scaling` and `rope_theta`) of a `config.json`.

What is not known to be computed exactly is refused, unknown fields included: a rope that is
slightly wrong gives a model that is slightly stupid, which nobody notices.
"""

from __future__ import annotations

import math

from pie_server.model.config import Fields
from pie_server.model.rotary import LinearScaling, Llama3Scaling, RopeOptions, YarnScaling

DEFAULT_THETA = 10_000.0

_COMMON_FIELDS = {"rope_type", "type", "rope_theta", "partial_rotary_factor"}
_EXTENDED_FIELDS = {"factor", "original_max_position_embeddings"}
_KINDS = {
    "default": set(),
    "linear": {"factor"},
    "dynamic": _EXTENDED_FIELDS,
    "llama3": _EXTENDED_FIELDS | {"low_freq_factor", "high_freq_factor"},
    "yarn": _EXTENDED_FIELDS
    | {"attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"},
}


def read_rope(model: Fields) -> RopeOptions:
    """The rope of a model all of whose layers have the same.

    Raises:
        CheckpointError: A variant or a field is not supported, or a value makes no sense.
    """
    parameters = model.section("rope_scaling") or model.section("rope_parameters")
    if parameters is None:
        parameters = Fields({}, model.where)
    theta = model.number("rope_theta", DEFAULT_THETA)
    return read_rope_parameters(parameters, model, theta)


def read_rope_parameters(rope: Fields, model: Fields, default_theta: float) -> RopeOptions:
    """One rope.

    Args:
        rope: Its own object.
        model: The whole configuration, for the context length.
        default_theta: Where the object has none.

    Raises:
        CheckpointError: See `read_rope`.
    """
    kind = rope.get("rope_type") or rope.get("type") or "default"
    known = _KINDS.get(str(kind))
    if known is None:
        raise rope.error(f"rope scaling {kind!r} is not supported; known: {', '.join(_KINDS)}")
    unknown = sorted(
        name
        for name, value in rope.raw.items()
        if value is not None and name not in _COMMON_FIELDS | known
    )
    if unknown:
        raise rope.error(f"rope scaling {kind!r} with {', '.join(unknown)} is not supported")
    for fields in (rope, model):
        if fields.get("partial_rotary_factor") not in (None, 1, 1.0):
            raise fields.error("partial_rotary_factor is not supported")
    theta = rope.number("rope_theta", default_theta)
    match kind:
        case "linear":
            return RopeOptions(theta, LinearScaling(rope.number("factor")))
        case "llama3":
            return RopeOptions(theta, _llama3(rope, model))
        case "yarn":
            return RopeOptions(theta, _yarn(rope, model))
    # "dynamic" changes frequencies only beyond max_position_embeddings, which is this server's
    # limit for such a model: a longer context would turn the keys it already holds.
    return RopeOptions(theta)


def _original_tokens(rope: Fields, model: Fields) -> int:
    # Some checkpoints state it beside the rope's own object, where it takes precedence.
    name = "original_max_position_embeddings"
    inner = rope.integer(name, model.integer("max_position_embeddings"))
    return model.integer(name, inner)


def _llama3(rope: Fields, model: Fields) -> Llama3Scaling:
    low, high = rope.number("low_freq_factor"), rope.number("high_freq_factor")
    if high <= low:
        raise rope.error("high_freq_factor must be greater than low_freq_factor")
    return Llama3Scaling(rope.number("factor"), low, high, _original_tokens(rope, model))


def _yarn(rope: Fields, model: Fields) -> YarnScaling:
    original = _original_tokens(rope, model)
    length = model.integer("max_position_embeddings")
    factor = rope.number("factor", None if original == length else length / original)
    attention_factor = rope.optional_number("attention_factor")
    if attention_factor is None:
        # 0 switches the pair off, as in the reference.
        pair = [
            rope.number(name) if rope.get(name) else 0.0 for name in ("mscale", "mscale_all_dim")
        ]
        if all(pair):
            attention_factor = _magnitude(factor, pair[0]) / _magnitude(factor, pair[1])
        else:
            attention_factor = _magnitude(factor, 1.0)
    return YarnScaling(
        factor,
        attention_factor,
        beta_fast=rope.number("beta_fast", 32.0),
        beta_slow=rope.number("beta_slow", 1.0),
        truncate=rope.flag("truncate", default=True),
        original_tokens=original,
    )


def _magnitude(factor: float, scale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * scale * math.log(factor) + 1.0
