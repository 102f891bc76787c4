"""What took how long, and whether the clocks that say so agree."""

from collections.abc import Sequence

from harness.evidence.facts import PhaseFacts, SeedRun
from harness.judge.verdict import Check, CheckId
from harness.models import Status

CLOCK_TOLERANCE_SECONDS = 0.5
STALL_TOLERANCE_SECONDS = 1.0


def check_wallclock(identity: CheckId, limit: float, phases: Sequence[PhaseFacts | None]) -> Check:
    """The slowest of some phases kept within its budget; ``None`` is a phase not reached."""
    known = [phase for phase in phases if phase is not None and phase.outcome != "lost"]
    late = [phase for phase in known if is_late(phase, limit)]
    worst = max((phase.wallclock_seconds for phase in known), default=None)
    status: Status
    if late and all(_is_doubtful(phase) for phase in late):
        status, detail = "unknown", "over the budget, but the harness or a clock stood still"
    elif late:
        killed = any(phase.outcome == "deadline" for phase in known)
        status, detail = "fail", "killed at the limit" if killed else "ended after the limit"
    elif not known or len(known) < len(phases):
        status, detail = "unknown", "not reached in every seed run"
    else:
        status, detail = "pass", "worst seed; the engine's StartedAt to FinishedAt"
    return Check(id=identity, status=status, measured=worst, limit=limit, unit="s", detail=detail)


def is_late(phase: PhaseFacts, limit: float) -> bool:
    """Whether a phase went over its budget in seconds, killed at the limit or not."""
    return phase.outcome == "deadline" or phase.wallclock_seconds > limit


def _is_doubtful(phase: PhaseFacts) -> bool:
    """Whether a wallclock may be our doing: scoring waits for a harness that stands still."""
    stalled = phase.phase == "score" and phase.stalled_seconds > STALL_TOLERANCE_SECONDS
    return stalled or _seconds_apart(phase) > CLOCK_TOLERANCE_SECONDS


def _seconds_apart(phase: PhaseFacts) -> float:
    """How far the engine's clock lies outside of what our monotonic clock brackets."""
    return max(
        phase.harness_seconds_low - phase.wallclock_seconds,
        phase.wallclock_seconds - phase.harness_seconds_high,
        0.0,
    )


def check_clocks(runs: Sequence[SeedRun]) -> Check:
    """The engine's clock lies within what our monotonic clock brackets, give or take."""
    apart = [_seconds_apart(phase) for phase in phases_of(runs) if phase.outcome != "lost"]
    worst = max(apart, default=None)
    agree = worst is not None and worst <= CLOCK_TOLERANCE_SECONDS
    return Check(
        id="clocks",
        status="pass" if agree else "unknown",
        measured=worst,
        limit=CLOCK_TOLERANCE_SECONDS,
        unit="s",
        detail="the engine's clock and the harness's own agree"
        if agree
        else "the engine's clock and the harness's own disagree"
        if worst is not None
        else "not reached",
    )


def phases_of(runs: Sequence[SeedRun]) -> list[PhaseFacts]:
    """Every phase that was begun, in the order of the seeds."""
    phases = [phase for run in runs for phase in (run.train, run.score, run.probe, run.holdout)]
    return [phase for phase in phases if phase is not None]
