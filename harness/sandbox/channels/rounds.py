"""Rounds: two consecutive phases of one sandbox, the first of which sends, the second receives.

They are started as a verification starts its phases: the same code mount in both, with the train
shards and a sealed artifact beside it, an output directory, a log. That is more than the phases of
a verification have in common, so no channel between those is left out.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.contest.track import Limits
from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.safeio.files import disk_errors
from harness.sandbox.channels.tally import Round, Told, read_told
from harness.sandbox.protocol import Job, Mount, Sandbox
from harness.sandbox.selfcheck.folder import mountable, probe_directory

_INSIDE = PACKAGE / "inside" / "channels"
_CODE = PurePosixPath("/submission")
_DATA = PurePosixPath("/data")
_ARTIFACT = PurePosixPath("/artifact/model.bin")
_MIB = 1 << 20
_SECONDS = 600.0
_STAMP = len("    0.000 ")
_MARKS = 320  # files that are read, locked or touched: those of the message, and known ones
_LONG_AGO = 1_500_000_000
_FILLING = 1 << 16

LIMITS = Limits(
    memory_bytes=2048 * _MIB,
    shm_bytes=64 * _MIB,
    scratch_bytes=64 * _MIB,
    output_bytes=16 * _MIB,
    log_bytes=64 * _MIB,
    processes=4096,
)
WITH_GPUS = LIMITS.model_copy(update={"memory_bytes": 32 * 1024 * _MIB})
"""CUDA needs some GiB of the host's memory before it does anything."""


@dataclass(frozen=True)
class Stage:
    """The directories that both phases of a round are shown."""

    folder: Path

    @property
    def code(self) -> Mount:
        """Senders and receivers, a large file, and files to leave marks on."""
        return Mount(self.folder / "code", _CODE)

    @property
    def data(self) -> Mount:
        """Two large files in place of the train shards."""
        return Mount(self.folder / "data", _DATA, shared=True)

    @property
    def artifact(self) -> Mount:
        """A large file in place of a sealed artifact."""
        return Mount(self.folder / "artifact" / _ARTIFACT.name, _ARTIFACT)

    def reset_times(self) -> None:
        """No file was read since it was written, and no file was changed since long ago."""
        for mark in (self.folder / "code" / "marks").iterdir():
            os.utime(mark, (_LONG_AGO, _LONG_AGO))


@contextmanager
def stage(*, share: float) -> Iterator[Stage]:
    """Lay the directories out; ``share`` of the full sizes, for fewer bits."""
    with probe_directory(_INSIDE) as folder:
        marks = folder / "code" / "marks"
        for directory in (marks, folder / "data", folder / "artifact"):
            directory.mkdir()
        with disk_errors(folder):
            for kind in ("read", "lock", "time"):
                for number in range(_MARKS):
                    (marks / f"{kind}-{number}").write_bytes(b"mark")
            sizes = {
                folder / "code" / "large.bin": 16,
                folder / "data" / "shard.bin": 96,
                folder / "artifact" / _ARTIFACT.name: 16,
            }
            for path, size_mib in sizes.items():
                _fill(path, max(1, round(size_mib * share)) * _MIB)
            # Its content is never looked at, and its size is the span of the symbols.
            with (folder / "data" / "filling.bin").open("wb") as file:
                file.truncate(64 * _MIB)
        for name in ("code", "data", "artifact"):
            mountable(folder / name)
        yield Stage(folder)


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(0, size, _FILLING):
            file.write(os.urandom(_FILLING))
        file.flush()
        os.fsync(file.fileno())  # pages that are not on disk yet cannot be dropped


def run_round(
    sandbox: Sandbox, stage: Stage, channels: Mapping[str, int], accelerators: tuple[str, ...]
) -> Round:
    """One round of the channels, each with so many bits.

    Raises:
        InfrastructureError: a phase did not come to its end.
    """
    seed, public = secrets.token_hex(16), secrets.token_hex(3)
    stage.reset_times()
    where = {
        "code": sandbox.inside(stage.code),
        "data": sandbox.inside(stage.data),
        "artifact": str(PurePosixPath(sandbox.inside(stage.artifact)).parent),
        "output": sandbox.output,
        "public": public,
    }
    told = {"channels": dict(channels), "places": where}
    before = _drops()
    sent = _phase(sandbox, stage, {**told, "seed": seed}, accelerators)
    received = _phase(sandbox, stage, told, accelerators)
    return Round(seed, sent, received, _drops() - before)


def _drops() -> int:
    """How often this machine's caches were dropped since it started, as far as its kernel tells."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("drop_"))
    return 0


def _phase(
    sandbox: Sandbox, stage: Stage, told: Mapping[str, object], accelerators: tuple[str, ...]
) -> Told:
    log = stage.folder / f"log-{secrets.token_hex(4)}"  # a new one: removing one would free space
    python = sandbox.worker_command[0]
    job = Job(
        label="channels",
        output=True,
        command=(python, "-B", "-m", f"{_INSIDE.name}.run", json.dumps(told)),
        environment={"OUTPUT_DIR": sandbox.output},
        code=stage.code,
        mounts=(stage.data, stage.artifact),
        limits=WITH_GPUS if accelerators else LIMITS,
        wallclock_seconds=_SECONDS,
        log=log,
        accelerators=accelerators,
    )
    with sandbox.start(job) as phase:
        facts = phase.wait(_SECONDS + 60)
    if facts is None or facts.outcome == "deadline":
        raise InfrastructureError(
            f"a phase that measures channels was not done after {_SECONDS:.0f} s",
            remedy="see whether the machine is overloaded, then run it again",
        )
    with disk_errors(log), log.open(encoding="utf-8") as lines:
        return read_told(line[_STAMP:].rstrip("\n") for line in lines)
