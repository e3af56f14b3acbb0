"""The check for CUDA machines, as far as it runs without one."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pie_scenarios.cuda_check import attention, equality
from pie_scenarios.cuda_check.attention import CASES, run_case
from pie_scenarios.cuda_check.models import ALL_SHAPES, random_checkpoint
from pie_server.engine.attention import AttentionBackend, BatchLayout
from pie_server.engine.attention.torch import TorchAttention, TorchPlan

CPU = torch.device("cpu")


def run_check(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pie_scenarios.cuda_check", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


def test_the_quick_check_passes_on_the_cpu_and_ends_with_a_headline(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = run_check("--device", "cpu", "--quick", "--json", str(figures))
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.rstrip().splitlines()[-1]
    found = re.fullmatch(
        r"headline: attention_error_ratio=(\S+) graphs_equal=1\.000 plain_share=(\S+)", last
    )
    assert found, last
    assert 0.0 < float(found[1]) <= attention.ALLOWED
    raw = json.loads(figures.read_text())
    assert raw["failures"] == []
    tried = {(o["case"], o["dtype"], o["group"], o["pages"]) for o in raw["attention"]}
    assert len(tried) == len(CASES) * 2 * 3 * 2
    assert raw["equality"]["replayed_steps"] > 20


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_nothing_is_run_and_the_status_is_2() -> None:
    done = run_check()
    assert done.returncode == 2
    assert "no CUDA device" in done.stderr
    assert done.stdout == ""


def skewed(change: Callable[[BatchLayout], BatchLayout]) -> AttentionBackend:
    """Attention that gets a little of the layout wrong."""

    class Skewed(TorchAttention):
        def plan(self, layout: BatchLayout) -> TorchPlan:
            return super().plan(change(layout))

    return Skewed()


def shorter(layout: BatchLayout) -> BatchLayout:
    pairs = zip(layout.query_lengths, layout.kv_lengths, strict=True)
    return replace(layout, kv_lengths=[max(query, length - 1) for query, length in pairs])


def on_other_pages(layout: BatchLayout) -> BatchLayout:
    return replace(layout, pages=[[pages[0] - 1, *pages[1:]] for pages in layout.pages])


MISTAKES: dict[str, tuple[str, Callable[[BatchLayout], BatchLayout]]] = {
    "one token too few": ("chunked", shorter),
    "nothing hidden": ("trees", lambda layout: replace(layout, hidden={})),
    "a wrong page": ("decode", on_other_pages),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_attention_that_sees_other_tokens_fails_the_check(
    mistake: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, change = MISTAKES[mistake]
    case = next(case for case in CASES if case.name == name)
    assert run_case(case, CPU, dtype, 4, 16, scattered=True).passed
    monkeypatch.setattr(attention, "attention_for", lambda device: skewed(change))
    assert not run_case(case, CPU, dtype, 4, 16, scattered=True).passed


def test_outputs_that_are_no_numbers_fail_the_check() -> None:
    outcome = attention.Outcome("any", "bfloat16", 1, 16, "scattered", 0.0, 1.0, math.nan)
    assert not outcome.passed


def test_graphs_that_were_not_used_are_not_called_equal() -> None:
    assert equality.Equality(5, graphs=True, ahead=True, plain_share=0.5).passed
    assert not equality.Equality(0, graphs=True, ahead=True, plain_share=1.0).passed
    assert not equality.Equality(5, graphs=False, ahead=True, plain_share=1.0).passed


def test_random_models_have_the_shape_and_keep_activations_finite() -> None:
    checkpoint = random_checkpoint("25m", CPU, torch.float32)
    model, shape = checkpoint.model, ALL_SHAPES["25m"]
    assert model.weight_bytes == 4 * shape.parameters
    with torch.inference_mode():
        hidden = model.weights.layers[0].feed_forward(model.embed(torch.arange(20, 40)), None)
        logits = model.logits(model.weights.norm(hidden))
    assert logits.isfinite().all()
    assert logits.std() > 0.1
