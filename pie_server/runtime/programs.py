"""Compiled components: built once per version of their sources, then loaded in milliseconds.

Owns the cache directory and what is loaded from it. Building runs in a subprocess, see
`build_process`.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

import trio

from pie_server.errors import ConfigurationError
from pie_server.runtime.build_process import ProgressCallback, run_build
from pie_server.runtime.fibers import Component, FiberEngine
from pie_server.runtime.manifest import Program
from pie_server.runtime.recipes import Recipe, recipe_of_interpreter, recipe_of_program

# Versions pile up while an author edits and runs. One has 0.1 MiB, an interpreter 40.
_LOADED: Final = 256
_FILE_LIMITER: Final = trio.CapacityLimiter(1)
_log = logging.getLogger(__name__)


class Programs:
    """Components of this server.

    Args:
        engine: Loads them.
        cache_directory: Where built components are kept between runs.
    """

    def __init__(self, engine: FiberEngine, cache_directory: Path) -> None:
        self._engine = engine
        self._cache_directory = cache_directory
        self._components: OrderedDict[str, Component] = OrderedDict()
        # Sources of interpreters belong to the installation and do not change under a server.
        self._interpreters: dict[str, Recipe] = {}
        # Nor do modules that came compiled: theirs need not be looked up again at each launch.
        self._prebuilt: dict[str, Recipe] = {}
        # One build of a component at a time; others wait for its result.
        self._building: dict[str, trio.Lock] = {}

    def interpreter(self, language: str) -> Recipe:
        """The interpreter of an interpreted language."""
        if language not in self._interpreters:
            self._interpreters[language] = recipe_of_interpreter(language)
        return self._interpreters[language]

    def recipe(self, program: Program) -> Recipe:
        """What has to be built for a program: its own component, or its language's interpreter."""
        if not program.compiled:
            return self.interpreter(program.language)
        if not program.prebuilt:
            return recipe_of_program(program)
        recipe = self._prebuilt.get(program.digest)
        # The same module may lie elsewhere by now: an upload is checked before it is stored.
        if recipe is None or recipe.directory != program.directory:
            recipe = self._prebuilt[program.digest] = recipe_of_program(program)
            while len(self._prebuilt) > _LOADED:
                del self._prebuilt[next(iter(self._prebuilt))]
        return recipe

    def loaded(self, recipe: Recipe) -> bool:
        """Whether `component` will return at once."""
        return recipe.key in self._components

    def cached_path(self, recipe: Recipe) -> Path:
        """Where the component is, or will be."""
        return self._cache_directory / f"{recipe.key}.cwasm"

    async def component(
        self, recipe: Recipe, progress: ProgressCallback | None = None
    ) -> Component:
        """The component of a recipe; built first if it never was.

        Raises:
            ConfigurationError: It cannot be built.
            InvalidRequest: The program is not one of an inferlet.
        """
        if recipe.key not in self._components:
            lock = self._building.setdefault(recipe.key, trio.Lock())
            async with lock:
                try:
                    if recipe.key not in self._components:
                        made = await self._load_or_build(recipe, progress or (lambda _: None))
                        self._components[recipe.key] = made
                        self._forget_unused()
                finally:
                    # The last one forgets it, also of a build that failed.
                    if not lock.statistics().tasks_waiting:
                        self._building.pop(recipe.key, None)
        self._components.move_to_end(recipe.key)
        return self._components[recipe.key]

    def _forget_unused(self) -> None:
        """Instances that still run keep theirs."""
        while len(self._components) > _LOADED:
            self._components.popitem(last=False)

    async def _load_or_build(self, recipe: Recipe, progress: ProgressCallback) -> Component:
        path = self.cached_path(recipe)
        if path.exists():
            try:
                os.utime(path)  # those that are used stay when old ones are pruned
                return await self._load(path)
            except (ValueError, FileNotFoundError):
                path.unlink(missing_ok=True)  # damaged: build it again
        await run_build(recipe, path, progress)
        try:
            return await self._load(path)
        except ValueError as error:
            _log.error(
                "%s was just built as %s and cannot be loaded: %s", recipe.title, path, error
            )
            raise ConfigurationError(
                f"{recipe.title} was built and cannot be loaded: {error}",
                hint="Delete the cache directory, which the server's log names, and try again.",
            ) from None

    async def _load(self, path: Path) -> Component:
        return await trio.to_thread.run_sync(self._engine.load, path, limiter=_FILE_LIMITER)
