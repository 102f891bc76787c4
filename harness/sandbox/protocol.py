"""What a sandbox is to the main job: start one phase, wait for its end, seal what it left.

The backends are in :mod:`harness.sandbox.registry`. All charge the same clock and kill at the same
limit, so that a verdict differs in its isolation check alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

from harness.contest.track import Limits
from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import ArtifactFacts


class ArtifactError(SubmissionError):
    """The train phase left no artifact that can be sealed; the message says why."""


class NeverStartedError(InfrastructureError):
    """A phase failed to start, and none of its code was run, as the engine knows for sure."""


@dataclass(frozen=True)
class Mount:
    """A file or directory of ours that the sandbox may read, never write.

    ``source`` is absolute, on this machine; ``target`` is where a sandbox with a file system
    of its own shows it.
    """

    source: Path
    target: PurePosixPath

    def __post_init__(self) -> None:
        if not self.source.is_absolute():
            raise ValueError(f"{self.source}: a mount's source must be absolute")


@dataclass(frozen=True)
class Job:
    """One phase to run.

    ``command`` and the values of ``environment`` hold paths as :meth:`Sandbox.inside` gives
    them. ``code`` is mounted as the working directory. The phase is killed, with every
    process it started, ``wallclock_seconds`` after its start. ``accelerators`` are GPU UUIDs.
    ``label`` is its name in messages; ``output``: it gets a directory to leave files in.
    ``start_variable`` names a variable that gets the Unix seconds at which the budget began;
    never later than the start itself.
    ``log`` gets at most ``limits.log_bytes`` of the phase's output, each line stamped by us.
    ``starting`` is called once, when all is ready and just before its code can run: what it
    writes is there whatever happens afterwards, and what it raises keeps the phase from starting.
    """

    label: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    code: Mount
    mounts: tuple[Mount, ...]
    limits: Limits
    wallclock_seconds: float
    log: Path
    accelerators: tuple[str, ...] = field(default=())
    start_variable: str = ""
    output: bool = False
    starting: Callable[[], None] = lambda: None


class Running(Protocol):
    """A phase that has been started; leaving the context removes every trace of it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start, on our monotonic clock; stands still after the end."""
        ...

    @property
    def last_line(self) -> str:
        """The last line of the phase's output, as plain printable text."""
        ...

    def owns(self, process: int) -> bool:
        """Whether a process, by its number on this machine, belongs to this phase."""
        ...

    def wait(self, timeout_seconds: float) -> PhaseFacts | None:
        """The facts when the phase has ended within the timeout, else None.

        Raises:
            InfrastructureError: the engine was lost.
        """
        ...

    def stop(self) -> PhaseFacts:
        """End the phase now, because its work is done; facts as by :meth:`wait`."""
        ...

    def seal(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """Copy one regular file out of the output directory, hashing it on the way.

        Only after the end. Follows no link and reads at most ``limit_bytes``.

        Raises:
            ArtifactError: absent, empty, not a regular file, or larger than ``limit_bytes``.
            InfrastructureError: the engine or our disk failed.
        """
        ...


class Sandbox(Protocol):
    """Starts phases. Creating one does nothing; :meth:`prepare` may take minutes."""

    def prepare(self) -> SandboxFacts:
        """Make ready (image, engine), remove orphans of dead harnesses, and say what this is.

        Raises:
            InfrastructureError: what is missing, and the command that fixes it.
        """
        ...

    def inside(self, mount: Mount) -> str:
        """The path under which sandboxed code finds this mount."""
        ...

    @property
    def output(self) -> str:
        """The path under which sandboxed code finds its output directory, where a job has one."""
        ...

    @property
    def worker_command(self) -> tuple[str, ...]:
        """The command that starts our scoring worker inside the sandbox."""
        ...

    def start(self, job: Job) -> Running:
        """Start a phase; its clock runs from here.

        Raises:
            NeverStartedError: it could not be started, and nothing of it was run.
            InfrastructureError: it could not be started for a reason of ours.
            SubmissionError: its command does not exist.
        """
        ...
