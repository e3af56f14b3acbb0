"""`pie-server new`: a directory with an inferlet that runs, to begin from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pie_server.errors import ConfigurationError
from pie_server.runtime.locations import inferlets_directory

# Stands for the inferlet's name in the templates.
_PLACEHOLDER: Final = "my-inferlet"
# The parts that every language's inferlet has.
_SHARED: Final = "shared"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,99}")


def make_inferlet(language: str, directory: Path) -> list[Path]:
    """Write a new inferlet, called after its directory; the files that were written.

    Args:
        language: As in a manifest, or "c++".
        directory: Where it will lie; made if it does not exist.

    Raises:
        ConfigurationError: The name is none, or the directory is not empty.
    """
    language = {"c++": "cpp"}.get(language, language)
    name = directory.resolve().name
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an inferlet.",
            hint="Use small letters, digits and hyphens, a letter first.",
        )
    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError(
            f"{directory} exists and is not empty.", hint="Choose another name, or empty it."
        )
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(_templates(language)):
        text = source.read_text().replace(_PLACEHOLDER, name).replace("LANGUAGE", language)
        target = directory / source.name
        target.write_text(text)
        written.append(target)
    return written


def _templates(language: str) -> list[Path]:
    templates = inferlets_directory() / "templates"
    own = {path.name: path for path in (templates / language).iterdir() if path.is_file()}
    shared = {path.name: path for path in (templates / _SHARED).iterdir() if path.is_file()}
    return list({**shared, **own}.values())
