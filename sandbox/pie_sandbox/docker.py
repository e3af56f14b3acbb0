"""The Docker backend: one hardened, never re-used container per lease.

Code reaches a container only as data on the stdin of its supervisor (`guest/supervisor.py`);
the engine's socket is never visible inside. The walls are listed in `container.py`.
"""

from __future__ import annotations

import itertools
import logging
import random
import secrets

import trio

from pie_sandbox.attach import AttachedStream, open_attach
from pie_sandbox.container import LABEL, container_specification, is_orphan, new_owner
from pie_sandbox.engine_api import Engine
from pie_sandbox.guest.frames import pack
from pie_sandbox.image import ensure_image, image_tag
from pie_sandbox.limits import GRACE_SECONDS, SandboxLimits
from pie_sandbox.messages import Done, SupervisorMessage, execute_request, parse_message
from pie_sandbox.sandbox import ExecutionLimits, ExecutionResult, OnOutput, Progress
from pie_sandbox.worker import Worker
from pie_server.errors import SandboxError, SandboxLost, SandboxUnavailable

BACKEND = "docker"
START_SECONDS = 30.0
PING_SECONDS = 0.5
REMOVE_SECONDS = 15.0
FIRST_UID, LAST_UID = 2_000_000, 60_000_000

logger = logging.getLogger(__name__)


class DockerBackend:
    """Starts and removes containers on one engine."""

    def __init__(self, engine: Engine, limits: SandboxLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._owner = new_owner()
        self._names: set[str] = set()
        # Containers of one uid share kernel limits; two servers of a machine must not meet.
        self._uids = itertools.count(random.randrange(FIRST_UID, LAST_UID))

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return BACKEND

    async def prepare(self, progress: Progress) -> None:
        """Build the image unless the engine has it."""
        await self._engine.probe()
        await ensure_image(self._engine, progress)

    async def start(self) -> Worker:
        """Create, attach to and start a container, and wait for its supervisor."""
        name = f"pie-sandbox-{secrets.token_hex(6)}"
        self._names.add(name)
        specification = container_specification(
            image_tag(), next(self._uids), self._limits, {LABEL: self._owner}
        )
        stream: AttachedStream | None = None
        try:
            with trio.fail_after(START_SECONDS):
                await self._engine.create(name, specification)
                stream = await open_attach(self._engine.socket_path, name)
                await self._engine.start(name)
                await stream.receive()
        except BaseException as error:
            if stream is not None:
                stream.close()
            await self._remove(name)
            if isinstance(error, trio.TooSlowError | SandboxLost):
                complaint = stream.complaint.decode(errors="replace") if stream else ""
                raise SandboxUnavailable(f"a container did not start. {complaint}") from error
            raise
        return Container(name, stream)

    async def discard(self, worker: Worker) -> None:
        """Remove a container, killing what is in it."""
        worker.close()
        await self._remove(worker.name)

    async def remove_orphans(self) -> int:
        """Remove containers whose server has ended, and own ones that nobody knows."""
        orphans = [
            row.name
            for row in await self._engine.containers(LABEL)
            if row.name not in self._names
            and (row.labels[LABEL] == self._owner or is_orphan(row.labels[LABEL], row.running))
        ]
        for name in orphans:
            await self._remove(name)
        return len(orphans)

    async def _remove(self, name: str) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(REMOVE_SECONDS):
            try:
                await self._engine.remove(name)
            except SandboxError as error:
                logger.warning("%s was not removed, the janitor tries again: %s", name, error)
        self._names.discard(name)


class Container:
    """A started container; speaks to its supervisor."""

    def __init__(self, name: str, stream: AttachedStream) -> None:
        self._name = name
        self._stream = stream
        self._closed = False
        self._number = 0

    @property
    def name(self) -> str:
        """The container's name in the engine."""
        return self._name

    @property
    def closed(self) -> bool:
        """See `Worker.closed`."""
        return self._closed

    def close(self) -> None:
        """Close the attach connection: the supervisor's stdin ends, and it exits with all else."""
        self._closed = True
        self._stream.close()

    async def is_alive(self) -> bool:
        """Ping the supervisor."""
        self._number += 1
        with trio.move_on_after(PING_SECONDS):
            try:
                await self._stream.send(pack({"ping": self._number}))
                return parse_message(await self._stream.receive()).pong == self._number
            except SandboxLost:
                pass
        return False

    async def execute(
        self, code: str, limits: ExecutionLimits, on_output: OnOutput
    ) -> ExecutionResult:
        """See `Worker.execute`."""
        self._number += 1
        stdout: list[str] = []
        stderr: list[str] = []
        request = execute_request(self._number, code, limits.seconds, limits.output_bytes)
        try:
            with trio.move_on_after(limits.seconds + GRACE_SECONDS) as scope:
                sent = False
                await self._stream.send(request)
                sent = True
                done = await self._collect(stdout, stderr, on_output)
        except trio.Cancelled:
            await self._cancel(sent)
            raise
        except BaseException:
            self.close()  # the supervisor is gone or forged, or `on_output` failed mid-stream
            raise
        if scope.cancelled_caught:
            self.close()
            done = overdue(limits.seconds)
        return ExecutionResult(
            stdout="".join(stdout),
            stderr="".join(stderr),
            value=done.value,
            ok=done.ok,
            exception=done.exception,
            seconds=done.seconds,
            truncated=done.truncated,
            limit=None if done.limit == "cancelled" else done.limit,
            backend=BACKEND,
            traceback=done.traceback,
            state_lost=done.state_lost,
        )

    async def _collect(self, stdout: list[str], stderr: list[str], on_output: OnOutput) -> Done:
        while True:
            message = await self._receive_own()
            if message.done is not None:
                return message.done
            if message.stderr:
                stderr.append(message.stderr)
            if message.stdout:
                stdout.append(message.stdout)
                on_output(message.stdout)

    async def _receive_own(self) -> SupervisorMessage:
        message = parse_message(await self._stream.receive())
        if message.id != self._number:
            raise SandboxLost(f"the sandbox answered call {message.id} instead of {self._number}")
        return message

    async def _cancel(self, sent: bool) -> None:
        """Have the supervisor kill the program; without its word for it, end the container."""
        with trio.CancelScope(shield=True), trio.move_on_after(GRACE_SECONDS):
            try:
                if sent:  # else half a frame may be on its way, and nothing can follow it
                    await self._stream.send(pack({"cancel": self._number}))
                    while (await self._receive_own()).done is None:
                        pass
                    return
            except SandboxLost:
                pass
        self.close()


def overdue(seconds: float) -> Done:
    """The result of code whose own supervisor did not stop it in time."""
    return Done(
        ok=False,
        value=None,
        exception=f"TimeoutError: the code was stopped after {seconds:g} s",
        traceback=None,
        limit="time",
        state_lost=True,
        truncated=False,
        seconds=seconds + GRACE_SECONDS,
    )
