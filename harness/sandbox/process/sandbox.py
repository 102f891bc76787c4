"""The rehearsal sandbox: the same phases as child processes, without isolation.

Same clock, same limit, same seal, for machines without Docker. A submission can read and write
whatever its user can, so nothing that ran here is ever a record.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from harness.errors import InfrastructureError, SubmissionError
from harness.evidence.host import Packages, SandboxFacts
from harness.inside.packages import present
from harness.inside.watch import Watch
from harness.package import PACKAGE
from harness.safeio import ownership
from harness.safeio.files import disk_errors
from harness.safeio.text import plain
from harness.sandbox import limits
from harness.sandbox.logs import LogCapture
from harness.sandbox.process import confining, orphans
from harness.sandbox.process.phase import ProcessPhase, read_pipe, remove_folders
from harness.sandbox.protocol import Job, Mount

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
        return SandboxFacts(kind="process", proves=(), packages=_packages())

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
        ended = threading.Event()
        watch: Watch | None = None
        try:
            self._make_folders(job, folder, output)
            if job.early is not None:  # from now on: nothing can write the artifact yet
                watch = Watch(self.output, job.early.name)
            environment = _devices(job) | limits.environment(
                job, path=_path(folder / "bin"), scratch=str(folder / "tmp"), token=token
            )
            executable = _executable(job, environment["PATH"], folder / "code")
            start = confining.start_of(job.command, executable=executable, code=folder / "code")
            reading, writing = os.pipe()
            log.drain(read_pipe(reading, ended))
            job.starting()
            log.starts_now()
            called_at = time.monotonic()
            started = time.time_ns()
            try:
                process = start.popen(
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
                code=None if start.confined else confining.snapshot(folder / "code"),
                called_at=called_at,
                returned_at=time.monotonic(),
                overhead_seconds=called_at - begun,
                reads=watch.reads(ended.is_set) if watch is not None else (),
            )
            phase.watch()
        except BaseException:
            ended.set()
            if watch is not None:
                watch.close()
            orphans.kill_orphans(lambda name: name == token)
            remove_folders(self._root, folder, output)
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
            confining.make_read_only(folder / "code")


def _devices(job: Job) -> dict[str, str]:
    """What takes the place of a container's device files: the GPUs that CUDA shows, if any.

    Some machines have the driver where only the loader's variable of their shells finds it.
    """
    found = {"CUDA_VISIBLE_DEVICES": ",".join(job.accelerators)}
    driver = os.environ.get("LD_LIBRARY_PATH") if job.accelerators else None
    return found | ({"LD_LIBRARY_PATH": driver} if driver else {})


def _provide_python(folder: Path) -> None:
    """Put ``python`` and ``python3`` there, where this interpreter has another name."""
    folder.mkdir(mode=0o700)
    for name in ("python", "python3"):
        if not Path(sys.executable).with_name(name).exists():
            # Not a link: by its own path an interpreter finds the packages beside it.
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
            program.chmod(0o700)


@cache
def _packages() -> Packages:
    """Those of this interpreter, in which phases run."""
    return Packages.model_validate(present(_path(Path(sys.executable).parent)))


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
