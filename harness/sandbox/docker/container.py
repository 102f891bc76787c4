"""One phase in a container: its end by the engine's clock, its artifact, its removal."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError
from harness.evidence.phase import IsolationFact
from harness.evidence.results import ArtifactFacts
from harness.sandbox.docker import freezing, memory
from harness.sandbox.docker.archive import Archive
from harness.sandbox.docker.engine import Engine, nanoseconds_of
from harness.sandbox.logs import LogCapture
from harness.sandbox.phase import KILLED_EXIT_CODE, Ending, WatchedPhase
from harness.sandbox.protocol import Job, require_plain_path

_CLEANUP_SECONDS = 60.0
_AGAIN_SECONDS = 0.05
_KILL_SECONDS = 30.0
_WAIT_SLACK_SECONDS = 120.0


@dataclass(frozen=True)
class Names:
    """What one phase has at the engine; names are ours, so they are known before creation."""

    container: str
    helper: str | None
    keeper: str | None
    volume: str | None
    copies: tuple[str, ...]


def remove_all(engine: Engine, names: Names) -> None:
    """Remove the containers, then the volumes; what is gone already is fine.

    A container that somebody removes already is waited for: until it is gone its volumes are in
    use. Somebody may be we ourselves, interrupted before the engine had answered.

    Raises:
        InfrastructureError: the engine did not do so; the next start reaps what is left.
    """
    with engine.connection(_CLEANUP_SECONDS) as client:
        removals = [
            partial(client.remove_container, name, force=True, v=True)
            for name in (names.container, names.helper, names.keeper)
            if name is not None
        ]
        removals += [
            partial(client.remove_volume, name)
            for name in (names.volume, *names.copies)
            if name is not None
        ]
        deadline = time.monotonic() + _CLEANUP_SECONDS
        for remove in removals:
            _removed(remove, deadline)


def _removed(remove: Callable[[], None], deadline: float) -> None:
    """Have the engine remove something that may be gone, or on its way out until a deadline."""
    import docker.errors

    while True:
        try:
            return remove()
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            if error.status_code != HTTPStatus.CONFLICT or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_SECONDS)


class ContainerPhase(WatchedPhase):
    """A phase that runs in a container, held by the container's id."""

    def __init__(
        self,
        job: Job,
        log: LogCapture,
        *,
        engine: Engine,
        container_id: str,
        names: Names,
        called_at: float,
        returned_at: float,
        overhead_seconds: float,
        memory_kills_before: int | None = None,
        reads: Iterable[int] = (),
    ) -> None:
        super().__init__(
            job,
            log,
            called_at=called_at,
            returned_at=returned_at,
            overhead_seconds=overhead_seconds,
            reads=reads,
        )
        self._engine = engine
        self.container_id = container_id
        self._names = names
        self._memory_kills_before = memory_kills_before
        self.read_back: tuple[IsolationFact, ...] = ()
        self.process = 0
        self._kills = 0
        self._held = False

    @property
    def volume_name(self) -> str | None:
        """The engine's name of the output volume; None in the score phase."""
        return self._names.volume

    def owns(self, process: int) -> bool:
        """Whether the process's control groups are the container's; one that is gone may be."""
        try:
            return self.container_id in Path(f"/proc/{process}/cgroup").read_text()
        except OSError:
            return True

    def is_seen_to_run(self) -> bool:
        """Whether ``process``, the engine's number of its first one, is the container's."""
        if not self.process:
            return False
        try:
            return self.container_id in Path(f"/proc/{self.process}/cgroup").read_text()
        except OSError:
            return False

    def await_end(self) -> None:
        """Block in the engine's own wait call; a connection that breaks means a lost engine."""
        limit = self.job.wallclock_seconds + _WAIT_SLACK_SECONDS
        with self._engine.connection(limit) as client:
            client.wait(self.container_id, timeout=limit)

    def kill(self) -> bool:
        """SIGKILL to the container's first process, and so to all of its process namespace."""
        import docker.errors

        with self._engine.connection(_KILL_SECONDS) as client:
            self._kills += 1  # ours, even where the engine cannot say that it was done
            try:
                client.kill(self.container_id, signal="SIGKILL")
            except docker.errors.APIError as error:
                if error.status_code in (404, 409):  # it has ended by itself
                    self._kills -= 1
                    return False
                raise
            return True

    def isolation(self) -> tuple[IsolationFact, ...]:
        """What was read back right after the start."""
        return self.read_back

    def ending(self) -> Ending:
        """The engine's own record of the end.

        Raises:
            InfrastructureError: the engine is gone, or someone else killed the container.
        """
        with self._engine.connection() as client:
            state: dict[str, Any] = client.inspect_container(self.container_id)["State"]
            if state.get("Running"):
                raise InfrastructureError(
                    "the Docker engine reported an end, but the container still runs",
                    remedy="see the engine's own log, then --resume",
                )
            started = nanoseconds_of(state["StartedAt"])
            finished = nanoseconds_of(state["FinishedAt"])
            if self._kills == 0 and self._killed_by_others(client, started):
                raise InfrastructureError(
                    f"the {self.job.label} container was killed from outside (docker stop, "
                    "docker kill, or an engine that is shutting down)",
                    remedy="leave the engine and its containers alone meanwhile; then --resume",
                )
            exit_code = int(state["ExitCode"])
            oom_killed = bool(state.get("OOMKilled"))
            killed = exit_code == KILLED_EXIT_CODE and self._kills == 0
            if killed:
                oom_killed = memory.is_flagged(
                    lambda: bool(client.inspect_container(self.container_id)["State"]["OOMKilled"])
                )
        detail, limit = "", f"the memory limit of {self.job.limits.memory_bytes:,} bytes"
        if oom_killed:
            which = "it" if exit_code == KILLED_EXIT_CODE else "one of its processes"
            detail = f"{which} was killed for exceeding {limit} (exit code {exit_code})"
        elif killed and memory.killed_since(self._memory_kills_before):
            detail = (
                f"it was killed while the kernel killed for memory: for exceeding {limit}, "
                f"or because this machine had none left (exit code {exit_code})"
            )
        return Ending(
            started_nanoseconds=started,
            finished_nanoseconds=finished,
            exit_code=exit_code,
            oom_killed=oom_killed,
            detail=detail,
        )

    def _killed_by_others(self, client: Any, since_nanoseconds: int) -> bool:
        # The exit code cannot tell: a submission may exit with 137 or 143 by itself.
        events = client.events(
            since=since_nanoseconds // 1_000_000_000,
            until=f"{time.time():.9f}",
            filters={"container": self.container_id, "event": "kill"},
            decode=True,
        )
        return any(True for _ in events)

    def hold(self) -> bool:
        """Have the engine freeze the container's control group."""
        if self._names.keeper is None:
            raise RuntimeError("this phase has no output directory")
        self._held = True  # also where the engine cannot say that it was done
        with self._engine.connection(freezing.CALL_SECONDS) as client:
            self._held = freezing.freeze(client, self.container_id, control=self._names.keeper)
        return self._held

    def release(self) -> None:
        """Have the engine thaw it."""
        with self._engine.connection(freezing.CALL_SECONDS) as client:
            freezing.thaw(client, self.container_id)
        self._held = False

    def seal_now(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """Remove the container, then take the file from the keeper by the archive API."""
        require_plain_path(name)
        import docker.errors

        with (
            self._engine.connection(_CLEANUP_SECONDS) as client,
            contextlib.suppress(docker.errors.NotFound),  # gone since an earlier file was sealed
        ):
            client.remove_container(self.container_id, force=True, v=True)
        return super().seal_now(name, destination, limit_bytes=limit_bytes)

    def opened(
        self, name: str, *, limit_bytes: int
    ) -> contextlib.AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """From the keeper, while nothing of the phase runs."""
        if self._names.keeper is None:
            raise RuntimeError("this phase has no output directory")
        return Archive(self._engine, self._names.keeper, name).opened(limit_bytes=limit_bytes)

    def remove(self) -> None:
        """Remove containers and volumes; what is held still dies when it goes on."""
        if self._held:
            with (
                contextlib.suppress(InfrastructureError),
                self._engine.connection(_CLEANUP_SECONDS) as client,
            ):
                freezing.let_die(client, self.container_id)
        remove_all(self._engine, self._names)
