"""Whether a bridge leads to the model that its script itself scores: two runs, no real training.

The first is the script from its first line to its last, on a little train text in place of the
validation split. Of it we keep the artifact and the losses that it prints. The second takes the
script over with this artifact and another seed, and asks its model for the same windows. Where our
loss is one of those printed, the bridge leads to what the script scores, and nothing but the
artifact makes it.

Where the script is scored by its loop that learns, a third run drives that, and what it costs is to
be what the first one printed of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from harness.contest.bridge import Bridge, Windows
from harness.contest.driven import segment_of
from harness.contest.entry import artifact_in_run
from harness.contest.track import Track
from harness.data.format.dataset import Dataset
from harness.data.format.shards import Tokens
from harness.errors import SubmissionError
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import (
    TOLERANCE_NATS,
    ArtifactFacts,
    BridgeProof,
    OtherWindows,
)
from harness.run.driving import drive_of
from harness.run.endings import raised, with_last_line
from harness.run.printed_losses import (
    agrees_with,
    is_sharp,
    printed_as,
    tolerance_of,
)
from harness.run.script_job import Script, take_over_job
from harness.run.small_tree import small_script
from harness.run.trying import RUN_ID, SEED, Tick, join_logs, run_small, with_share_of_log
from harness.sandbox.protocol import EarlySeal, Sandbox
from harness.scoring.arithmetic import Arithmetic, Kept
from harness.scoring.channel import Channel
from harness.scoring.handover import Handover, sealed_memory
from harness.scoring.link import Answer, AnswerError, WorkerGone
from harness.scoring.schedules.asking import Ask
from harness.scoring.schedules.plan import Room
from harness.scoring.scorer import Stream, costs
from harness.scoring.script_windows import ScriptWindows, Together
from harness.scoring.worker_pool import TOKENS_AT_ONCE_CPU, TOKENS_AT_ONCE_GPU, play
from harness.upstream.logs.scorings import Scoring
from harness.upstream.logs.timeline import timeline

GOODBYE_SECONDS = 5.0
ANOTHER_SEED = 7331
_BEFORE_TRAINING = ("start-up", "compile and warm-up")


class Tried(NamedTuple):
    """The whole script, run once.

    ``printed`` are the losses that it printed with all of their digits, each with its place;
    ``startup_seconds`` the time before its own clock began, as seen from outside.
    """

    phase: PhaseFacts
    artifact: ArtifactFacts | None
    printed: Sequence[Scoring]
    startup_seconds: float


class Asked(NamedTuple):
    """The script's model, asked for windows: the mean cost of what counts by each rule, in nats."""

    phase: PhaseFacts
    losses: tuple[float, ...]


def checked(
    bridge: Bridge,
    code: Path,
    track: Track,
    sandbox: Sandbox,
    dataset: Dataset,
    *,
    place: Path,
    seconds: float,
    accelerators: tuple[str, ...] = (),
    skip: int = 0,
    tick: Tick = lambda running: None,
    starting: Callable[[], None] = lambda: None,
) -> "Check":
    """A check that is yet to be made, on a small tree that is written for it.

    Args:
        bridge: what is checked.
        code: the script and what it imports, nothing else; absolute.
        track: a rehearsal makes the script small.
        sandbox: prepared.
        dataset: in the tokens of the script.
        place: an empty directory, absolute; gets tree, logs and artifact.
        seconds: that each run may take.
        accelerators: UUIDs of the GPUs; without them the script has a stand-in.
        skip: see :func:`harness.run.small_tree.write_small_tree`.
        tick: called a few times a second.
        starting: called just before code of theirs can run.

    Raises:
        InfrastructureError: the dataset has no train text, or the disk is full.
    """
    windows = bridge.windows_on(rehearsal=track.rehearsal)
    script, validation = small_script(
        bridge, code, track, dataset, place / "tree", accelerators=accelerators, skip=skip
    )
    return Check(
        script=script,
        sandbox=sandbox,
        validation=validation,
        windows=windows,
        segment=segment_of(bridge, track.adaptive, rehearsal=track.rehearsal).targets or None,
        place=place,
        log=place / "bridge.log",
        seconds=seconds,
        tick=tick,
        starting=starting,
    )


@dataclass
class Check:
    """A bridge and where it is checked; all paths absolute.

    Attributes:
        script: on data whose validation split is ``validation``.
        sandbox: prepared.
        validation: uint16[N].
        windows: by which the script scores itself; None where its model cannot be asked.
        place: an existing directory; gets logs and artifact.
        log: gets the logs of all runs in the end.
        seconds: that each run may take.
        segment: of a loop that is driven; None where nothing learns while it is scored.
        tick: called a few times a second.
        starting: called just before code of theirs can run.
        phases: those that have ended, whatever they led to.
    """

    script: Script
    sandbox: Sandbox
    validation: Tokens
    windows: Windows | None
    place: Path
    log: Path
    seconds: float
    segment: int | None = None
    tick: Tick = lambda running: None
    starting: Callable[[], None] = lambda: None
    phases: list[PhaseFacts] = field(default_factory=list)

    def prove(self) -> BridgeProof:
        """Run the script twice, and compare.

        Raises:
            SubmissionError: it cannot be run, its model cannot be asked, or it prints no loss.
            InfrastructureError: engine, disk or memory of ours failed.
        """
        try:
            tried = self.try_whole()
            if self.windows is None or tried.artifact is None:
                return _proof(None, None, tried)
            file, tokens = self.place / tried.artifact.name, len(self.validation)
            seal = tried.artifact.sha256
            rule = ScriptWindows.of(self.windows, tokens=tokens)
            if not rule.targets:
                raise SubmissionError("windows: no target counts by this rule in the text at hand")
            others = rule.others()
            asked = self.ask(file, seal, windows=Together([rule, *others.values()]))
            loss, *besides = asked.losses
            proof = _proof(loss, printed_as(tried.printed, loss), tried).model_copy(
                update={
                    "other_windows": tuple(
                        OtherWindows(rule=name, loss=other)
                        for name, other in zip(others, besides, strict=True)
                    )
                }
            )
            if self.segment is None:
                return proof
            windows = ScriptWindows.driven(self.windows, tokens=tokens, segment=self.segment)
            driven = self.ask(file, seal, windows=windows)
            apart = [each for each in tried.printed if not agrees_with(each, loss)]
            return proof.model_copy(update=_driven(driven.losses, apart or tried.printed))
        finally:
            join_logs(self._logs, self.log)

    def try_whole(self) -> Tried:
        """Run the script from its first line to its last, with as little training as can be."""
        early, log = self._early(), self._logs[0]
        ran = run_small(
            self._script,
            self.sandbox,
            log=log,
            seconds=self.seconds,
            phases=self.phases,
            early=early,
            tick=self.tick,
            starting=self.starting,
        )
        phase = ran.phase
        # Some stop by a mistake of their own once they have scored.
        printed = [each for each in ran.printed if is_sharp(each)]
        if phase.outcome != "completed" and not printed:
            raise SubmissionError(f"the script, run whole: {ran.ending()}")
        if self.windows is not None and not printed:
            said = "the script printed no loss that it had scored, with four decimals or more"
            raise SubmissionError(with_last_line(said, phase))
        if not ran.printed:
            said = "the script ran to its end and printed no final score that can be read"
            raise SubmissionError(with_last_line(said, phase))
        artifact = phase.early.artifact if phase.early else None
        if early is not None and artifact is None and phase.outcome != "deadline":
            problem = phase.early.problem if phase.early else ""
            raise SubmissionError(f"the script, run whole: {ran.ending()}; {problem}")
        spans = timeline(log, total_seconds=phase.wallclock_seconds)
        startup = math.fsum(span.seconds for span in spans if span.name in _BEFORE_TRAINING)
        return Tried(phase, artifact, printed, startup)

    def _early(self) -> EarlySeal | None:
        if self.script.bridge.artifact is None:
            return None
        name = artifact_in_run(self.script.bridge.artifact.file, seed=SEED, run_id=RUN_ID)
        place = self.place / name
        place.parent.mkdir(parents=True, exist_ok=True)
        limit = self.script.limits.output_bytes
        return EarlySeal(name=name, destination=place, seconds=self.seconds, limit_bytes=limit)

    def ask(
        self,
        artifact: Path,
        sha256: str,
        *,
        windows: ScriptWindows | Together,
        seed: int = ANOTHER_SEED,
    ) -> Asked:
        """Take the script over with an artifact, and ask for windows; by segments, drive its loop.

        Raises: as :meth:`prove`.
        """
        size = self.script.vocabulary_size
        room = Room(TOKENS_AT_ONCE_GPU if self.script.accelerators else TOKENS_AT_ONCE_CPU, size)
        sums = np.zeros(len(windows.windows.starts))
        stream = Stream(self.validation, torch.empty(0).numpy(), -1, size)

        def listen(ask: Ask, answer: Answer, arithmetic: Arithmetic) -> None:
            nats, _ = costs(arithmetic, ask, answer, stream, Kept.none())
            sums[ask.windows] = nats.double().sum(1).cpu().numpy()

        drive = None
        if isinstance(windows, ScriptWindows) and windows.segment is not None:
            drive = drive_of(
                self.script.bridge,
                segment=windows.segment,
                context=windows.context,
                tokens=len(self.validation),
                first=int(self.validation[0]),
                decoy=self.script.decoy_tokens,
            )
        with Channel() as channel, sealed_memory(artifact, sha256=sha256) as memory:
            job = take_over_job(
                self._script,
                self.sandbox,
                seed=seed,
                channel=channel.directory,
                log=self._logs[1 if drive is None else 2],
                drive=drive,
                prepare_seconds=self.seconds,
                starting=self.starting,
            )
            with self.sandbox.start(job) as running:
                said = ""
                try:
                    play(
                        channel,
                        self.validation,
                        windows.schedule(room),
                        slot=windows.slot(room),
                        vocabulary_size=size,
                        workers=max(1, len(self.script.accelerators)),
                        threads=1,
                        alive=lambda: running.wait(0) is None,
                        listen=listen,
                        tick=lambda seconds: self.tick(running),
                        handover=Handover(memory, partial(running.begin_clock, self.seconds)),
                    )
                except AnswerError as error:
                    said = str(error)
                    phase = running.stop()
                except WorkerGone:
                    phase = running.wait(GOODBYE_SECONDS) or running.stop()
                    said = phase.detail or f"it ended with exit code {phase.exit_code}"
                else:
                    phase = running.wait(GOODBYE_SECONDS) or running.stop()
                self.phases.append(phase)
                if said:
                    cause = raised(job.log)
                    said = f"{said}: {cause}" if cause else with_last_line(said, phase)
                    raise SubmissionError(f"taken over: {said}")
        return Asked(phase, tuple(windows.losses(sums)))

    @property
    def _script(self) -> Script:
        return with_share_of_log(self.script, runs=len(self._logs))

    @property
    def _logs(self) -> tuple[Path, Path, Path]:
        return self.place / "whole.log", self.place / "asked.log", self.place / "driven.log"


def _proof(ours: float | None, printed: Scoring | None, tried: Tried) -> BridgeProof:
    return BridgeProof(
        our_loss=ours,
        printed_loss=printed.val_loss if printed else None,
        tolerance_nats=tolerance_of(printed) if printed else TOLERANCE_NATS,
        startup_seconds=tried.startup_seconds,
    )


def _driven(losses: Sequence[float], printed: Sequence[Scoring]) -> dict[str, float | None]:
    """What a driven loop cost, as the proof has it."""
    pairs = [(loss, found) for loss in losses if (found := printed_as(printed, loss))]
    if not pairs:
        return {"driven_loss": losses[0]}
    ours, theirs = min(pairs, key=lambda pair: abs(pair[0] - (pair[1].val_loss or 0.0)))
    return {
        "driven_loss": ours,
        "driven_printed_loss": theirs.val_loss,
        "driven_tolerance_nats": tolerance_of(theirs),
    }
