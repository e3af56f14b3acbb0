"""Copies within the cache, and to host memory and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pie_server.model.architectures import read_config
from pie_server.model.kv_cache import KvCache

PAGES, SIZE = 6, 4


@pytest.fixture
def cache(tiny_checkpoint: Path) -> KvCache:
    config = read_config(tiny_checkpoint)
    cache = KvCache(config, PAGES, SIZE, dtype=torch.bfloat16, device=torch.device("cpu"))
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_()
    return cache


def tensors(cache: KvCache) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in (*cache.keys, *cache.values)]


def test_pages_are_copied_in_every_layer_and_nothing_else_changes(cache: KvCache) -> None:
    before = tensors(cache)
    cache.copy_pages([0, 3], [5, 1])
    for old, new in zip(before, tensors(cache), strict=True):
        expected = old.view(PAGES, SIZE, -1).clone()
        expected[5], expected[1] = expected[0].clone(), expected[3].clone()
        assert torch.equal(new.view(PAGES, SIZE, -1), expected)


def test_slots_are_copied_as_if_all_were_read_first(cache: KvCache) -> None:
    before = tensors(cache)
    cache.copy_slots([1, 2, 22], [2, 3, 1])
    for old, new in zip(before, tensors(cache), strict=True):
        expected = old.clone()
        expected[2], expected[3], expected[1] = old[1], old[2], old[22]
        assert torch.equal(new, expected)


def test_pages_come_back_from_the_host_to_other_pages_bit_for_bit(cache: KvCache) -> None:
    before = tensors(cache)
    data = cache.read_pages([4, 0])
    assert data.shape == (len(cache.keys), 2, 2, SIZE, *cache.keys[0].shape[1:])
    assert data.is_contiguous()
    for tensor in (*cache.keys, *cache.values):
        tensor[4 * SIZE : 5 * SIZE] = torch.nan  # what was read is a copy
    cache.write_pages([2, 5], data)
    for old, new in zip(before, tensors(cache), strict=True):
        old, new = old.view(PAGES, SIZE, -1), new.view(PAGES, SIZE, -1)
        assert torch.equal(new[2], old[4])
        assert torch.equal(new[5], old[0])
        assert torch.equal(new[[0, 1, 3]], old[[0, 1, 3]])


def test_no_pages_are_no_work(cache: KvCache) -> None:
    before = tensors(cache)
    cache.copy_pages([], [])
    cache.copy_slots([], [])
    cache.write_pages([], cache.read_pages([]))
    assert all(torch.equal(a, b) for a, b in zip(before, tensors(cache), strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_host_copy_is_pinned_and_complete(tiny_checkpoint: Path) -> None:
    config = read_config(tiny_checkpoint)
    cache = KvCache(config, PAGES, SIZE, dtype=torch.float16, device=torch.device("cuda"))
    for tensor in (*cache.keys, *cache.values):
        tensor.normal_()
    data = cache.read_pages([3, 1])
    assert data.is_pinned()
    cache.write_pages([0, 5], data)
    assert torch.equal(cache.read_pages([0, 5]), data)
