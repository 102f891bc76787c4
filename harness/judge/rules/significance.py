"""Whether the bar fell."""

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.verdict import StatisticsResult
from harness.models import Finding, Status


def _significance(case: Case) -> Finding | None:
    if case.track.bar is None:
        return None
    return answer_of(case.statistics, seeds=case.track.significance.most_runs)


def answer_of(result: StatisticsResult, *, seeds: int) -> Finding:
    """The finding of a test against a bar, where the track asks for ``seeds`` seeds."""
    mean, threshold = result.mean_bpb, result.threshold_bpb
    above = mean is not None and threshold is not None and mean >= threshold
    status: Status
    if result.n < seeds:
        status, detail = "unknown", f"{result.n} of {seeds} seeds have a score"
    elif result.case == "tested" and result.significant:
        status, detail = "pass", "the mean lies below the bar by more than the margin"
    elif result.case == "tested" or (result.case == "zero variance" and above):
        status, detail = (
            "fail",
            "the mean does not lie below the bar by the margin"
            if above
            else "below the threshold, but the spread of the seeds is too large to be sure",
        )
    elif result.case == "zero variance":
        status, detail = "unknown", "all seeds score the same; a human must find out why"
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
