"""How training ended, and the answer of every rule about a step that each run must pass."""

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
    phases = [run.phase("train") for run in case.seeds]
    done = sum(phase is not None and phase.outcome == "completed" for phase in phases)
    return passed_by_all(case, "training", done, "every training ended by itself with exit code 0")


TRAINING = Rule(
    "training",
    "Every training ended by itself, with exit code 0.",
    _training,
    per_seed=True,
)
