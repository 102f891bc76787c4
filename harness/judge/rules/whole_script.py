"""What is asked of a script that trains, seals and evaluates in one phase: upstream's layout.

The budget of training ends where its artifact is copied out; the script then goes on. What is
scored is the copy, so a file that differs at the end was changed when the time was over.
"""

from collections.abc import Iterator

from harness.evidence.phase import EarlySealFacts, PhaseFacts
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.clocks import is_doubtful, is_late
from harness.models import Finding, Status


def _total_wallclock(case: Case) -> Finding | None:
    train, score = case.track.budget.train_seconds, case.track.budget.score_seconds
    if case.plan.entry.layout != "upstream" or train is None or score is None:
        return None
    limit = (train + score) * case.plan.time_scale
    phases = list(_phases(case))
    known = [phase for phase in phases if phase is not None and phase.outcome != "lost"]
    late = [phase for phase in known if is_late(phase, limit)]
    status: Status = "pass"
    detail = "the slowest run of the whole script, its own evaluation included"
    if late and all(is_doubtful("train", phase) for phase in late):
        status, detail = "unknown", "over both budgets, but a clock stood still"
    elif late:
        status = "fail"
        killed = any(phase.outcome == "deadline" for phase in late)
        detail = "killed at the limit" if killed else "ended after the limit"
    elif not known or len(known) < len(phases):
        status, detail = "unknown", "not reached in every run"
    return Finding(
        id="total_wallclock",
        status=status,
        measured=max((phase.wallclock_seconds for phase in known), default=None),
        limit=limit,
        unit="s",
        detail=detail,
    )


def _phases(case: Case) -> Iterator[PhaseFacts | None]:
    for run in case.seeds:
        yield run.phase("train")
    for run in case.reproductions:
        yield run.phase("reproduce")


def _sealed(case: Case) -> Finding | None:
    if case.plan.entry.layout != "upstream":
        return None
    found = [(run, run.early) for run in case.seeds]
    kept = [run for run, early in found if run.artifact is not None and _was_kept(early)]
    other = [(run, early) for run, early in found if early is not None and differs(early)]
    status: Status
    if other:
        run, early = other[0]
        status, detail = "fail", f"seed {run.seed}: {in_words(early)}"
    elif not found or len(kept) < len(found):
        status, detail = "unknown", "not reached in every seed run"
    else:
        status, detail = "pass", "what was sealed in time is what was there at the end"
        if away := [run for run, early in found if early is not None and early.at_end == "gone"]:
            detail = f"seed {away[0].seed}: what was sealed in time was put away later"
    return Finding(
        id="sealed",
        status=status,
        measured=len(kept),
        limit=len(found),
        unit="seed runs",
        detail=detail,
    )


def _was_kept(early: EarlySealFacts | None) -> bool:
    """Where none was sealed early, it was sealed when the script had ended."""
    # Who moves or removes his artifact when it is sealed has made no other one.
    return early is None or early.at_end in ("same", "gone")


def differs(early: EarlySealFacts) -> bool:
    """Whether what was sealed was another file at the end."""
    return early.artifact is not None and early.at_end == "changed"


def in_words(early: EarlySealFacts) -> str:
    """When a file was sealed, and what became of it."""
    when = {
        "read": f"it was read back after {early.seconds:.2f} s",
        "budget": f"the budget of training was over after {early.seconds:.2f} s",
        "end": "the script ended",
    }[early.by]
    name = early.artifact.name if early.artifact else "the artifact"
    return f"{name} was sealed when {when}, and was {early.at_end} at the end"


TOTAL_WALLCLOCK = Rule(
    "total_wallclock",
    "A whole script, with its own evaluation, kept within both budgets together.",
    _total_wallclock,
    better="lower",
    per_seed=True,
)
SEALED = Rule(
    "sealed",
    "The artifact that a script left when its time was over was the same at its end.",
    _sealed,
    better="equal",
    per_seed=True,
)
