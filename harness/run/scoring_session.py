"""One score phase: a sandbox that holds the code, one sealed file and the channel, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from harness.contest.entry import Entry, Function
from harness.contest.track import Track
from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError
from harness.evidence.draws import PROBES, Draw
from harness.evidence.host import TelemetryFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.plan import Plan
from harness.evidence.results import Probes, Scores
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.hardware.telemetry import Telemetry
from harness.models import Fact
from harness.run.endings import ending, with_last_line
from harness.run.paths import ARTIFACT, CHANNEL, CODE
from harness.run.progress import Progress
from harness.sandbox.protocol import Job, Mount, Sandbox

GOODBYE_SECONDS = 5.0
UNLIMITED_SECONDS = 7 * 86_400.0
"""Where a track sets no budget, something must end a model that never answers."""
Result = TypeVar("Result", bound=Fact)


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

    def log(self, step: Step) -> Path:
        """Where a step's log is written."""


@dataclass(frozen=True)
class Answered(Generic[Result]):
    """How a score phase went; ``violation`` is what the submission did wrong, if anything."""

    phase: PhaseFacts
    result: Result | None
    telemetry: TelemetryFacts
    violation: str

    def blamed(self, violation: str) -> Answered[Result]:
        """The same, held against the submission."""
        return replace(self, violation=violation)


class ScoringSession:
    """Scores sealed files of one run; holds the texts and the secret probes.

    Every method raises SubmissionError when a phase could not be started for a reason of
    theirs, and InfrastructureError when engine, disk or memory of ours failed.
    """

    def __init__(self, bench: Bench, dataset: Dataset) -> None:
        # torch takes seconds to import; nothing before this point needs it.
        from harness.scoring.probes import ProbeSet
        from harness.scoring.scorer import Stream
        from harness.scoring.windows import WindowPlan

        self._bench = bench
        self._stream = Stream(
            tokens=dataset.validation_tokens(),
            document_bytes=dataset.validation_document_bytes(),
            bos_id=dataset.manifest.bos_id,
            vocabulary_size=dataset.manifest.vocabulary_size,
        )
        tokens = self._stream.tokens
        plan, score = bench.plan, bench.plan.entry.score
        self._windows = WindowPlan(len(tokens), score.sequence_length, score.stride, score.segment)
        self._probes = ProbeSet.draw(
            self._windows,
            tokens,
            secret=PROBES.of(plan.nonce, bench.draw.seed),
            settings=plan.track.probes,
            vocabulary_size=self._stream.vocabulary_size,
        )

    def score(self, file: Path, *, step: Step, documents: Path, probed: bool) -> Answered[Scores]:
        """Score every target with the model that the submission loads from ``file``.

        Args:
            file: sealed by us, absolute.
            step: gives log and limit.
            documents: gets nats, bytes and targets of each document (.npz).
            probed: whether :meth:`probe` will follow.
        """
        from harness.scoring.probes import ProbeSet
        from harness.scoring.scorer import score

        probes = self._probes if probed else ProbeSet.none(self._windows)
        work = partial(score, probes=probes, documents_file=documents)
        return self._ask(file, step, self._windows.targets, work)

    def probe(self, file: Path, *, step: Step) -> Answered[Probes]:
        """Ask for the secret targets again, in a sandbox that has seen nothing else."""
        from harness.scoring.scorer import run_probes

        work = partial(run_probes, probes=self._probes)
        return self._ask(file, step, len(self._probes.windows), work)

    def _ask(
        self, file: Path, step: Step, total: int, work: Callable[..., Result]
    ) -> Answered[Result]:
        from harness.scoring.channel import AnswerError, Channel, WorkerGone
        from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU, TOKENS_AT_ONCE_GPU

        bench = self._bench
        devices = len(bench.accelerators)
        with (
            Channel() as channel,
            bench.sandbox.start(self._job(file, step, channel.directory)) as running,
            Telemetry(bench.accelerators, is_ours=running.owns) as telemetry,
        ):

            def progress(done: int, rate: float) -> None:
                bench.progress.tick(
                    running.elapsed_seconds,
                    running.last_line,
                    targets_done=done,
                    targets_total=total,
                    tokens_per_second=rate,
                )

            result, violation, gone = None, "", False
            try:
                result = work(
                    channel,
                    self._stream,
                    workers=max(1, devices),
                    tokens_at_once=TOKENS_AT_ONCE_GPU if devices else TOKENS_AT_ONCE_CPU,
                    alive=lambda: running.wait(0) is None,
                    progress=progress,
                )
            except AnswerError as error:
                violation = with_last_line(str(error), running)
            except WorkerGone:
                gone = True
            # A worker that answered wrongly has nothing more to say; others may end by themselves.
            facts = None if violation else running.wait(GOODBYE_SECONDS)
            facts = facts or running.stop()
            if gone and facts.outcome != "deadline":
                violation = f"{ending(facts, running)}, before every target was scored"
            return Answered(facts, result, telemetry.facts, violation)

    def _job(self, file: Path, step: Step, channel: Path) -> Job:
        bench = self._bench
        return score_job(
            bench.sandbox,
            code=bench.code,
            entry=bench.plan.entry,
            track=bench.plan.track,
            accelerators=bench.accelerators,
            file=file,
            channel=channel,
            log=bench.log(step),
            seconds=step.limit(bench.plan),
        )


def score_job(
    sandbox: Sandbox,
    *,
    code: Path,
    entry: Entry,
    track: Track,
    accelerators: tuple[str, ...],
    file: Path,
    channel: Path,
    log: Path,
    seconds: float | None,
) -> Job:
    """A job that runs our worker on one sealed file; all paths absolute.

    ``seconds``: after so many it is killed; None where the track sets no budget.

    Raises:
        InfrastructureError: the entry's model is asked in a way that this harness cannot.
    """
    if not isinstance(entry.score.loader, Function):
        raise InfrastructureError(
            f"a model of kind {entry.score.loader.kind} cannot be asked by this harness"
        )
    artifact = Mount(file, ARTIFACT / file.name)
    shared = Mount(channel, CHANNEL)
    return Job(
        label="score",
        command=(
            *sandbox.worker_command,
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--load", entry.score.loader.load),
            *("--artifact", sandbox.inside(artifact)),
            *("--workers", str(max(1, len(accelerators)))),
            *("--device", "cuda" if accelerators else "cpu"),
            *(("--adaptive",) if entry.score.adaptive else ()),
        ),
        environment={},
        code=Mount(code, CODE),
        mounts=(artifact, shared),
        limits=track.sandbox,
        wallclock_seconds=UNLIMITED_SECONDS if seconds is None else seconds,
        accelerators=accelerators,
        log=log,
    )
