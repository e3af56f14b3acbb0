"""`python -m pie_scenarios.cuda_check`: checks and measures everything that needs a CUDA device.

Needs no network and no checkpoint. The last line is `headline: key=value ...`. Exit status: 0 if
all checks passed, 1 if one failed, 2 if there is no such device.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import click
import torch
import trio

from pie_scenarios.cuda_check import attention, equality, speed
from pie_scenarios.cuda_check.models import random_checkpoint
from pie_scenarios.hardware import HardwareLimits
from pie_scenarios.throughput.workload import Point

_COUNTS = (1, 32, 256)


@dataclass(slots=True)
class Findings:
    """What has been found so far.

    Attributes:
        failures: Checks that failed, in words.
        headline: The figures of the last line.
        figures: Everything, for the JSON file.
    """

    failures: list[str] = field(default_factory=list)
    headline: dict[str, float] = field(default_factory=dict)
    figures: dict[str, object] = field(default_factory=dict)


@click.command()
@click.option("--device", "device_name", default="cuda", help="cuda, or cpu for the check alone.")
@click.option("--quick", is_flag=True, help="Attention and equality only, on small shapes.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="All figures.")
def main(device_name: str, quick: bool, json_file: Path | None) -> None:
    """Checks every attention path and graphs, and measures decode, prefill and overhead."""
    device = torch.device(device_name)
    if device.type == "cuda" and not torch.cuda.is_available():
        click.echo("There is no CUDA device here: nothing was run.", err=True)
        sys.exit(2)
    found = Findings()
    found.figures["machine"] = _machine(device)
    click.echo(json.dumps(found.figures["machine"]))
    check_attention(found, device, quick=quick)
    check_equality(found, device, quick=quick)
    if device.type == "cuda" and not quick:
        limits = measure_speed(found, device)
        found.figures["limits"] = asdict(limits)
        measure_overhead(found, device)
    found.figures |= {"failures": found.failures, "headline": found.headline}
    if json_file is not None:
        json_file.write_text(json.dumps(found.figures, indent=1))
    for failure in found.failures:
        click.echo(f"FAILED: {failure}")
    pairs = " ".join(f"{key}={value:.3f}" for key, value in found.headline.items())
    click.echo(f"headline: {pairs}")
    sys.exit(1 if found.failures else 0)


def _machine(device: torch.device) -> dict[str, object]:
    machine: dict[str, object] = {"torch": torch.__version__, "device": str(device)}
    if device.type == "cuda":
        machine["name"] = torch.cuda.get_device_name(device)
        machine["cuda"] = torch.version.cuda
    return machine


def check_attention(found: Findings, device: torch.device, *, quick: bool) -> None:
    """(a) Every path against float64."""
    sizes = (16,) if quick else (16, 64)
    started = time.perf_counter()
    outcomes = list(attention.run_cases(device, (torch.bfloat16, torch.float16), sizes))
    for outcome in outcomes:
        if not outcome.passed:
            found.failures.append(f"attention: {outcome}")
    for case in attention.CASES:
        worst = max((o for o in outcomes if o.case == case.name), key=lambda o: o.ratio)
        click.echo(
            f"attention, {case.name}: error {worst.error:.2e}, {worst.ratio:.2f} times what "
            f"{worst.dtype} explains"
        )
    found.headline["attention_error_ratio"] = max(outcome.ratio for outcome in outcomes)
    found.figures["attention"] = [asdict(outcome) for outcome in outcomes]
    click.echo(f"attention: {len(outcomes)} cases in {time.perf_counter() - started:.0f} s")


def check_equality(found: Findings, device: torch.device, *, quick: bool) -> None:
    """(b) Tokens with graphs and without, launched ahead and not."""
    on_cuda = device.type == "cuda"
    dtype = torch.bfloat16 if on_cuda else torch.float32
    checkpoint = random_checkpoint("25m" if quick else "135m", device, dtype)
    result = trio.run(equality.compare, checkpoint)
    if not result.passed:
        found.failures.append(f"equality: {result}")
    click.echo(f"equality: {result}")
    found.headline["graphs_equal"] = float(result.passed)
    found.headline["plain_share"] = result.plain_share
    found.figures["equality"] = asdict(result)


def measure_speed(found: Findings, device: torch.device) -> HardwareLimits:
    """(c) Shares of bandwidth and matrix rate."""
    limits = speed.device_limits(device, torch.bfloat16)
    results = []
    for name in ("1b", "8b"):
        checkpoint = random_checkpoint(name, device, torch.bfloat16)
        measure = partial(speed.measure, checkpoint, limits, _COUNTS, Point(256, 128, 1))
        results += trio.run(measure)
        del checkpoint, measure
        torch.cuda.empty_cache()
    limits = limits.best_with(speed.device_limits(device, torch.bfloat16))
    for result in results:
        click.echo(
            f"{result.model} x {result.contexts}, graphs {'on' if result.graphs else 'off'}: "
            f"{result.step_seconds * 1e3:.2f} ms a step, {result.tokens_per_second:.0f} tokens/s, "
            f"decode {result.decode_share:.2f} and prefill {result.prefill_share:.2f} of the limit"
        )
        if result.graphs:
            key = f"decode_limit_share_{result.model}_x{result.contexts}"
            found.headline[key] = result.decode_share
            if result.contexts == max(_COUNTS):
                found.headline[f"prefill_limit_share_{result.model}"] = result.prefill_share
    found.figures["speed"] = [asdict(result) for result in results]
    click.echo(
        f"limits: {limits.bytes_per_second / 1e12:.2f} TB/s, "
        f"{limits.matrix_flops_per_second / 1e12:.0f} TFLOP/s"
    )
    return limits


def measure_overhead(found: Findings, device: torch.device) -> None:
    """(d) Inferlets over the engine's own loop, where guests can run."""
    if importlib.util.find_spec("wasmtime") is None:
        click.echo("overhead: wasmtime is not installed, so no guests were run")
        return
    from pie_scenarios.cuda_check import overhead

    checkpoint = random_checkpoint("1b", device, torch.bfloat16)
    ratios, missing = trio.run(overhead.measure, checkpoint, (1, 32), 3)
    for note in missing:
        click.echo(f"overhead: {note}")
    found.headline |= ratios
    found.figures["overhead"] = ratios


if __name__ == "__main__":
    main()
