"""A phase of the rehearsal sandbox: a child process, its output directory and its end."""

import contextlib
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.evidence.phase import IsolationFact
from harness.safeio import ownership
from harness.safeio.files import CHUNK_BYTES
from harness.safeio.reading import NotRegularError, open_inside
from harness.sandbox.logs import LogCapture
from harness.sandbox.phase import Ending, WatchedPhase
from harness.sandbox.process import holding, orphans
from harness.sandbox.process.confining import written
from harness.sandbox.protocol import ArtifactError, Job
from harness.sandbox.sealing import absent, not_regular, require_size

_POLL_SECONDS = 0.2


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
        code: Mapping[str, tuple[int, int]] | None,
        called_at: float,
        returned_at: float,
        overhead_seconds: float,
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
        self.starts_at(started_nanoseconds)
        self._process = process
        self._token = token
        self._started_nanoseconds = started_nanoseconds
        self._finished_nanoseconds = started_nanoseconds
        self._output_ended = output_ended
        self._folders = folders
        self._code_before = code

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
        said = ""
        if code == 0 and self._code_before is not None:
            said = written(self._folders[1] / "code", self._code_before)
        return Ending(
            started_nanoseconds=self._started_nanoseconds,
            finished_nanoseconds=self._finished_nanoseconds,
            exit_code=(code if code >= 0 else 128 - code) or int(bool(said)),
            detail=said,
        )

    def isolation(self) -> tuple[IsolationFact, ...]:
        """None: nothing is isolated."""
        return ()

    def hold(self) -> bool:
        """SIGSTOP to all of it, until nothing that runs is found."""
        return self.is_seen_to_run() and holding.hold(self._process.pid, self._token)

    def release(self) -> None:
        """SIGCONT to all of it."""
        holding.release(self._process.pid, self._token)

    @contextlib.contextmanager
    def opened(self, name: str, *, limit_bytes: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open without following a link; what is read is what was opened."""
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
        except OSError as error:
            raise ArtifactError(
                f"artifact {name}: cannot be opened as a regular file: {error.strerror}"
            ) from error
        with file:
            size = os.fstat(file.fileno()).st_size
            require_size(name, size, limit_bytes=limit_bytes)
            yield size, iter(lambda: file.read(CHUNK_BYTES), b"")

    def remove(self) -> None:
        """Kill what runs and remove the directories."""
        self._kill_all(tree=self._process.poll() is None)
        self._process.wait()
        self._output_ended.set()
        remove_folders(*self._folders)

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


def read_pipe(reading: int, ended: threading.Event) -> Iterator[bytes]:
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


def remove_folders(root: Path, folder: Path, output: Path | None) -> None:
    """Remove the directories of a phase, and ``root`` if no other phase uses it."""
    for place in (folder, output):
        if place is not None:
            ownership.remove_tree(place)
    # Another phase of this sandbox may still run.
    if root.exists() and not any(entry.name != ownership.OWNER_FILE for entry in root.iterdir()):
        ownership.remove_tree(root)
