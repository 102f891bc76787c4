"""What a sandbox is to the main job: start one phase, wait for its end, seal what it left.

The backends are in :mod:`harness.sandbox.registry`. All charge the same clock and kill at the same
limit, so that a verdict differs in its isolation check alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

from harness.contest.entry import check_file_name
from harness.contest.track import Limits
from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import EarlySealFacts, PhaseFacts
from harness.evidence.results import ArtifactFacts
from harness.safeio.text import plain


class ArtifactError(SubmissionError):
    """The train phase left no artifact that can be sealed; the message says why."""


def require_plain_path(name: str) -> None:
    """Refuse a name that is not the plain path of a file below the output directory.

    Raises:
        ArtifactError: a part of it is hidden, or holds what not every file system and every reader
            takes for the same; or it is too long.
    """
    try:
        check_file_name(name)
    except ValueError as error:
        raise ArtifactError(
            f"artifact {plain(name, 100)!r}: must be the plain name of a file in the output "
            "directory, or its path below it: letters, digits, '.', '_' and '-', parts separated "
            "by '/'"
        ) from error


class NeverStartedError(InfrastructureError):
    """A phase failed to start, and none of its code was run, as the engine knows for sure."""


@dataclass(frozen=True)
class Mount:
    """A file or directory of ours that the sandbox may read, never write.

    ``source`` is absolute, on this machine; ``target`` is where a sandbox with a file system
    of its own shows it. Such a sandbox copies it for each phase, unless it is ``shared``: because
    it is too large, or because it lives (a socket). ``sha256`` is that of a file that must still
    be what it was when it was hashed; empty for anything else.
    """

    source: Path
    target: PurePosixPath
    shared: bool = field(default=False, kw_only=True)
    sha256: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not self.source.is_absolute():
            raise ValueError(f"{self.source}: a mount's source must be absolute")


@dataclass(frozen=True)
class EarlySeal:
    """An artifact that is taken while its phase runs, because the phase goes on to other things.

    It is taken when the finished file is opened for reading, where that is seen, and again, if it
    is another file by then, ``seconds`` after the phase's start; where the phase ends before, after
    its end. ``name``
    is its path below the output directory, ``destination`` the copy, at most ``limit_bytes`` of
    it; the destination's folder exists.

    Raises:
        ArtifactError: the name is not a plain one.
    """

    name: str
    destination: Path
    seconds: float
    limit_bytes: int

    def __post_init__(self) -> None:
        require_plain_path(self.name)


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
    ``early`` has its artifact taken while it runs; only with ``output``. For that it is held still,
    and the limit moves by as much.
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
    early: EarlySeal | None = None

    def __post_init__(self) -> None:
        if self.early is not None and not self.output:
            raise ValueError(f"{self.label}: what leaves no files has no artifact to take early")


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
        """Seconds since the start, on our monotonic clock; stands still with it and at its end."""
        ...

    @property
    def last_line(self) -> str:
        """The last line of the phase's output, as plain printable text."""
        ...

    @property
    def last_lines(self) -> str:
        """The last few dozen lines of it, the same way."""
        ...

    def owns(self, process: int) -> bool:
        """Whether a process, by its number on this machine, belongs to this phase."""
        ...

    def begin_clock(self, seconds: float) -> None:
        """Its clock begins now: what came earlier is charged to nobody, and it is killed then.

        For a phase that first prepares itself; called at most once. Until then its job's own limit
        holds.
        """
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

    @property
    def early(self) -> EarlySealFacts | None:
        """The artifact that was taken early, after the end; None where the job wanted none."""
        ...

    def seal(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """Copy one regular file out of the output directory, hashing it on the way.

        Only after the end. ``name`` is its path below that directory. Follows no link, neither
        there nor on the way, and reads at most ``limit_bytes``.

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
