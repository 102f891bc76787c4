"""The messages of a running verification."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.evidence.steps import Step
from harness.evidence.store import RunDirectory
from harness.judge.judge import trouble_of
from harness.judge.way_on import folder_of, log_of
from harness.report.figures import number
from harness.report.growing_log import GrowingLog, Steps
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.safeio.text import plain

LINE_LIMIT = 500
_LAST_SECONDS = 2.0
"""Before a limit, in which nothing is read: whoever waits there holds the stopwatch."""
_TRAININGS = frozenset({"train", "reproduce"})


class Pace:
    """How long the runs of a verification took so far, and so how long those that are left may.

    Runs are told apart by their role: a preparation says nothing of a seed.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._plan = directory.plan
        self._seconds: dict[int, float] = {}

    def ended(self, run: Run) -> None:
        """Take note of a run that has ended; one that failed early says nothing of the others."""
        phases = [phase for step in run.steps for phase in step.phases]
        if run.role == "seed" and run.scores is not None:
            self._seconds[run.draw] = sum(phase.wallclock_seconds for phase in phases)

    def left(self, run: Run, elapsed_seconds: float) -> str:
        """:meth:`left_seconds` in words; empty if unknown."""
        seconds = self.left_seconds(run, elapsed_seconds)
        return "" if seconds is None else f"{roughly(seconds)} left"

    def left_seconds(self, run: Run, elapsed_seconds: float) -> float | None:
        """How long it takes until the seeds of a run's purpose are done; None if unknown.

        Args:
            run: under way, with the steps that it has done.
            elapsed_seconds: of the step that is under way.
        """
        if run.role != "seed" or not self._seconds:
            return None
        each = sum(self._seconds.values()) / len(self._seconds)
        purpose = self._plan.draws[run.draw].purpose
        same = [draw.number for draw in self._plan.draws_for(purpose)]
        done = sum(phase.wallclock_seconds for step in run.steps for phase in step.phases)
        own = max(0.0, each - done - elapsed_seconds)
        return own + each * (len(same) - 1 - same.index(run.draw))


def roughly(seconds: float) -> str:
    """A time that is an estimate: about so many minutes, or less than one."""
    if seconds < 45:
        return "half a minute" if seconds >= 20 else "a few seconds"
    minutes = max(1, round(seconds / 60))
    return f"about {minutes} min" if minutes < 100 else f"about {minutes / 60:.0f} h"


@dataclass(frozen=True)
class RunningStep:
    """One step of one run; ``limit_seconds`` is null where it has no budget.

    ``left`` says in how many seconds all seeds of its kind are done, None where that is unknown;
    ``log`` is read for what a training says of itself, ``bpb`` what was scored so far costs.
    """

    title: str
    limit_seconds: float | None
    elapsed_seconds: float = 0.0
    last_line: str = ""
    targets_done: int = 0
    targets_total: int = 0
    tokens_per_second: float = 0.0
    bpb: float | None = None
    left: Callable[[float], float | None] = lambda elapsed_seconds: None
    log: GrowingLog | None = None

    @classmethod
    def begun(
        cls,
        directory: RunDirectory,
        run: Run,
        step: Step,
        limit_seconds: float | None,
        pace: Pace | None = None,
    ) -> "RunningStep":
        """The step when it begins, with a title like ``seed 2 of 3 (1804289383): training``.

        ``pace``: that of the runs before, from which it is told how long the rest takes.
        """
        purpose = directory.plan.draws[run.draw].purpose
        same = [draw.number for draw in directory.plan.draws_for(purpose)]
        name = "fresh seed" if purpose == "confirmation" else run.role
        which = f"{name} {same.index(run.draw) + 1} of {len(same)} ({run.seed})"
        title = f"{run.role if len(same) == 1 else which}: {step.label}"
        log = None
        if step.name in _TRAININGS and step.log:
            log = GrowingLog(directory.path / folder_of(run) / step.log)
        if pace is None:
            return cls(title, limit_seconds, log=log)
        return cls(
            title, limit_seconds, left=lambda elapsed: pace.left_seconds(run, elapsed), log=log
        )

    def at(
        self,
        elapsed_seconds: float,
        last_line: str,
        *,
        targets_done: int,
        targets_total: int,
        tokens_per_second: float,
        bpb: float | None = None,
    ) -> "RunningStep":
        """The same step, later; the line becomes plain text, and the log is looked at."""
        until = math.inf if self.limit_seconds is None else self.limit_seconds - elapsed_seconds
        if self.log is not None and until > _LAST_SECONDS:
            self.log.look()
        return replace(
            self,
            elapsed_seconds=elapsed_seconds,
            last_line=plain(last_line, LINE_LIMIT),
            targets_done=targets_done,
            targets_total=targets_total,
            tokens_per_second=tokens_per_second,
            bpb=bpb if bpb is not None and math.isfinite(bpb) else None,
        )

    @property
    def heading(self) -> str:
        """The title, and about how long it takes until all of its kind are done."""
        left = self.left(self.elapsed_seconds)
        return self.title if left is None else f"{self.title}, {roughly(left)} left"

    @property
    def clock(self) -> str:
        """Elapsed seconds, and the budget."""
        limit = "" if self.limit_seconds is None else f" of {number(self.limit_seconds)}"
        return f"{self.elapsed_seconds:,.1f}{limit} s"

    @property
    def scored(self) -> str:
        """Targets scored and the rate; empty while nothing has been scored."""
        if not self.targets_total:
            return ""
        share = 100 * self.targets_done / self.targets_total
        return (
            f"{self.targets_done:,} of {self.targets_total:,} targets ({share:.0f} %), "
            f"{self.tokens_per_second:,.0f} tokens/s"
        )

    @property
    def cost(self) -> str:
        """About what was scored so far costs; empty while nothing has been scored."""
        return "" if self.bpb is None else f"about {self.bpb:,.4f} BPB so far"

    @property
    def loss(self) -> str:
        """The training's loss by its own log, and how far it says that it is; empty without."""
        last = self.log.last if self.log is not None else None
        if self.log is None or last is None:
            return ""
        first = self.log.points[0].loss
        said = (
            f"{last.loss:,.4g}"
            if last is self.log.points[0]
            else f"{first:,.4g} to {last.loss:,.4g}"
        )
        steps = self._steps()
        if steps is not None:
            of = f" of {steps.planned:,}" if steps.planned else ""
            said += f", step {steps.done:,}{of}"
        return f"{said} (by its log)"

    @property
    def end(self) -> str:
        """When this step ends, and when all seeds of its kind; empty where neither is known."""
        parts = []
        steps, seconds = self._steps(), self._step_left()
        if seconds is not None:
            parts.append(f"this step in {roughly(seconds)}")
            if steps is not None and steps.at_limit is not None:
                parts[0] = f"time is up in {roughly(seconds)}, at about step {steps.at_limit:,}"
        left = self.left(self.elapsed_seconds)
        if left is not None:
            at = time.strftime("%H:%M", time.localtime(time.time() + left))
            parts.append(f"all seeds in {roughly(left)}, at {at}")
        return "; ".join(parts)

    def _steps(self) -> Steps | None:
        return (
            None if self.log is None else self.log.steps(self.elapsed_seconds, self.limit_seconds)
        )

    def _step_left(self) -> float | None:
        if self.targets_total and self.tokens_per_second > 0:
            return (self.targets_total - self.targets_done) / self.tokens_per_second
        steps = self._steps()
        return None if steps is None else steps.left_seconds


def opening(directory: RunDirectory) -> list[str]:
    """What is about to run, where, and with which seeds: a title and some lines."""
    plan = directory.plan
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    isolated = "" if plan.required.isolated else " (rehearsal: not isolated)"
    return [
        f'verifying "{plain(plan.entry.name, NAME_LIMIT)}" '
        f"on track {plan.track.name}, edition {plain(plan.track.edition, NAME_LIMIT)}",
        f"sandbox {plan.required.sandbox}{isolated}, "
        f"dataset {plain(plan.texts.dataset.name, NAME_LIMIT)}",
        f"seeds {seeds} ({'chosen by hand' if plan.chosen_by_hand else 'drawn'}{_looks(plan)})",
        *_more_time(plan),
        f"evidence in {plain(str(directory.path), PATH_LIMIT)}",
    ]


def _more_time(plan: Plan) -> list[str]:
    """That every budget is larger than the track's, where it is."""
    if plan.time_scale == 1:
        return []
    return [f"every budget is {plan.time_scale:g} times the track's: a rehearsal, never a record"]


def _looks(plan: Plan) -> str:
    """After how many seeds it is looked whether to go on; empty where that is after the last."""
    runs = [str(look.runs) for look in plan.track.significance.looks or ()]
    return f"; looked at after {', '.join(runs[:-1])} and {runs[-1]}" if len(runs) > 1 else ""


def closing(directory: RunDirectory, run: Run) -> str:
    """The result of a run, on one line, with the log to open where it failed or was killed."""
    name = f"{run.role} {run.seed}:" if run.role != "preparation" else "preparation:"
    parts = []
    if run.scores is not None:
        parts.append(f"{number(run.scores.val_bpb, 'BPB')} BPB")
    if run.artifact is not None:
        parts.append(f"artifact {run.artifact.bytes:,} bytes")
    if run.tokenizer is not None and not run.tokenizer.problem:
        parts.append(f"{run.tokenizer.validation_tokens:,} validation tokens")
    timed: tuple[StepName, ...] = ("train", "score")
    for step in timed:
        facts = run.phase(step)
        if facts is not None:
            parts.append(f"{step} {facts.wallclock_seconds:,.1f} s")
    failed = next((step for step in run.steps if step.failure is not None), None)
    without = "no score, " if run.scores is None else ""
    if run.failure is not None and failed is not None:
        reason = plain(run.failure.reason, DETAIL_LIMIT)
        parts.append(f"{without}{failed.name} failed ({run.failure.fault}): {reason}")
    elif killed := trouble_of(run):
        parts.append(f"{without}{plain(killed, DETAIL_LIMIT)}")
    said = f"{name} {', '.join(parts)}" if parts else f"{name} nothing measured"
    log = log_of(run)
    return f"{said}; see {plain(f'{directory.path}/{log}', PATH_LIMIT)}" if log else said
