"""Attention over paged KV, behind one interface: xformers on CUDA, torch elsewhere."""

from __future__ import annotations

import logging

import torch

from pie_server.engine.attention.interface import AttentionBackend as AttentionBackend
from pie_server.engine.attention.interface import AttentionPlan as AttentionPlan
from pie_server.engine.attention.interface import BatchLayout as BatchLayout

_LOG = logging.getLogger(__name__)


def attention_for(device: torch.device, *, in_place: bool = True) -> AttentionBackend:
    """The implementation for a device: xformers has operators for CUDA only.

    Args:
        in_place: See `TorchAttention`.
    """
    if device.type == "cuda":
        try:
            from pie_server.engine.attention.xformers import XformersAttention

            return XformersAttention()
        except ImportError as error:  # made for another version of torch
            _LOG.warning("attention runs on torch alone, which is slower: %s", error)
    from pie_server.engine.attention.torch import TorchAttention

    return TorchAttention(in_place=in_place)
