"""Whether the bar fell."""

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status


def _significance(case: Case) -> Finding | None:
    result, wanted = case.statistics, case.track.significance.seeds
    if case.track.bar is None:
        return None
    mean, threshold = result.mean_bpb, result.threshold_bpb
    above = mean is not None and threshold is not None and mean >= threshold
    status: Status
    if result.n < wanted:
        status, detail = "unknown", f"{result.n} of {wanted} seeds have a score"
    elif result.case == "tested" and result.significant:
        status, detail = "pass", "the mean lies below the bar by more than the margin"
    elif result.case == "tested" or (result.case == "zero variance" and above):
        status, detail = (
            "fail",
            "the mean does not lie below the bar by the margin"
            if above
            else "below the threshold, but the seeds scatter too much to be sure",
        )
    elif result.case == "zero variance":
        status, detail = "unknown", "all seeds score the same; a human must see why"
    else:
        status, detail = "unknown", f"no test possible: {result.case}"
    return Finding(
        id="significance",
        status=status,
        measured=result.p,
        limit=result.p_below,
        unit="p",
        detail=detail,
    )


SIGNIFICANCE = Rule(
    "significance",
    "The t-test shows that the mean lies below the bar by more than the margin.",
    _significance,
    better="lower",
)
