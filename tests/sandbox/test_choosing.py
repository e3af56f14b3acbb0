"""Which backend runs, and what is said when none can."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from pie_sandbox import SandboxSettings, choose_backend, describe_backends, open_pool
from pie_sandbox.image import image_tag
from pie_sandbox.wasm_build import artefact_name
from pie_server.errors import ConfigurationError, SandboxUnavailable


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.mark.usefixtures("no_engine")
async def test_without_an_engine_auto_takes_wasm_and_docker_is_refused(tmp_path: Path) -> None:
    chosen = await choose_backend(SandboxSettings("auto", tmp_path))
    assert chosen is not None
    assert chosen.name == "wasm"
    with pytest.raises(SandboxUnavailable, match=r"none\.sock does not exist.*apt-get install"):
        await choose_backend(SandboxSettings("docker", tmp_path))


async def test_an_engine_that_never_answers_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nursery: trio.Nursery
) -> None:
    path = tmp_path / "silent.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen(5)
        with trio.fail_after(10):
            chosen = await choose_backend(SandboxSettings("auto", tmp_path))
    assert chosen is not None
    assert chosen.name == "wasm"


async def test_an_engine_over_tcp_is_refused_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(SandboxUnavailable, match="Unset DOCKER_HOST"):
        await choose_backend(SandboxSettings("docker", tmp_path))


async def test_off_means_that_no_code_runs(tmp_path: Path, nursery: trio.Nursery) -> None:
    pool = await open_pool(SandboxSettings("off", tmp_path))
    await nursery.start(pool.run)
    with pytest.raises(SandboxUnavailable, match="switched off"):
        await pool.lease("x")
    assert pool.statistics().backend == pool.backend == "off"


def test_an_unknown_backend_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="auto, docker, wasm, off"):
        SandboxSettings("podman", tmp_path)


@pytest.mark.usefixtures("no_engine")
async def test_reports_say_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    docker, wasm = await describe_backends(SandboxSettings("auto", tmp_path))
    assert (docker.name, docker.available) == ("docker", False)
    assert "apt-get install docker.io" in docker.hint
    assert (wasm.name, wasm.prepared) == ("wasm", False)


@pytest.mark.usefixtures("no_engine")
async def test_a_damaged_artefact_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / artefact_name()).write_bytes(b"not a component")
    backend = await choose_backend(SandboxSettings("auto", tmp_path))
    assert backend is not None
    with pytest.raises(SandboxUnavailable, match=r"(?s)does not start.*Delete"):
        await backend.start()


async def test_what_cannot_be_built_is_said_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    from pie_sandbox import image

    with pytest.raises(SandboxUnavailable, match="apt-get install mmdebstrap"):
        await image._bootstrap(tmp_path, tmp_path / "rootfs.tar")


def test_names_of_built_things_follow_their_content() -> None:
    assert image_tag() == image_tag()
    assert image_tag().startswith("pie-sandbox:")
    assert artefact_name().endswith(".cwasm")
