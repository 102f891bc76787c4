"""One score phase: a sandbox that holds the code, one sealed file and the channel, nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from harness.contest.track import Track
from harness.evidence.facts import PhaseFacts, ProbeFacts, ScoreFacts, Throttle
from harness.hardware.machine import Telemetry
from harness.run.context import ARTIFACT, CHANNEL, CODE, Rig
from harness.safeio.text import plain
from harness.sandbox.protocol import Job, Mount, Running, Sandbox

GOODBYE_SECONDS = 5.0
# Probing is not charged. It costs an adaptive model its observing again, which took less than the
# budget the first time; a machine that is slower now must not make a cheater of it.
PROBE_ALLOWANCE = 1.5
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answered(Generic[Result]):
    """How a score phase went; ``complaint`` is the submission's fault, when there is one."""

    facts: PhaseFacts
    result: Result | None
    throttle: Throttle
    complaint: str


class Examiner:
    """Scores sealed files of one seed run; holds the validation split and the secret probes.

    Every method raises SubmissionError when a phase could not be started for a reason of
    theirs, and InfrastructureError when engine, disk or memory of ours failed.
    """

    def __init__(self, rig: Rig, *, seed: int) -> None:
        # torch takes seconds to import; nothing before this point needs it.
        from harness.scoring.probes import ProbeSet
        from harness.scoring.scorer import Stream
        from harness.scoring.windows import WindowPlan

        self._rig = rig
        self._stream = Stream(
            tokens=rig.dataset.validation_tokens(),
            document_bytes=rig.dataset.validation_document_bytes(),
            bos_id=rig.dataset.manifest.bos_id,
            vocabulary_size=rig.dataset.manifest.vocabulary_size,
        )
        tokens = self._stream.tokens
        score = rig.score
        self._plan = WindowPlan(len(tokens), score.sequence_length, score.stride, score.segment)
        self._probes = ProbeSet.draw(
            self._plan,
            tokens,
            secret=f"{rig.ledger.verification.nonce} {seed}".encode(),
            settings=rig.track.probes,
            vocabulary_size=self._stream.vocabulary_size,
        )

    def score(
        self, file: Path, *, log: Path, documents: Path, probed: bool
    ) -> Answered[ScoreFacts]:
        """Score every validation target with the model that the submission loads from ``file``.

        Args:
            file: sealed by us, absolute.
            log: gets the phase's output.
            documents: gets nats, bytes and targets of each document (.npz).
            probed: whether :meth:`probe` will follow.
        """
        from harness.scoring.probes import ProbeSet
        from harness.scoring.scorer import score

        probes = self._probes if probed else ProbeSet.none(self._plan)
        work = partial(score, probes=probes, documents_file=documents)
        return self._ask(file, log, self._plan.targets, work, allowance=1.0)

    def probe(self, file: Path, *, log: Path) -> Answered[ProbeFacts]:
        """Ask about the secret windows again, in a sandbox that has seen nothing else."""
        from harness.scoring.scorer import run_probes

        windows = len(self._probes.windows)
        work = partial(run_probes, probes=self._probes)
        return self._ask(file, log, windows, work, allowance=PROBE_ALLOWANCE)

    def _ask(
        self,
        file: Path,
        log: Path,
        total: int,
        work: Callable[..., Result],
        *,
        allowance: float,
    ) -> Answered[Result]:
        from harness.scoring.channel import AnswerError, Channel, WorkerGone
        from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU, TOKENS_AT_ONCE_GPU

        rig = self._rig
        devices = len(rig.accelerators)

        def job(channel: Channel) -> Job:
            return score_job(
                rig.sandbox,
                code=rig.ledger.code,
                load=rig.score.load,
                track=rig.track,
                accelerators=rig.accelerators,
                file=file,
                channel=channel.directory,
                log=log,
                adaptive=rig.score.adaptive,
                allowance=allowance,
            )

        with (
            Channel() as channel,
            rig.sandbox.start(job(channel)) as running,
            Telemetry(rig.accelerators, is_ours=running.owns) as telemetry,
        ):

            def progress(done: int, rate: float) -> None:
                rig.progress.tick(
                    running.elapsed_seconds,
                    running.last_line,
                    targets_done=done,
                    targets_total=total,
                    tokens_per_second=rate,
                )

            result, complaint, gone = None, "", False
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
                complaint = with_last_line(str(error), running)
            except WorkerGone:
                gone = True
            # A worker that answered wrongly has nothing more to say; others may end by themselves.
            facts = None if complaint else running.wait(GOODBYE_SECONDS)
            facts = facts or running.stop()
            if gone and facts.outcome != "deadline":
                complaint = f"{ending(facts, running)}, before every target was scored"
            return Answered(facts, result, telemetry.throttle, complaint)


def score_job(
    sandbox: Sandbox,
    *,
    code: Path,
    load: str,
    track: Track,
    accelerators: tuple[str, ...],
    file: Path,
    channel: Path,
    log: Path,
    adaptive: bool = False,
    allowance: float = 1.0,
) -> Job:
    """A job that runs our worker on one sealed file; all paths absolute.

    ``adaptive``: the model must be able to observe. ``allowance``: share of the track's score
    budget after which it is killed.
    """
    artifact = Mount(file, ARTIFACT / file.name)
    shared = Mount(channel, CHANNEL)
    return Job(
        phase="score",
        command=(
            *sandbox.worker_command,
            *("--socket", f"{sandbox.inside(shared)}/socket"),
            *("--load", load),
            *("--artifact", sandbox.inside(artifact)),
            *("--workers", str(max(1, len(accelerators)))),
            *("--device", "cuda" if accelerators else "cpu"),
            *(("--adaptive",) if adaptive else ()),
        ),
        environment={},
        code=Mount(code, CODE),
        mounts=(artifact, shared),
        limits=track.sandbox,
        wallclock_seconds=track.budget.score_seconds * allowance,
        accelerators=accelerators,
        log=log,
    )


def ending(facts: PhaseFacts, running: Running) -> str:
    """How a phase ended that should not have ended so."""
    what = facts.detail or f"{facts.phase} ended with exit code {facts.exit_code}"
    return with_last_line(what, running)


def with_last_line(reason: str, running: Running) -> str:
    """A reason, and the last thing that the phase printed."""
    line = plain(running.last_line, 200)
    return f"{reason} (its log ends: {line})" if line else reason
