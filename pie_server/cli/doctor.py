"""`pie-server doctor`: is everything here that the server needs, and how to mend what is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trio
from rich.console import Console
from rich.markup import escape

from pie_sandbox.choose import SandboxSettings, describe_backends
from pie_server.config import Config
from pie_server.errors import PieError


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes:
        good: Fine as it is.
        required: Without it the server does not start.
        hint: How to mend it.
    """

    name: str
    good: bool
    detail: str
    hint: str = ""
    required: bool = True


async def run_doctor(config: Config) -> int:
    """Prints all findings; returns 1 if something required is missing."""
    console = Console()
    findings = [*_software(), *await trio.to_thread.run_sync(_model, config)]
    findings += [_interpreter(config), *_languages(), *_places(config), _port(config)]
    findings += await _sandboxes(config)
    for finding in findings:
        mark = "[green]ok     [/green]" if finding.good else "[yellow]note   [/yellow]"
        if finding.required and not finding.good:
            mark = "[red]missing[/red]"
        console.print(
            f"{mark} {finding.name:<12} {escape(finding.detail)}", highlight=False, soft_wrap=True
        )
        if finding.hint and not finding.good:
            console.print(f"        {'':<12} → {escape(finding.hint)}", highlight=False)
    bad = [finding for finding in findings if finding.required and not finding.good]
    console.print()
    if bad:
        console.print(f"[red]{len(bad)} to mend before the server starts.[/red]")
        return 1
    console.print("[green]Everything the server needs is here.[/green]")
    return 0


def _software() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")
    import torch

    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
    yield Finding("torch", True, f"{torch.__version__} on {device}")
    found = importlib.util.find_spec("xformers") is not None
    detail = importlib.metadata.version("xformers") if found else "not installed"
    if not cuda:
        detail += "; its operators need CUDA, so attention runs on torch here"
    yield Finding("xformers", found or not cuda, detail, "pip install xformers", required=cuda)
    try:
        from pie_server.runtime.fibers import FiberEngine

        FiberEngine()
        yield Finding("wasmtime", True, importlib.metadata.version("wasmtime"))
    except PieError as error:
        yield Finding("wasmtime", False, error.message, error.hint)


def _model(config: Config) -> list[Finding]:
    from pie_server.model.loader import load_checkpoint

    findings = []
    for source in config.model.split(","):
        try:
            checkpoint = load_checkpoint(source.strip())
        except PieError as error:
            findings.append(Finding("model", False, error.message, error.hint))
            continue
        shape = checkpoint.config
        detail = (
            f"{checkpoint.name}: {shape.layers} layers of {shape.hidden_size}, "
            f"{shape.vocab_size} tokens, context {shape.max_context_tokens}"
        )
        findings.append(Finding("model", True, detail))
    return findings


def _interpreter(config: Config) -> Finding:
    from pie_server.runtime.runtime import Runtime

    built = Runtime(Path(config.cache_dir)).is_built()
    if built:
        return Finding("interpreter", True, f"built, in {config.cache_dir}")
    can = importlib.util.find_spec("componentize_py") is not None
    return Finding(
        "interpreter",
        can,
        "will be built at the first start (about a minute)" if can else "cannot be built",
        "pip install 'trio-pie-server[build]'",
    )


def _languages() -> Iterator[Finding]:
    """The compilers of inferlets that are not Python; the server runs without them."""
    from pie_server.runtime.toolchains import missing_tool

    for language, name in (("javascript", "JavaScript"), ("rust", "Rust"), ("c", "C and C++")):
        hint = missing_tool(language)
        detail = "no compiler" if hint else "can be compiled here"
        yield Finding(name, hint is None, detail, hint or "", required=False)


def _places(config: Config) -> Iterator[Finding]:
    for name, place in (("cache", config.cache_dir), ("data", config.data_dir)):
        path = Path(place)
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        good = os.access(existing, os.W_OK)
        yield Finding(
            f"{name} dir", good, str(path), f"Make it writable or set --{name}-dir to another."
        )


def _port(config: Config) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            return Finding(
                "port",
                False,
                f"{config.host}:{config.port}: {error.strerror}",
                "Stop what listens there, or choose another with --port (0 takes a free one).",
            )
    return Finding("port", True, f"{config.host}:{config.port} is free")


async def _sandboxes(config: Config) -> list[Finding]:
    settings = SandboxSettings(backend=config.sandbox, cache_dir=Path(config.cache_dir))
    reports = await describe_backends(settings)
    return [
        Finding(
            report.name,
            report.available,
            report.detail,
            report.hint,
            required=config.sandbox == report.name,
        )
        for report in reports
    ]
