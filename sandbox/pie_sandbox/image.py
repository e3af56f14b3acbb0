"""The container image: how it is built from Debian packages, and how it is named.

No image registry is needed: `mmdebstrap` makes a root file system, `docker import` makes an image
of it. The tag is a hash of everything that goes in, so a changed recipe or supervisor makes a new
image, and an unchanged one is found again.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import trio

from pie_sandbox.engine_api import Engine
from pie_sandbox.sandbox import Progress
from pie_server.errors import SandboxUnavailable

REPOSITORY = "pie-sandbox"
SUITE = "bookworm"
PACKAGES = "python3"
GUEST_DIRECTORY = Path(__file__).parent / "guest"
INSTALL_ROOT = "/usr/lib/pie-sandbox"
BUILD_SECONDS = 900.0

# Run in the new root: no set-uid programs, nothing that only a package manager needs.
STRIP = (
    "find / -xdev -perm /6000 -type f -exec chmod a-s {} + ; "
    "rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/* /usr/share/man/* "
    "/usr/share/locale/* /usr/share/info/* ; "
    f"python3 -m compileall -q {INSTALL_ROOT}"
)


def image_tag() -> str:
    """Return ``pie-sandbox:<hash of the recipe and of the guest's sources>``."""
    digest = hashlib.sha256(f"{SUITE} {PACKAGES} {STRIP}".encode())
    for file in sorted(GUEST_DIRECTORY.glob("*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return f"{REPOSITORY}:{digest.hexdigest()[:16]}"


async def ensure_image(engine: Engine, progress: Progress) -> str:
    """Return the image's tag; build it when the engine does not have it (about half a minute).

    Raises:
        SandboxUnavailable: it cannot be built here; the hint says what to install.
    """
    tag = image_tag()
    if await engine.has_image(tag):
        return tag
    with tempfile.TemporaryDirectory(prefix="pie-sandbox-") as directory:
        tar = Path(directory) / "rootfs.tar"
        progress(f"sandbox image {tag}: fetching Debian {SUITE} and {PACKAGES}")
        await _bootstrap(Path(directory), tar)
        progress(f"sandbox image {tag}: importing {tar.stat().st_size >> 20} MiB")
        await engine.import_image(tar, *tag.split(":"))
    progress(f"sandbox image {tag}: ready")
    return tag


async def _bootstrap(directory: Path, tar: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise SandboxUnavailable(
            "the sandbox image cannot be built: mmdebstrap is not installed",
            hint="As root: apt-get install mmdebstrap. Or use the wasm sandbox.",
        )
    package = directory / "pie_sandbox"
    shutil.copytree(GUEST_DIRECTORY, package / "guest", ignore=shutil.ignore_patterns("__pyc*"))
    (package / "__init__.py").write_text('"""The guest half only."""\n')
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        f'--customize-hook=mkdir -p "$1{INSTALL_ROOT}"',
        f"--customize-hook=copy-in {package} {INSTALL_ROOT}",
        f"--customize-hook=chroot \"$1\" sh -c '{STRIP}'",
        SUITE,
        str(tar),
    ]
    with trio.move_on_after(BUILD_SECONDS):
        done = await trio.run_process(
            command, stdout=subprocess.DEVNULL, capture_stderr=True, check=False
        )
        if done.returncode == 0:
            return
        last = done.stderr.decode(errors="replace").strip()[-600:]
        raise SandboxUnavailable(
            f"the sandbox image cannot be built: mmdebstrap failed: {last}",
            hint="It needs a Debian mirror, and root or unprivileged user namespaces. "
            "Or use the wasm sandbox.",
        )
    raise SandboxUnavailable(
        f"the sandbox image was not built within {BUILD_SECONDS:.0f} s",
        hint="Check the connection to the Debian mirror, or use the wasm sandbox.",
    )
