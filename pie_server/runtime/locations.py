"""Where the files that are not Python modules of ours lie, in a checkout and in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

import inferlet
from pie_server.errors import ConfigurationError


def inferlets_directory() -> Path:
    """The directory with `library/`, `runtimes/`, `wit/` and, but for Python's, `sdk/`.

    Raises:
        ConfigurationError: The installation lacks it.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package.parent / "inferlets", package / "_inferlets"):
        if (candidate / "wit").is_dir():
            return candidate
    raise ConfigurationError(
        "The inferlets that belong to the server are not installed.",
        hint="Install from a checkout: pip install -e .",
    )


def python_sdk_directory() -> Path:
    """The directory that holds the Python SDK's package `inferlet`."""
    return Path(inferlet.__file__).resolve().parents[1]


def sdk_directory(language: str) -> Path:
    """The SDK's sources for "javascript", "rust" or "c" (which is C++'s too)."""
    return inferlets_directory() / "sdk" / language


def default_cache_directory() -> Path:
    """Where built components are kept: PIE_CACHE_DIR, or the user's cache directory."""
    given = os.environ.get("PIE_CACHE_DIR")
    return Path(given) if given else platformdirs.user_cache_path("trio-pie-server")
