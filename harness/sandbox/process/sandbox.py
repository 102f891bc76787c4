"""The rehearsal sandbox: the same phases as child processes, without isolation.

Same clock, same limit, same seal, for machines without Docker. A submission can read and write
whatever its user can, so nothing that ran here is ever a record.
"""

import contextlib
import os
import secrets
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import IsolationFact
from harness.evidence.results import ArtifactFacts
from harness.package import PACKAGE
from harness.safeio import ownership
from harness.safeio.files import CHUNK_BYTES, disk_errors
from harness.safeio.reading import NotRegularError, open_inside
from harness.safeio.text import plain
from harness.sandbox import limits
from harness.sandbox.logs import LogCapture
from harness.sandbox.phase import Ending, WatchedPhase
from harness.sandbox.process import orphans
from harness.sandbox.protocol import Job, Mount
from harness.sandbox.sealing import (
    absent,
    copy_hashed,
    not_regular,
    require_plain_name,
    require_size,
)

_POLL_SECONDS = 0.2
_WORKER = PACKAGE / "inside" / "worker.py"


class ProcessSandbox:
    """Runs phases as child processes; one train phase at a time.

    Args:
        worker: our scoring worker.
    """

    def __init__(self, *, worker: Path = _WORKER) -> None:
        self._worker = worker
        self._root = (
            Path(tempfile.gettempdir()).resolve() / f"{ownership.PREFIX}{secrets.token_hex(4)}"
        )

    def prepare(self) -> SandboxFacts:
        """Remove what dead harnesses left: their processes and directories."""
        orphans.kill_orphans(ownership.is_dead)
        ownership.reap_directories(self._root.parent)
        return SandboxFacts(kind="process", proves=())

    def inside(self, mount: Mount) -> str:
        """The mount's source: there is no other file system."""
        return str(mount.source)

    @property
    def output(self) -> str:
        """The output directory of train; fresh for each."""
        return str(self._root / "output")

    @property
    def worker_command(self) -> tuple[str, ...]:
        """Our scoring worker, in this interpreter's environment."""
        return (sys.executable, str(self._worker))

    def start(self, job: Job) -> "ProcessPhase":
        """See :class:`harness.sandbox.protocol.Sandbox`."""
        begun = time.monotonic()
        token = ownership.token()
        folder = self._root / secrets.token_hex(2)
        output = Path(self.output) if job.output else None
        log = LogCapture(job.log, limit_bytes=job.limits.log_bytes)
        try:
            self._make_folders(job, folder, output)
            environment = limits.environment(
                job, path=_path(folder / "bin"), scratch=str(folder / "tmp"), token=token
            )
            executable = _executable(job, environment["PATH"], folder / "code")
            reading, writing = os.pipe()
            ended = threading.Event()
            log.drain(_chunks(reading, ended))
            job.starting()
            log.starts_now()
            called_at = time.monotonic()
            started = time.time_ns()
            try:
                process = subprocess.Popen(
                    job.command,
                    executable=executable,
                    cwd=folder / "code",
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    start_new_session=True,
                )
            except OSError as error:
                ended.set()
                raise SubmissionError(
                    f"{job.label} command {plain(job.command[0], 100)!r}: "
                    f"cannot be executed: {error.strerror}"
                ) from error
            finally:
                os.close(writing)
            phase = ProcessPhase(
                job,
                log,
                process=process,
                token=token,
                started_nanoseconds=started,
                output_ended=ended,
                folders=(self._root, folder, output),
                called_at=called_at,
                returned_at=time.monotonic(),
                overhead_seconds=called_at - begun,
            )
            phase.watch()
        except BaseException:
            orphans.kill_orphans(lambda name: name == token)
            _remove_folders(self._root, folder, output)
            with contextlib.suppress(InfrastructureError):
                log.finish(1.0)
            raise
        return phase

    def _make_folders(self, job: Job, folder: Path, output: Path | None) -> None:
        with disk_errors(self._root):
            self._root.mkdir(mode=0o700, exist_ok=True)
            (self._root / ownership.OWNER_FILE).write_text(ownership.me())
            folder.mkdir(mode=0o700)
            (folder / "tmp").mkdir(mode=0o700)
            _provide_python(folder / "bin")
            if output is not None:
                output.mkdir(mode=0o700)
            shutil.copytree(job.code.source, folder / "code", symlinks=True)


class ProcessPhase(WatchedPhase):
    """A phase that runs as a child process in a session of its own."""

    def __init__(
        self,
        job: Job,
        log: LogCapture,
        *,
        process: subprocess.Popen[bytes],
        token: str,
        started_nanoseconds: int,
        output_ended: threading.Event,
        folders: tuple[Path, Path, Path | None],
        called_at: float,
        returned_at: float,
        overhead_seconds: float,
    ) -> None:
        super().__init__(
            job,
            log,
            called_at=called_at,
            returned_at=returned_at,
            overhead_seconds=overhead_seconds,
        )
        self._process = process
        self._token = token
        self._started_nanoseconds = started_nanoseconds
        self._finished_nanoseconds = started_nanoseconds
        self._output_ended = output_ended
        self._folders = folders

    def watch(self) -> None:
        """Also watch over the size of the output directory."""
        super().watch()
        if self._folders[2] is not None:
            threading.Thread(target=self._watch_output, daemon=True).start()

    def owns(self, process: int) -> bool:
        """Whether the process carries our marker; one that is gone may have."""
        return orphans.mark(process) in (self._token, None)

    def is_seen_to_run(self) -> bool:
        """Whether the first process has not ended yet; nobody else waits for it."""
        try:
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return state[0] not in "ZX"

    def await_end(self) -> None:
        """Block until the first process has ended."""
        self._process.wait()
        self._finished_nanoseconds = time.time_ns()

    def kill(self) -> bool:
        """Kill the first process and all that descend from it or carry our marker."""
        running = self._process.poll() is None
        self._kill_all(tree=running)
        return running

    def sweep(self) -> None:
        """Kill what outlived the first process, as the end of a container would."""
        self._kill_all(tree=True)
        self._output_ended.set()

    def ending(self) -> Ending:
        """By our own wall clock; death by a signal reads as 128 + its number, as in a shell."""
        code = self._process.returncode
        return Ending(
            started_nanoseconds=self._started_nanoseconds,
            finished_nanoseconds=self._finished_nanoseconds,
            exit_code=code if code >= 0 else 128 - code,
        )

    def isolation(self) -> tuple[IsolationFact, ...]:
        """None: nothing is isolated."""
        return ()

    def seal_now(self, name: str, destination: Path, *, limit_bytes: int) -> ArtifactFacts:
        """Open without following a link, then copy from what was opened."""
        require_plain_name(name)
        output = self._folders[2]
        if output is None:
            raise RuntimeError("this phase has no output directory")
        try:
            # The directory as well is the submission's to replace; its parent is ours.
            file = open_inside(output.parent, f"{output.name}/{name}")
        except FileNotFoundError as error:
            raise absent(name) from error
        except NotRegularError as error:
            raise not_regular(name, error.kind) from error
        with file:
            size = os.fstat(file.fileno()).st_size
            require_size(name, size, limit_bytes=limit_bytes)
            chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
            return copy_hashed(chunks, destination, name=name, size_bytes=size)

    def remove(self) -> None:
        """Kill what runs and remove the directories."""
        self._kill_all(tree=self._process.poll() is None)
        self._process.wait()
        self._output_ended.set()
        _remove_folders(*self._folders)

    def _kill_all(self, *, tree: bool) -> None:
        # Long after its end its number may name a session that is not ours.
        if tree:
            orphans.kill_tree(self._process.pid, leads_group=self._process.poll() is None)
        orphans.kill_orphans(lambda name: name == self._token)

    def _watch_output(self) -> None:
        output, bound = self._folders[2], self.job.limits.output_bytes
        while output is not None and not self.has_ended:
            time.sleep(_POLL_SECONDS)
            if _occupied_bytes(output) > bound:
                self.end_early(
                    "failed", f"killed: the output directory grew over its limit of {bound:,} bytes"
                )


def _provide_python(folder: Path) -> None:
    """Put ``python`` and ``python3`` there, where this interpreter has another name."""
    folder.mkdir(mode=0o700)
    for name in ("python", "python3"):
        if not Path(sys.executable).with_name(name).exists():
            # Not a link: by its own path an interpreter finds the packages beside it.
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
            program.chmod(0o700)


def _path(own: Path) -> str:
    """This interpreter's programs first, so that python and torchrun are those of its packages."""
    beside = Path(sys.executable).parent
    return os.pathsep.join((str(own), str(beside), os.defpath.lstrip(os.pathsep)))


def _executable(job: Job, path: str, code: Path) -> str:
    """The program of the command, looked up as the sandbox would, not as we would."""
    name = job.command[0]
    found = str(code / name) if "/" in name else shutil.which(name, path=path)
    if found is None:
        raise SubmissionError(
            f"{job.label} command {plain(name, 100)!r}: no such program in the sandbox"
        )
    return found


def _chunks(reading: int, ended: threading.Event) -> Iterator[bytes]:
    """A pipe's content until it is closed, or empty after ``ended`` (an orphan may keep it)."""
    try:
        while True:
            over = ended.is_set()
            ready, _, _ = select.select([reading], [], [], 0 if over else _POLL_SECONDS)
            if ready:
                chunk = os.read(reading, 1 << 16)
                if not chunk:
                    return
                yield chunk
            elif over:
                return
    finally:
        os.close(reading)


def _occupied_bytes(folder: Path) -> int:
    """Bytes on disk below a directory that changes while we look; holes do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_blocks * 512
    return total


def _remove_folders(root: Path, folder: Path, output: Path | None) -> None:
    for place in (folder, output):
        if place is not None:
            ownership.remove_tree(place)
    # Another phase of this sandbox may still run.
    if root.exists() and not any(entry.name != ownership.OWNER_FILE for entry in root.iterdir()):
        ownership.remove_tree(root)
