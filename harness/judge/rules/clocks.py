"""How long phases took, and whether the clocks agree."""

from typing import Literal

from harness.evidence.phase import PhaseFacts
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

CLOCK_TOLERANCE_SECONDS = 0.5
STALL_TOLERANCE_SECONDS = 1.0


def _train_wallclock(case: Case) -> Finding | None:
    return _wallclock(case, "train", case.track.budget.train_seconds)


def _score_wallclock(case: Case) -> Finding | None:
    return _wallclock(case, "score", case.track.budget.score_seconds)


def _wallclock(case: Case, step: Literal["train", "score"], budget: float | None) -> Finding | None:
    """The slowest of some phases kept within its budget; None without one."""
    if budget is None:
        return None
    limit = budget * case.plan.time_scale
    phases = [run.phase(step) for run in case.seeds]
    known = [phase for phase in phases if phase is not None and phase.outcome != "lost"]
    late = [phase for phase in known if is_late(phase, limit)]
    worst = max((phase.wallclock_seconds for phase in known), default=None)
    status: Status
    if late and all(_is_doubtful(step, phase) for phase in late):
        status, detail = "unknown", "over the budget, but the harness or a clock stood still"
    elif late:
        killed = any(phase.outcome == "deadline" for phase in known)
        status, detail = "fail", "killed at the limit" if killed else "ended after the limit"
    elif not known or len(known) < len(phases):
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


def is_late(phase: PhaseFacts, limit: float) -> bool:
    """Whether a phase went over its budget in seconds, killed at the limit or not."""
    return phase.outcome == "deadline" or phase.wallclock_seconds > limit


def _is_doubtful(step: str, phase: PhaseFacts) -> bool:
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


def _clocks(case: Case) -> Finding:
    apart = [_seconds_apart(phase) for phase in case.phases if phase.outcome != "lost"]
    worst = max(apart, default=None)
    agree = worst is not None and worst <= CLOCK_TOLERANCE_SECONDS
    return Finding(
        id="clocks",
        status="pass" if agree else "unknown",
        measured=worst,
        limit=CLOCK_TOLERANCE_SECONDS,
        unit="s",
        detail="the sandbox's clock and the harness's own agree"
        if agree
        else "the sandbox's clock and the harness's own disagree"
        if worst is not None
        else "not reached",
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
