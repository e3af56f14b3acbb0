"""`pie-server inferlets`: the versions and aliases that a running server keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import trio

from pie_server.errors import ConfigurationError

_DEFAULT_URL: Final = "http://127.0.0.1:8080"
# What is pushed beside the manifest and the source.
_DOCUMENTS: Final = ("README.md",)


def _url(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--url", default=_DEFAULT_URL, show_default=True, help="The running server."
    )(command)


@click.group(name="inferlets")
def inferlets_group() -> None:
    """Look at and change the inferlets of a running server.

    \b
    pie-server inferlets list                      all names
    pie-server inferlets push ./my-inferlet        upload the version in its inferlet.toml
    pie-server inferlets alias my-inferlet stable 1.0.0
    pie-server inferlets canary my-inferlet stable 1.1.0 5%
    pie-server inferlets rollback my-inferlet stable
    """


@inferlets_group.command(name="list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_url
def list_inferlets(name: str | None, as_json: bool, url: str) -> None:
    """List all inferlets, or the versions and aliases of NAME."""
    from pie_server.registry_client import RegistryClient

    client = RegistryClient(url)
    if name is None:
        programs = trio.run(client.list)
        click.echo(json.dumps(programs, indent=2) if as_json else _table(programs))
        return
    _show(trio.run(client.describe, name), as_json)


@inferlets_group.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_url
def push(directory: Path, url: str) -> None:
    """Upload the inferlet in DIRECTORY; one in Rust, C or C++ is built here first."""
    from pie_server.registry_client import RegistryClient

    done = trio.run(RegistryClient(url).push, files_of(directory.resolve()))
    what = "uploaded" if done["created"] else "was there already"
    click.echo(f"{done['name']}@{done['version']} {what}  (sha256:{done['digest']})")


@inferlets_group.command()
@click.argument("name")
@click.argument("alias")
@click.argument("version")
@_url
def alias(name: str, alias: str, version: str, url: str) -> None:
    """Point ALIAS of NAME at VERSION, for all sessions from now on; ends its canary."""
    _change(url, lambda client: client.set_alias(name, alias, version))


@inferlets_group.command()
@click.argument("name")
@click.argument("alias")
@click.argument("version")
@click.argument("share")
@_url
def canary(name: str, alias: str, version: str, share: str, url: str) -> None:
    """Send SHARE (5% or 0.05) of the sessions of ALIAS to VERSION; 0 ends that."""
    part = parse_share(share)
    _change(url, lambda client: client.set_canary(name, alias, version, part))


@inferlets_group.command()
@click.argument("name")
@click.argument("alias")
@_url
def rollback(name: str, alias: str, url: str) -> None:
    """Take the newest change of ALIAS back; again, and the one before it."""
    _change(url, lambda client: client.roll_back(name, alias))


def files_of(directory: Path) -> dict[str, bytes]:
    """What is uploaded of an inferlet: manifest, README, and its source or its component.

    Raises:
        ConfigurationError: It cannot be read or built.
    """
    from pie_server.runtime.building import build_program
    from pie_server.runtime.manifest import COMPONENT, MANIFEST, Program

    program = Program.from_directory(directory)
    names = [MANIFEST, *(name for name in _DOCUMENTS if (directory / name).is_file())]
    if not program.compiled or program.prebuilt:
        names.append(program.entry)
    files = {name: (directory / name).read_bytes() for name in names}
    if program.compiled and not program.prebuilt:
        files[COMPONENT] = build_program(directory).component
    return files


def parse_share(text: str) -> float:
    """`5%` or `0.05`.

    Raises:
        click.BadParameter: It is neither.
    """
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no share; write 5% or 0.05.") from None


def _change(url: str, change: Callable[[Any], Awaitable[dict[str, Any]]]) -> None:
    from pie_server.registry_client import RegistryClient

    client = RegistryClient(url)

    async def run() -> dict[str, Any]:
        return await change(client)

    _show(trio.run(run), as_json=False)


def _table(programs: list[dict[str, Any]]) -> str:
    if not programs:
        raise ConfigurationError("the server has no inferlets.")
    width = max(len(program["name"]) for program in programs)
    rows = (
        f"{program['name']:<{width}}  {program['version']:<10} {program['language']:<11}"
        f"{program['description']}"
        for program in programs
    )
    return "\n".join(row.rstrip() for row in rows)


def _show(described: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    for version in described["versions"]:
        digest = f"sha256:{version['digest'][:12]}" if "digest" in version else "in a directory"
        when = _date(version["uploaded"]) if "uploaded" in version else ""
        click.echo(f"{described['name']}@{version['version']:<12} {digest}  {when}".rstrip())
    for name, alias in described["aliases"].items():
        canary = f", {alias['share']:.1%} {alias['canary']}" if alias.get("canary") else ""
        click.echo(f"  {name} = {alias.get('version', 'nothing')}{canary}")
        for choice in reversed(alias.get("history", ())):
            undone = " (rolled back)" if choice["undone"] else ""
            part = f", {choice['share']:.1%} {choice['canary']}" if choice["canary"] else ""
            click.echo(f"      {_date(choice['since'])}  {choice['version']}{part}{undone}")


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
