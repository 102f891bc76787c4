"""One score phase: a sandbox that holds the code, one sealed file and the channel, nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError
from harness.evidence.asked_again import Probes, Recall
from harness.evidence.draws import RECALL
from harness.evidence.host import TelemetryFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import Scores
from harness.evidence.steps import Step
from harness.run.endings import ending, with_last_line
from harness.run.score_job import UNLIMITED_SECONDS
from harness.run.score_phase import Bench, Sealed, drive_in, job_of, prepare_seconds, sealed_for

if TYPE_CHECKING:
    from harness.scoring.probes.causality import ProbeSet
    from harness.scoring.scorer import Again

GOODBYE_SECONDS = 5.0
LEAST_SECONDS = 30.0
"""What it may take in any case; a fresh sandbox starts on a busy machine."""
Result = TypeVar("Result")
Other = TypeVar("Other")


@dataclass(frozen=True)
class Answered(Generic[Result]):
    """How a score phase went.

    ``violation`` is what the submission did wrong, if anything; ``lost`` what our side did.
    """

    phase: PhaseFacts
    result: Result | None
    telemetry: TelemetryFacts
    violation: str
    lost: InfrastructureError | None = None

    def leading_to(self, result: Other | None) -> Answered[Other]:
        """The same phase, with another result."""
        return Answered(self.phase, result, self.telemetry, self.violation, self.lost)


class ScoringSession:
    """Scores sealed files of one run; holds the texts and the secret probes.

    Every method raises SubmissionError when a phase could not be started for a reason of
    theirs, and InfrastructureError when engine, disk or memory of ours failed.
    """

    def __init__(self, bench: Bench, dataset: Dataset, *, suffixes: Dataset | None = None) -> None:
        """``suffixes``: whose train shards stand after the cuts, where the dataset has none."""
        # torch takes seconds to import; nothing before this point needs it.
        from harness.run.stream_plan import stream_plan
        from harness.scoring.scorer import Stream

        self._bench, self._dataset = bench, dataset
        self._suffixes = suffixes
        self._stream = Stream(
            tokens=dataset.validation_tokens(),
            document_bytes=dataset.validation_document_bytes(),
            bos_id=dataset.manifest.bos_id,
            vocabulary_size=dataset.manifest.vocabulary_size,
        )
        self._windows = stream_plan(
            bench.plan,
            bench.draw,
            self._stream,
            dataset,
            lanes=self._workers,
            suffixes=suffixes,
        )
        self._runs = bench.plan.probed_runs
        self._scores: Scores | None = None

    @cached_property
    def _probes(self) -> ProbeSet:
        from harness.run.probing import probe_set

        bench = self._bench
        return probe_set(
            bench.plan,
            bench.draw,
            self._dataset,
            self._windows,
            runs=self._runs,
            suffixes=self._suffixes,
        )

    def score(self, file: Sealed, *, step: Step, documents: Path, probed: bool) -> Answered[Scores]:
        """Score every target with the model that the submission loads from ``file``.

        Args:
            file: what is scored.
            step: gives log and limit.
            documents: gets nats, bytes and targets of each document (.npz).
            probed: whether :meth:`probe` and :meth:`recall` will follow.
        """
        from harness.scoring.probes.causality import ProbeSet
        from harness.scoring.scorer import score

        probes = self._probes if probed else ProbeSet.none(self._windows)
        work = partial(score, probes=probes, documents_file=documents)
        answered = self._ask(
            file, step, self._windows.targets, work, seconds=step.limit(self._bench.plan)
        )
        if probed:
            self._scores = answered.result
        return answered

    @property
    def has_answers(self) -> bool:
        """Whether there is anything that can be asked again."""
        return self._scores is not None

    def leave_answers(self, file: Path) -> str:
        """Write what was scored for who asks again on another machine; the file's SHA-256."""
        from harness.scoring.probes.kept_answers import write_answers

        return write_answers(self._probes, file)

    def take_answers(self, file: Path, *, sha256: str, scores: Scores) -> None:
        """Ask again what another machine has scored, with these scores and the answers in a file.

        Raises:
            InfrastructureError: it is missing, or is not what was written.
        """
        from harness.scoring.probes.kept_answers import read_answers

        read_answers(self._probes, file, sha256=sha256)
        self._scores = scores

    def probe(self, file: Sealed, *, step: Step) -> Answered[Probes]:
        """Ask for the secret targets again, in a sandbox that has seen nothing else.

        Those that are drawn by gap are drawn now, when it is known what each target was scored.
        """
        from harness.run.probing import plain_model

        if self._probes.by_gap:
            train = self._suffixes or self._dataset
            self._probes.draw_by_gap(plain_model(train, self._stream.tokens))
        return self._again(file, step, self._probes, self._probes.facts)

    def recall(self, file: Sealed, *, step: Step) -> Answered[Recall]:
        """Ask for whole windows again, in another order, in a sandbox of their own."""
        from harness.scoring.probes.recall import RecallSet

        plan = self._bench.plan
        count = plan.track.probes.windows_in_another_order(
            windows=len(self._windows), runs=self._runs, fullest=self._windows.fullest
        )
        secret = RECALL.of(plan.nonce, self._bench.draw.seed)
        windows = RecallSet.draw(self._windows, self._probes.first, secret=secret, count=count)
        return self._again(file, step, windows, windows.facts)

    def _again(
        self, file: Sealed, step: Step, again: Again, facts: Callable[..., Result]
    ) -> Answered[Result]:
        """Ask again, for as long as the scoring's own rate and some allowance say."""
        from harness.scoring.pace import ALLOWED_TIMES, PacingAgain
        from harness.scoring.scorer import ask_again

        expected = self._expected_seconds(again)
        limit = None
        if step.limit(self._bench.plan) is not None and self._scores is not None:
            loading = 2 * self._scores.load_seconds
            limit = LEAST_SECONDS + loading + ALLOWED_TIMES * expected
        pacing = PacingAgain(self._scores.pace if self._scores else None)
        work = partial(ask_again, again=again, pacing=pacing)
        answered = self._ask(file, step, again.asked, work, seconds=limit)
        if answered.violation or answered.lost:
            return answered.leading_to(None)
        timing = answered.result
        seconds = timing.model_seconds if timing else answered.phase.wallclock_seconds
        observed = timing.segments_observed if timing else 0
        return answered.leading_to(
            facts(
                segments_observed=observed,
                seconds=seconds,
                expected_seconds=expected,
                pace=pacing.facts(devices=self._workers),
            )
        )

    def _expected_seconds(self, again: Again) -> float:
        """What as many requests took while scoring; those hold as many windows, or more."""
        from harness.scoring.schedules.asking import requests_of
        from harness.scoring.schedules.plan import Room

        scores = self._scores
        if scores is None:
            return 0.0
        room = Room(self._tokens_at_once, self._stream.vocabulary_size)
        schedule = again.schedule(room=room, lanes=self._workers)
        requests = requests_of(schedule, lanes=self._workers)
        each = (scores.model_seconds - scores.observe_seconds) / max(1, scores.requests)
        return requests * each + scores.observe_seconds

    def _bpb_so_far(self, nats: float | None, done: int, total: int) -> float | None:
        """About what ``done`` of all ``total`` targets cost, as if each had as many bytes."""
        text_bytes = int(self._stream.document_bytes.sum())
        if nats is None or not done or not text_bytes:
            return None
        return nats / done * total / math.log(2) / text_bytes

    @property
    def _workers(self) -> int:
        return max(1, len(self._bench.accelerators))

    @property
    def _tokens_at_once(self) -> int:
        from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU, TOKENS_AT_ONCE_GPU

        return TOKENS_AT_ONCE_GPU if self._bench.accelerators else TOKENS_AT_ONCE_CPU

    @property
    def _threads(self) -> int:
        from harness.scoring.arithmetic import threads_for

        return threads_for(self._workers, accelerators=bool(self._bench.accelerators))

    def _ask(
        self,
        file: Sealed,
        step: Step,
        total: int,
        work: Callable[..., Result],
        *,
        seconds: float | None,
    ) -> Answered[Result]:
        from harness.scoring.channel import Channel
        from harness.scoring.handover import Handover
        from harness.scoring.link import AnswerError, WorkerGone

        bench, tokens = self._bench, self._stream.tokens
        drive = drive_in(bench, step, tokens=len(tokens), first=int(tokens[0]))
        with (
            Channel() as channel,
            sealed_for(bench, file) as memory,
            bench.sandbox.start(
                job_of(bench, file, step, channel=channel.directory, seconds=seconds, drive=drive)
            ) as running,
            bench.telemetry(step, running) as telemetry,
        ):
            handover = None
            if memory is not None:
                limit = UNLIMITED_SECONDS if seconds is None else seconds
                handover = Handover(memory, lambda: running.begin_clock(limit))

            def progress(done: int, rate: float, nats: float | None = None) -> None:
                bench.progress.tick(
                    running.elapsed_seconds,
                    running.last_line,
                    targets_done=done,
                    targets_total=total,
                    tokens_per_second=rate,
                    bpb=self._bpb_so_far(nats, done, total),
                )

            result, wrong, gone, lost = None, "", False, None
            try:
                result = work(
                    channel,
                    self._stream,
                    workers=self._workers,
                    tokens_at_once=self._tokens_at_once,
                    threads=self._threads,
                    alive=lambda: running.wait(0) is None,
                    progress=progress,
                    handover=handover,
                )
            except AnswerError as error:
                wrong = str(error)
            except WorkerGone:
                gone = True
            # Code ran, so its phase is evidence whatever we could not do with its answers.
            except InfrastructureError as error:
                lost = error
            # A worker that answered wrongly has nothing more to say; others may end by themselves.
            facts = None if wrong or lost else running.wait(GOODBYE_SECONDS)
            facts = facts or running.stop()
            violation = with_last_line(wrong, facts) if wrong else ""
            if gone and facts.outcome != "deadline":
                violation = f"{ending(facts, running)}, before every target was scored"
            elif gone and handover is not None and facts.prepared_seconds is None:
                limit = prepare_seconds(bench.plan)
                said = f"the script did not open its artifact for reading within {limit:g} s"
                violation = with_last_line(said, facts)
            return Answered(facts, result, telemetry.finish(), violation, lost)
