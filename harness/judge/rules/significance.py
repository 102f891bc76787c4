"""Whether the bar fell."""

from harness.judge.asked import bar_under
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.tested import LookResult, StatisticsResult
from harness.models import Finding, Status


def _significance(case: Case) -> Finding | None:
    asked = bar_under(case.plan, case.track)
    return None if asked is None else answer_of(case.statistics)


def answer_of(result: StatisticsResult) -> Finding:
    """The finding of the looks at a test against a bar."""
    status, detail = _answer(result)
    return Finding(
        id="significance",
        status=status,
        measured=result.p,
        limit=result.asked_level,
        unit="p",
        detail=detail,
    )


def _answer(result: StatisticsResult) -> tuple[Status, str]:
    looks, seen, needed = result.looks or (), result.seen, result.runs_needed
    if seen is None or seen.outcome == "went on":
        until = "" if len(looks) < 2 else " before the next look"
        wanted = needed or 0  # of which one at least is missing, wherever it is
        return "unknown", f"{min(result.n, wanted - 1)} of {wanted} seeds{until} have a score"
    most = looks[-1].runs
    after = "" if len(looks) < 2 else f"after {seen.runs} of {most} seeds: "
    if seen.outcome == "accepted":
        return "pass", f"{after}the mean lies below the bar by more than the margin"
    if seen.outcome == "hopeless":
        return "fail", _stopped(result, seen, most)
    return _not_shown(result, after)


def _stopped(result: StatisticsResult, seen: LookResult, most: int) -> str:
    """Why a look was the last one, though the bar may have fallen later by luck."""
    above = (seen.mean_bpb or 0.0) - (result.threshold_bpb or 0.0)
    return (
        f"stopped after {seen.runs} of {most}: not shown to beat the bar, the mean lies "
        f"{above:.6f} BPB above the threshold, more than {seen.hopeless_above_sd:g} of the "
        f"field's deviations of {result.field_sd_bpb:g}"
    )


def _not_shown(result: StatisticsResult, after: str) -> tuple[Status, str]:
    """After the last look: not below, not shown to be, or nothing that can be tested."""
    mean, threshold = result.mean_bpb, result.threshold_bpb
    above = mean is not None and threshold is not None and mean >= threshold
    if above and result.case in ("tested", "zero variance"):
        return "fail", f"{after}the mean does not lie below the bar by the margin"
    if result.case == "tested":
        spread = "below the threshold, but the spread of the seeds is too large to be sure"
        return "fail", f"{after}{spread}"
    if result.case == "zero variance":
        said = "all seeds score the same, and by their own spread nothing can be tested"
        return "unknown", f"{after}{said}"
    if result.case == "no record seeds":
        return "unknown", f"{after}no test possible: the scores of the record's seeds are unknown"
    return "unknown", f"{after}no test possible: {result.case}"


SIGNIFICANCE = Rule(
    "significance",
    "The track's test shows that the mean lies below the bar by more than the margin.",
    _significance,
    better="lower",
)
