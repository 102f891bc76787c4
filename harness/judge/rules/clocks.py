"""How long phases took, and whether the clocks agree."""

from typing import Literal, NamedTuple

from harness.evidence.phase import PhaseFacts
from harness.evidence.run import Run
from harness.evidence.step_names import StepName
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.slowness import named, why_slow
from harness.models import Finding, Status

CLOCK_TOLERANCE_SECONDS = 0.5
STALL_TOLERANCE_SECONDS = 1.0


def _train_wallclock(case: Case) -> Finding | None:
    return _wallclock(case, "train", case.track.budget.train_seconds)


def _score_wallclock(case: Case) -> Finding | None:
    if not case.plan.entry.asked:
        return None
    return _wallclock(case, "score", case.track.budget.score_seconds)


def _wallclock(case: Case, step: Literal["train", "score"], budget: float | None) -> Finding | None:
    """The slowest of some phases kept within its budget; None without one."""
    if budget is None:
        return None
    limit = budget * case.plan.time_scale
    timed = [(run, run.phase(step), charged_seconds(run, step, limit=limit)) for run in case.seeds]
    known = [
        (run, phase, seconds)
        for run, phase, seconds in timed
        if phase is not None and seconds is not None
    ]
    worst = max((seconds for _, _, seconds in known), default=None)
    late = [
        (run, phase, seconds)
        for run, phase, seconds in known
        if seconds > limit or (phase.outcome == "deadline" and not _goes_on(run, step))
    ]
    status: Status
    if late:
        run, phase, _ = max(late, key=lambda each: each[2])
        who = f"seed {run.seed}{why_slow(case, run, step, phase)}"
    if late and all(is_doubtful(step, phase) for _, phase, _ in late):
        status = "unknown"
        detail = f"over the budget, but the harness or a clock stood still: {who}"
    elif late:
        killed = any(phase.outcome == "deadline" for _, phase, _ in known)
        status = "fail"
        detail = f"{'killed at the limit' if killed else 'ended after the limit'}: {who}"
    elif not known or len(known) < len(timed):
        status, detail = "unknown", "not reached in every seed run"
    else:
        status, detail = "pass", "worst seed; from the start of its sandbox to its end"
    return Finding(
        id=f"{step}_wallclock",
        status=status,
        measured=worst,
        limit=limit,
        unit="s",
        detail=detail,
    )


def _goes_on(run: Run, step: str) -> bool:
    """Whether what a step is charged for was over before its phase was."""
    return step == "train" and run.early is not None and run.early.artifact is not None


def charged_seconds(run: Run, step: StepName, *, limit: float | None) -> float | None:
    """What a run is charged for training or scoring; None for a phase of which nothing is known.

    A script that goes on to its own evaluation is charged until its artifact was sealed; what was
    sealed because the budget was over has used the budget.
    """
    phase = run.phase(step)
    if phase is None or phase.outcome == "lost":
        return None
    early = run.early if step == "train" else None
    if early is None:
        return phase.charged_seconds
    if early.by == "budget" and limit is not None:
        return min(early.seconds, limit)
    return early.seconds


def is_late(phase: PhaseFacts, limit: float) -> bool:
    """Whether a phase went over its budget in seconds, killed at the limit or not."""
    return phase.outcome == "deadline" or phase.charged_seconds > limit


def is_doubtful(step: str, phase: PhaseFacts) -> bool:
    """Whether our side may have caused it: scoring waits while the harness stands still."""
    stalled = step == "score" and phase.stalled_seconds > STALL_TOLERANCE_SECONDS
    return stalled or _seconds_apart(phase) > CLOCK_TOLERANCE_SECONDS


def _seconds_apart(phase: PhaseFacts) -> float:
    """How far the engine's clock is outside the interval that our monotonic clock gives."""
    return max(
        phase.harness_seconds_low - phase.wallclock_seconds,
        phase.wallclock_seconds - phase.harness_seconds_high,
        0.0,
    )


class Apart(NamedTuple):
    """A phase, and by how many seconds its two clocks differ."""

    seconds: float
    run: Run
    step: StepName
    phase: PhaseFacts


def farthest_apart(case: Case) -> Apart | None:
    """The phase whose clocks differ most; None before any ended."""
    every = (
        Apart(_seconds_apart(phase), run, step.name, phase)
        for run in case.runs
        for step in run.steps
        for phase in step.phases
        if phase.outcome != "lost"
    )
    return max(every, key=lambda each: each.seconds, default=None)


def _clocks(case: Case) -> Finding:
    worst = farthest_apart(case)
    agree = worst is not None and worst.seconds <= CLOCK_TOLERANCE_SECONDS
    if worst is None:
        detail = "not reached"
    elif agree:
        detail = "the sandbox's clock and the harness's own agree"
    else:
        detail = f"the sandbox's clock and the harness's own disagree: {_in_words(case, worst)}"
    return Finding(
        id="clocks",
        status="pass" if agree else "unknown",
        measured=None if worst is None else worst.seconds,
        limit=CLOCK_TOLERANCE_SECONDS,
        unit="s",
        detail=detail,
    )


def _in_words(case: Case, apart: Apart) -> str:
    """Which phase it was, what both clocks say, and what may have held one of them up."""
    facts = apart.phase
    low, high = facts.harness_seconds_low, facts.harness_seconds_high
    return (
        f"{named(apart.run, apart.step)}: {facts.wallclock_seconds:.1f} s by the first, "
        f"{low:.1f} to {high:.1f} s by ours{why_slow(case, apart.run, apart.step, facts)}"
    )


TRAIN_WALLCLOCK = Rule(
    "train_wallclock",
    "Training kept within its budget, compilation, warm-up and compression included.",
    _train_wallclock,
    better="lower",
    per_seed=True,
)
SCORE_WALLCLOCK = Rule(
    "score_wallclock",
    "Scoring kept within its budget, loading and dequantization included.",
    _score_wallclock,
    better="lower",
    per_seed=True,
)
CLOCKS = Rule(
    "clocks",
    "The sandbox's clock agrees with the harness's own clock.",
    _clocks,
    better="lower",
)
