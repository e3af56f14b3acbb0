"""The command `pie-server`: parses flags, loads the configuration, runs one subcommand.

Heavy imports (torch) happen inside the subcommands, so that `--help` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

import pie_server
from pie_server.cli.inferlets import inferlets_group
from pie_server.config import Config, LoadedConfig, load_config
from pie_server.errors import PieError

_F = TypeVar("_F", bound=Callable[..., Any])
_RUNTIME_EXIT_STATUS = 1


def main() -> None:
    """Entry point; turns typed errors into one readable message and exit status 1."""
    try:
        _cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except PieError as error:
        _fail(error)
    except BaseExceptionGroup as group:
        _fail_group(group)


def _fail(error: PieError) -> None:
    click.secho(f"error: {error.message}", fg="red", err=True)
    if error.hint:
        click.secho(f"hint:  {error.hint}", err=True)
    sys.exit(_RUNTIME_EXIT_STATUS)


def _fail_group(group: BaseExceptionGroup[BaseException]) -> None:
    """Trio's nurseries wrap what ends them; a lone typed error is shown as if it came alone."""
    expected, rest = group.split(PieError)
    if rest is not None and rest.subgroup(KeyboardInterrupt) is not None:
        sys.exit(130)
    if expected is None or rest is not None:
        raise group
    error: BaseException = expected
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PieError)
    _fail(error)


def _settings(command: _F) -> _F:
    """Adds a flag for every field of `Config`, and `--config`."""
    for f in reversed(dataclasses.fields(Config)):
        choices = f.metadata["choices"]
        shown = f.default if f.default != "" else "none"
        flag = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            shown = "yes" if f.default else "no"
            flag += f"/--no-{flag[2:]}"
        command = click.option(
            flag,
            type=click.Choice(choices) if choices else type(f.default),
            default=None,
            help=f"{f.metadata['help']} [default: {shown}]",
        )(command)
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=None,
        help="TOML file with settings.",
    )(command)


def _load(config_file: Path | None, flags: dict[str, object]) -> LoadedConfig:
    loaded = load_config(flags, file=config_file)
    logging.basicConfig(
        level=loaded.config.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    return loaded


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(pie_server.__version__, prog_name="pie-server")
def _cli() -> None:
    """A programmable LLM serving system: inferlets run beside the model's KV cache.

    \b
    First steps:
      pie-server doctor                       is everything here that is needed?
      pie-server demo "What is 12 * 34?"      one agent session, start to end
      pie-server serve                        serve on http://127.0.0.1:8080
      pie-server run react -- --question "How many primes are below 50?"
      pie-server new --language python my-inferlet

    Every setting of `serve` can also come from the environment (PIE_PORT=9000) or from a TOML file
    (--config FILE); `pie-server config show` prints the result and where each value came from.
    """


@_cli.command()
@click.option(
    "--port-file",
    type=click.Path(path_type=Path),
    default=None,
    help="Write the bound port to this file once the server is ready (for --port 0).",
)
@_settings
def serve(port_file: Path | None, config_file: Path | None, **flags: object) -> None:
    """Serve inferlets over WebSocket and HTTP until SIGTERM or Ctrl-C.

    \b
    GET  /health /ready /v1/inferlets /v1/statistics
    HTTP /v1/inferlets/NAME      versions and aliases, see docs/registry.md
    WS   /v1/sessions      the session protocol, see docs/protocol.md
    """
    import trio

    from pie_server.cli.serve import run_server

    trio.run(run_server, _load(config_file, flags).config, port_file)


@_cli.command()
@click.argument("question", required=False)
@click.option("--inferlet", default="react", show_default=True, help="Which agent answers.")
@_settings
def demo(question: str | None, inferlet: str, config_file: Path | None, **flags: object) -> None:
    """Start a server on a free port, ask an agent QUESTION over its WebSocket, show everything.

    Exit status 0 only if the agent answered through its tools.
    """
    import trio

    from pie_server.cli.demo import DEFAULT_QUESTION, run_demo

    config = _load(config_file, flags).config
    sys.exit(trio.run(partial(run_demo, config, question or DEFAULT_QUESTION, inferlet)))


@_cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("inferlet")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--native", is_flag=True, help="Run it as a trio task, for a debugger (trusted code)."
)
@click.option("--url", default=None, help="Use a running server, e.g. ws://127.0.0.1:8080.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
@_settings
def run(
    inferlet: str,
    arguments: tuple[str, ...],
    native: bool,
    url: str | None,
    as_json: bool,
    config_file: Path | None,
    **flags: object,
) -> None:
    """Run INFERLET with its own arguments behind `--`.

    \b
    pie-server run text-completion -- --prompt "Hello" --max-tokens 20
    pie-server run ./my-inferlet -- --question "What is 2 + 2?"
    """
    import trio

    from pie_server.cli.run import parse_arguments, run_inferlet

    config = _load(config_file, flags).config
    given = parse_arguments(arguments)
    sys.exit(
        trio.run(
            partial(run_inferlet, config, inferlet, given, native=native, url=url, as_json=as_json)
        )
    )


@_cli.command()
@click.option(
    "--language",
    type=click.Choice(["python", "javascript", "rust", "c", "c++"]),
    default="python",
    show_default=True,
    help="What to write it in.",
)
@click.argument("directory", metavar="NAME", type=click.Path(path_type=Path))
def new(language: str, directory: Path) -> None:
    """Begin an inferlet called NAME: a directory with source, manifest, README and a test."""
    from pie_server.cli.new import make_inferlet

    for path in make_inferlet(language, directory):
        click.echo(f"wrote {directory / path.name}")
    click.echo(f'\nRun it:  pie-server run {directory} -- --prompt "Hello"')


_cli.add_command(inferlets_group)


@_cli.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="Where the component goes. [default: DIRECTORY/NAME.wasm]",
)
def build(directory: Path, output: Path | None) -> None:
    """Compile the inferlet in DIRECTORY (Rust, C or C++) to a WebAssembly component.

    `run DIRECTORY` compiles by itself; this is for handing the component to somebody else.
    """
    from pie_server.runtime.building import build_program

    built = build_program(directory)
    target = output or directory / f"{built.program.name}.wasm"
    built.write(target)
    click.echo(f"{target}: {target.stat().st_size:,} bytes")


@_cli.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def bench(context: click.Context, name: str | None, arguments: tuple[str, ...]) -> None:
    """Run benchmark NAME (without NAME: list them); `bench NAME --help` shows its flags."""
    from pie_scenarios.bench import run_benchmark

    # `bench NAME --help` belongs to the benchmark, so click's own help is off here.
    if name in ("-h", "--help"):
        click.echo(context.get_help())
        return
    sys.exit(run_benchmark(name, list(arguments)))


@_cli.command()
@_settings
def doctor(config_file: Path | None, **flags: object) -> None:
    """Check everything the server needs, and say how to mend what is missing."""
    import trio

    from pie_server.cli.doctor import run_doctor

    sys.exit(trio.run(run_doctor, _load(config_file, flags).config))


@_cli.group(name="config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command(name="show")
@click.option("--json", "as_json", is_flag=True, help="Values only, as JSON.")
@_settings
def config_show(as_json: bool, config_file: Path | None, **flags: object) -> None:
    """Print every setting and where it came from (flag, environment, file or default)."""
    loaded = _load(config_file, flags)
    values = dataclasses.asdict(loaded.config)
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    click.echo(f"# file: {loaded.file or 'none'}")
    for name, value in values.items():
        text = f"{name} = {json.dumps(value)}"
        click.echo(f"{text:<70} # {loaded.sources[name]}")
