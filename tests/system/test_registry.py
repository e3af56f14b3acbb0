"""The store of inferlets through a whole server: upload, aliases, canary, rollback, restart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
import pytest
import trio

from pie_server.client import open_client
from pie_server.errors import (
    ConnectionLost,
    InvalidArguments,
    InvalidInferlet,
    InvalidRequest,
    UnknownInferlet,
    VersionExists,
)
from pie_server.registry_client import RegistryClient

if TYPE_CHECKING:
    from conftest import LiveServer, OpenServer

MANIFEST = """
[inferlet]
name = "{name}"
version = "{version}"
description = "For tests."
needs = []

[parameters]
type = "object"
additionalProperties = false
[parameters.properties.{parameter}]
type = "integer"
default = 7
"""
# Tells its version, waits for its client, tells it again.
SOURCE = """
from inferlet import session

async def main(input):
    session.send("{version}")
    if input.get("wait"):
        await session.receive()
    return ["{version}", input]
"""


def files(version: str, name: str = "mine", parameter: str = "wait") -> dict[str, bytes]:
    manifest = MANIFEST.format(name=name, version=version, parameter=parameter)
    return {
        "inferlet.toml": manifest.encode(),
        "main.py": SOURCE.format(version=version).encode(),
    }


async def launched(server: LiveServer, reference: str, **arguments: Any) -> Any:
    async with open_client(server.url) as client:
        return await (await client.launch(reference, {"wait": 0, **arguments})).result()


async def test_versions_are_uploaded_chosen_and_rolled_back(open_server: OpenServer) -> None:
    async with open_server() as server:
        registry = RegistryClient(server.url)
        for version in ("1.0.0", "1.1.0", "2.0.0-rc.1"):
            assert (await registry.push(files(version)))["created"] is True
        assert (await registry.push(files("1.0.0")))["created"] is False
        assert await launched(server, "mine") == ["1.1.0", {"wait": 0}]
        assert (await launched(server, "mine@2.0.0-rc.1"))[0] == "2.0.0-rc.1"
        await registry.set_alias("mine", "stable", "1.0.0")
        assert (await launched(server, "mine"))[0] == "1.0.0"
        await registry.set_alias("mine", "stable", "2.0.0-rc.1")
        described = await registry.roll_back("mine", "stable")
        assert (await launched(server, "mine@stable"))[0] == "1.0.0"
        assert described["aliases"]["stable"]["version"] == "1.0.0"
        assert described["aliases"]["latest"]["version"] == "1.1.0"
        assert [v["version"] for v in described["versions"]] == ["2.0.0-rc.1", "1.1.0", "1.0.0"]
        listed = {program["name"]: program["version"] for program in await registry.list()}
        assert (listed["mine"], "react" in listed) == ("1.0.0", True)


async def test_canary_gets_its_share_of_the_sessions(open_server: OpenServer) -> None:
    async with open_server() as server:
        registry = RegistryClient(server.url)
        for version in ("1.0.0", "2.0.0"):
            await registry.push(files(version))
        await registry.set_alias("mine", "stable", "1.0.0")
        await registry.set_canary("mine", "stable", "2.0.0", 0.5)
        async with open_client(server.url) as client:
            handles = [await client.launch("mine", {"wait": 0}) for _ in range(40)]
            ran, told = [], []
            for handle in handles:
                done: Any = [event.data async for event in handle.events()][-1]
                ran.append(done["result"][0])
                told.append(done["usage"]["version"])
        assert told == ran
        # With a fair coin, one side alone comes once in 2**39 runs.
        assert set(ran) == {"1.0.0", "2.0.0"}
        chosen = [server.server.registry.get("mine", handle.session).version for handle in handles]
        assert ran == chosen
        await registry.set_canary("mine", "stable", "2.0.0", 0)
        assert {(await launched(server, "mine"))[0] for _ in range(5)} == {"1.0.0"}


async def test_running_instance_stays_on_its_version_and_a_restart_keeps_the_store(
    open_server: OpenServer, tmp_path: Path
) -> None:
    async with open_server() as server:
        registry = RegistryClient(server.url)
        await registry.push(files("1.0.0"))
        async with open_client(server.url) as client:
            running = await client.launch("mine", {"wait": 1})
            with trio.fail_after(30):
                while (await running.next_event()).kind != "text":
                    pass
            await registry.push(files("2.0.0"))
            await registry.set_alias("mine", "stable", "2.0.0")
            await running.send("go")
            assert (await running.result())[0] == "1.0.0"  # type: ignore[index]
        assert (await launched(server, "mine"))[0] == "2.0.0"
    for left in (tmp_path / "inferlets").iterdir():
        (left / "main.py").unlink()
        (left / "inferlet.toml").unlink()
        left.rmdir()
    async with open_server() as server:
        assert (await launched(server, "mine"))[0] == "2.0.0"
        assert (await launched(server, "mine@1.0.0"))[0] == "1.0.0"


async def test_arguments_of_a_canary_are_checked_by_the_version_that_runs(
    open_server: OpenServer,
) -> None:
    async with open_server() as server:
        registry = RegistryClient(server.url)
        await registry.push(files("1.0.0", parameter="old"))
        await registry.push(files("2.0.0", parameter="new"))
        await registry.set_alias("mine", "stable", "1.0.0")
        async with open_client(server.url) as client:
            with pytest.raises(InvalidArguments, match="'new' was unexpected"):
                await client.launch("mine", {"new": 1})
            await registry.set_canary("mine", "stable", "2.0.0", 1.0)
            with pytest.raises(InvalidArguments, match="'both' was unexpected"):
                await client.launch("mine", {"both": 1})
            assert await (await client.launch("mine", {"new": 1})).result() == ["2.0.0", {"new": 1}]
            with pytest.raises(InvalidArguments, match="'old' was unexpected"):
                await (await client.launch("mine", {"old": 1})).result()


async def test_refusals_are_the_same_typed_errors_at_the_client(open_server: OpenServer) -> None:
    async with open_server() as server:
        registry = RegistryClient(server.url)
        await registry.push(files("1.0.0"))
        changed = files("1.0.0") | {"main.py": b"async def main(input): ...\n"}
        with pytest.raises(VersionExists, match=r"mine@1\.0\.0 exists"):
            await registry.push(changed)
        with pytest.raises(InvalidInferlet, match="line 1") as caught:
            await registry.push(files("1.0.1") | {"main.py": b"def main(:\n"})
        assert caught.value.details["source"] == "def main(:"
        with pytest.raises(InvalidInferlet, match="of its own"):
            await registry.push(files("1.0.0", name="react"))
        for name, alias, version in (
            ("none", "stable", "1.0.0"),
            ("react", "stable", "1.0.0"),
            ("mine", "stable", "9.0.0"),
        ):
            with pytest.raises(UnknownInferlet):
                await registry.set_alias(name, alias, version)
        with pytest.raises(InvalidRequest, match="latest"):
            await registry.set_alias("mine", "latest", "1.0.0")
        with pytest.raises(InvalidRequest, match="nothing to go back to"):
            await registry.roll_back("mine", "stable")
        with pytest.raises(UnknownInferlet):
            await registry.describe("none")
        with pytest.raises(InvalidRequest, match="There is no"):
            await registry.describe("../../etc")
        async with open_client(server.url) as client:
            with pytest.raises(UnknownInferlet, match=r"no version '3\.0\.0'"):
                await client.launch("mine@3.0.0")


async def send(server: LiveServer, method: str, path: str, body: bytes, **headers: str) -> Any:
    """One raw request: the status and the error's code."""
    connection = h11.Connection(h11.CLIENT)
    given = [("Host", f"127.0.0.1:{server.port}"), ("Content-Length", str(len(body)))]
    given += list(headers.items())
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    async with stream:
        request = h11.Request(method=method, target=path, headers=given)
        data = connection.send(request), connection.send(h11.Data(body))
        await stream.send_all(b"".join(part or b"" for part in data))
        text = b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                text += bytes(event.data)
    return status, json.loads(text)["error"]["code"]


async def test_malformed_requests_and_foreign_pages_are_refused(open_server: OpenServer) -> None:
    async with open_server() as server:
        await RegistryClient(server.url).push(files("1.0.0"))
        bodies = (
            b"", b"{", b"[]", b"{}", b'{"files": 1}', b'{"files": {"a": 1}}',
            b'{"files": {"a": {"base64": "?"}}}', b'{"files": {}, "more": 1}',
            b'{"files":' * 5000, b"\xff",
        )  # fmt: skip
        for body in bodies:
            assert await send(server, "POST", "/v1/inferlets", body) == (400, "invalid_request")
        path = "/v1/inferlets/mine/aliases/stable"
        for method, where, body in (
            ("PUT", path, b'{"version": 1}'),
            ("PUT", path, b'{"version": ""}'),
            ("PUT", f"{path}/canary", b'{"version": "1.0.0", "share": "much"}'),
        ):
            assert await send(server, method, where, body) == (400, "invalid_request")
        good = b'{"version": "1.0.0"}'
        foreign = await send(server, "PUT", path, good, Origin="https://elsewhere.example")
        assert foreign == (403, "invalid_request")
        assert server.server.registry.describe("mine")["aliases"] == {
            "latest": {"version": "1.0.0"}
        }


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pie_server", "inferlets", *arguments],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr + f"[{done.returncode}]"


async def test_the_command_line_does_the_same(open_server: OpenServer, tmp_path: Path) -> None:
    directory = tmp_path / "mine"
    directory.mkdir()
    async with open_server() as server:

        async def inferlets(*arguments: str) -> str:
            given = (*arguments, "--url", server.url)
            return await trio.to_thread.run_sync(lambda: command(*given))

        for version in ("1.0.0", "1.1.0"):
            for name, content in files(version).items():
                (directory / name).write_bytes(content)
            assert f"mine@{version} uploaded" in await inferlets("push", str(directory))
        assert "was there already" in await inferlets("push", str(directory))
        assert "stable = 1.0.0" in await inferlets("alias", "mine", "stable", "1.0.0")
        said = await inferlets("canary", "mine", "stable", "1.1.0", "5%")
        assert "stable = 1.0.0, 5.0% 1.1.0" in said
        said = await inferlets("rollback", "mine", "stable")
        assert "stable = 1.0.0\n" in said
        assert "(rolled back)" in said
        listed = await inferlets("list", "mine")
        assert "mine@1.1.0" in listed
        assert "latest = 1.1.0" in listed
        assert "react" in await inferlets("list")
        assert json.loads((await inferlets("list", "mine", "--json")).partition("[0]")[0])
        assert "nothing to go back to" in await inferlets("rollback", "mine", "stable")


async def test_server_that_is_not_there_is_said() -> None:
    with pytest.raises(ConnectionLost, match="Cannot connect"):
        await RegistryClient("http://127.0.0.1:9").list()
