"""Building and caching the interpreter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trio

from pie_server.errors import ConfigurationError
from pie_server.runtime import (
    BuildProgress,
    Runtime,
    build,
    build_process,
    programs,
    python_interpreter,
    recipes,
)
from pie_server.runtime.fibers import FiberEngine
from pie_server.runtime.programs import Programs
from pie_server.runtime.recipes import Recipe

SOME = Recipe("python", "python-0", "the Python interpreter")


@pytest.fixture
def cached(built_runtime: Runtime, tmp_path: Path) -> Path:
    """A cache directory that holds the built interpreter."""
    loaded = built_runtime._programs
    path = loaded.cached_path(loaded.interpreter("python"))
    shutil.copy(path, tmp_path / path.name)
    return tmp_path


async def test_cached_interpreter_is_loaded_without_a_build(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_build(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(programs, "run_build", no_build)
    loaded = Programs(FiberEngine(), cached)
    recipe = loaded.interpreter("python")
    assert not loaded.loaded(recipe)
    with trio.fail_after(30):
        first = await loaded.component(recipe)
        assert await loaded.component(recipe) is first
    assert loaded.loaded(recipe)


async def test_damaged_cache_is_built_again(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Programs(FiberEngine(), cached)
    recipe = loaded.interpreter("python")
    good = loaded.cached_path(recipe).read_bytes()
    loaded.cached_path(recipe).write_bytes(b"damaged")

    async def fake_build(recipe: Recipe, target: Path, progress: object) -> None:
        await trio.Path(target).write_bytes(good)

    monkeypatch.setattr(programs, "run_build", fake_build)
    with trio.fail_after(30):
        await loaded.component(recipe)
    assert loaded.loaded(recipe)


@pytest.mark.parametrize(
    ("language", "changed"),
    [
        ("python", "runtimes/python/app.py"),
        ("javascript", "runtimes/javascript/runtime.c"),
        ("javascript", "sdk/javascript/loop.js"),
    ],
)
def test_key_changes_with_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, changed: str
) -> None:
    before = recipes.recipe_of_interpreter(language).key
    sources = recipes.inferlets_directory()
    for name in ("runtimes", "wit", "sdk"):
        shutil.copytree(sources / name, tmp_path / name)
    monkeypatch.setattr(recipes, "inferlets_directory", lambda: tmp_path)
    monkeypatch.setattr(recipes, "sdk_directory", lambda name: tmp_path / "sdk" / name)
    assert recipes.recipe_of_interpreter(language).key == before
    with (tmp_path / changed).open("a") as file:
        file.write("# changed\n")
    assert recipes.recipe_of_interpreter(language).key != before


async def test_build_reports_its_progress_and_its_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subprocess is real; only what it runs is replaced."""
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\n"
        'echo \'{"step": "component"}\'\necho \'{"step": "machine_code"}\'\necho noise\n'
        'echo \'{"failed": "no disk", "hint": "buy one"}\'\nexit 1\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(build_process.sys, "executable", str(script))
    seen: list[BuildProgress] = []
    with trio.fail_after(30), pytest.raises(ConfigurationError, match="no disk") as caught:
        await Programs(FiberEngine(), tmp_path).component(SOME, seen.append)
    assert caught.value.hint == "buy one"
    assert seen
    assert all(0.0 <= progress.fraction <= 1.0 for progress in seen)


async def test_build_that_aborts_shows_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'thread panicked' >&2\nkill -ABRT $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(build_process.sys, "executable", str(script))
    loading = Programs(FiberEngine(), tmp_path)
    with (
        trio.fail_after(30),
        pytest.raises(ConfigurationError, match="status -6: thread panicked") as caught,
    ):
        await loading.component(SOME)
    # The operator learns the command, clients learn no paths.
    assert str(tmp_path) not in str(caught.value)
    assert f"{script} -m pie_server.runtime.build" in caplog.text
    assert loading._building == {}


async def test_cancelled_build_kills_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\necho \'{"step": "component"}\'\nexec sleep 600\n')
    script.chmod(0o755)
    monkeypatch.setattr(build_process.sys, "executable", str(script))
    started = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            loading = Programs(FiberEngine(), tmp_path)
            nursery.start_soon(loading.component, SOME, lambda _: started.set())
            await started.wait()
            nursery.cancel_scope.cancel()


def test_missing_componentize_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_interpreter.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigurationError, match="componentize-py is needed once") as caught:
        build.build("python", tmp_path / "python.cwasm")
    assert "pip install" in caught.value.hint
