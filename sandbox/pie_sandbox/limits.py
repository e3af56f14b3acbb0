"""The walls of one sandbox, the same for every backend as far as it can raise them."""

from __future__ import annotations

from dataclasses import dataclass

GRACE_SECONDS = 1.0
"""How much later than the guest's own deadline the host cuts an execution off."""

MAX_CODE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Bounds of one lease over its whole life.

    Attributes:
        memory_bytes: Everything in the sandbox together, without swap.
        processes: Processes and threads (Docker).
        cpus: Share of CPU cores, 1.0 is one core (Docker).
        open_files: Descriptors of a process (Docker).
        file_bytes: Size of one file (Docker).
        disk_bytes: Writable space, in memory and counted in `memory_bytes` (Docker).
        disk_inodes: Files and directories in the writable space (Docker).
    """

    memory_bytes: int = 256 << 20
    processes: int = 64
    cpus: float = 1.0
    open_files: int = 512
    file_bytes: int = 32 << 20
    disk_bytes: int = 64 << 20
    disk_inodes: int = 4096

    @property
    def interpreter_bytes(self) -> int:
        """Private memory of one process: below the total, so that Python sees MemoryError first."""
        return self.memory_bytes * 3 // 4
