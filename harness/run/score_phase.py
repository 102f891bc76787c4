"""The sandbox of a score phase: what runs in it, and how the sealed file gets there.

For an entry that loads its model, the file is mounted. A script that is taken over is handed it
when it opens its artifact, and the clock begins with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.contest.entry import Driven
from harness.evidence.draws import ANOTHER_SEED, Draw
from harness.evidence.plan import Plan
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.hardware.telemetry import Telemetry
from harness.run.driving import Drive, drive_of
from harness.run.progress import Progress
from harness.run.score_job import UNLIMITED_SECONDS, score_job
from harness.run.script_job import Script, take_over_job
from harness.sandbox.protocol import Job, Running, Sandbox


class Bench(Protocol):
    """What a session needs of the run that it belongs to."""

    @property
    def directory(self) -> RunDirectory:
        """Of the verification."""

    @property
    def plan(self) -> Plan:
        """What was fixed before the first run."""

    @property
    def draw(self) -> Draw:
        """Which of the plan's draws is run."""

    @property
    def sandbox(self) -> Sandbox:
        """Prepared."""

    @property
    def code(self) -> Path:
        """The directory that sandboxes see as the entry's code."""

    @property
    def accelerators(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that the track needs."""

    @property
    def progress(self) -> Progress:
        """Told of how far it is."""

    @property
    def takes_over(self) -> bool:
        """Whether the model is asked in a script that is taken over; else the entry loads one."""

    def script(self, step: Step) -> Script:
        """The script that is taken over in a step, on a tree of its own."""

    def telemetry(self, step: Step, running: Running) -> Telemetry:
        """What watches the accelerators while a phase of a step runs."""

    def log(self, step: Step) -> Path:
        """Where a step's log is written."""

    def code_starts(self, step: Step) -> None:
        """Called just before the entry's code is started in a step."""


class Sealed(NamedTuple):
    """A sealed file, absolute, and what it was sealed with."""

    path: Path
    sha256: str


@contextmanager
def sealed_for(bench: Bench, file: Sealed) -> Iterator[int | None]:
    """The sealed file as a script gets it that asks for it; None where it is mounted.

    Raises:
        InfrastructureError: it is not the file that was sealed, or memory of ours failed.
    """
    from harness.scoring.handover import sealed_memory

    if not bench.takes_over:
        yield None
    else:
        with sealed_memory(file.path, sha256=file.sha256) as memory:
            yield memory


def prepare_seconds(plan: Plan) -> float:
    """How long a script may take until it opens its artifact: it trains nothing meanwhile."""
    seconds = plan.track.budget.train_seconds
    return UNLIMITED_SECONDS if seconds is None else seconds * plan.time_scale


def drive_in(bench: Bench, step: Step, *, tokens: int, first: int) -> Drive | None:
    """How the loop of a script is driven over a stream; None where its model is asked as it is.

    Args:
        bench: of the run.
        step: in which.
        tokens: in the stream.
        first: the first of them.
    """
    score = bench.plan.entry.score
    if not isinstance(score.loader, Driven) or score.segment is None:
        return None
    script = bench.script(step)
    return drive_of(
        script.bridge,
        segment=score.segment,
        context=score.sequence_length,
        tokens=tokens,
        first=first,
        decoy=script.decoy_tokens,
    )


def job_of(
    bench: Bench,
    file: Sealed,
    step: Step,
    *,
    channel: Path,
    seconds: float | None,
    drive: Drive | None = None,
) -> Job:
    """The job of a score phase.

    Args:
        bench: of the run.
        file: what is scored.
        step: gives the log.
        channel: directory of the socket.
        seconds: until it is killed, once its clock has begun; None where the track sets no budget.
        drive: how its loop is driven, where it has one that is.

    Raises:
        InfrastructureError: the entry's model is asked in a way that this harness cannot.
    """
    starting = partial(bench.code_starts, step)
    if not bench.takes_over:
        return score_job(
            bench.sandbox,
            code=bench.code,
            entry=bench.plan.entry,
            track=bench.plan.track,
            accelerators=bench.accelerators,
            file=file.path,
            sha256=file.sha256,
            channel=channel,
            log=bench.log(step),
            seconds=seconds,
            starting=starting,
        )
    # Weights that do not come from the file differ from sandbox to sandbox, and are found.
    secret = ANOTHER_SEED.of(bench.plan.nonce, bench.draw.seed, step.name)
    return take_over_job(
        bench.script(step),
        bench.sandbox,
        seed=int.from_bytes(secret[:4], "big") >> 1,
        channel=channel,
        log=bench.log(step),
        prepare_seconds=prepare_seconds(bench.plan),
        drive=drive,
        starting=starting,
    )
