"""How training ended, and the answer of every rule about a step that each run must pass."""

from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status


def passed_by_all(case: Case, rule: str, done: int, good: str) -> Finding:
    """Whether each seed run passed a step; a failure that is reported under ``rule`` decides."""
    found = case.failure(rule)
    status: Status
    if found is not None:
        run, failure = found
        status = "fail" if failure.fault == "submission" else "unknown"
        detail = f"seed {run.seed}: {failure.reason}"
    else:
        complete = bool(case.seeds) and done == len(case.seeds)
        status = "pass" if complete else "unknown"
        detail = good if complete else "not reached"
    return Finding(
        id=rule,
        status=status,
        measured=done,
        limit=len(case.seeds),
        unit="seed runs",
        detail=detail,
    )


def _training(case: Case) -> Finding:
    done = sum(_ended_well(run) for run in case.seeds)
    good = "every training ended by itself with exit code 0"
    if case.plan.entry.layout == "upstream":
        good = "every script trained, and left its artifact before its time was over"
    return passed_by_all(case, "training", done, good)


def _ended_well(run: Run) -> bool:
    """What a script does after its artifact was sealed is its evaluation, not its training."""
    phase = run.phase("train")
    sealed = run.early is not None and run.early.artifact is not None
    return sealed or (phase is not None and phase.outcome == "completed")


TRAINING = Rule(
    "training",
    "Every training ended by itself, with exit code 0; a script that goes on to its own evaluation "
    "left its artifact.",
    _training,
    per_seed=True,
)
