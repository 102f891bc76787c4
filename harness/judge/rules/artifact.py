"""What training left, and what it weighs together with the code."""

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.training import passed_by_all
from harness.models import Finding, Status


def _artifact(case: Case) -> Finding:
    done = sum(run.artifact is not None for run in case.seeds)
    return passed_by_all(case, "artifact", done, "one regular file a run, hashed and sealed")


def _bytes(case: Case) -> Finding:
    code, limit = case.code_bytes, case.track.budget.bytes
    sizes = [run.artifact.bytes + code for run in case.seeds if run.artifact is not None]
    worst = max(sizes, default=None)
    status: Status
    if worst is not None and worst > limit:
        status, detail = "fail", f"{worst - limit:,} bytes over the cap"
    elif worst is None or len(sizes) < len(case.seeds):
        status, detail = "unknown", "no artifact to weigh in every seed run"
    else:
        status, detail = "pass", f"largest artifact + {code:,} bytes of code"
    return Finding(
        id="bytes", status=status, measured=worst, limit=limit, unit="bytes", detail=detail
    )


ARTIFACT = Rule(
    "artifact",
    "Every training left one regular file that could be sealed.",
    _artifact,
    per_seed=True,
)
BYTES = Rule(
    "bytes",
    "Code and the largest artifact together fit under the cap.",
    _bytes,
    better="lower",
    per_seed=True,
)
