"""Whether the model is as good on documents that were never published.

A gap says so only where it is as honest there: who remembers the published text could look ahead in
the others by as much. So targets of those are asked again too, as of the published ones.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from harness.evidence.results import Gap, Scores
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.asked_again import Answer, not_all_answered
from harness.judge.rules.causality import doubtful, gain_below_of, of_seed
from harness.models import Finding, Status


def _holdout(case: Case) -> Finding | None:
    """None where the track names no unpublished documents, or no score of ours is at stake.

    It fails if the gap is larger than the track tolerates, and neither the spread of the seeds
    (one-sided t-test) nor the scatter of the documents (normal) explains the excess; or if the
    model looks ahead in the unpublished documents.
    """
    holdout, p_below = case.track.holdout, case.track.significance.p_below
    if holdout is None or case.plan.once_blind:
        return None
    allowed = holdout.reference_gap_bpb + holdout.tolerance_bpb
    gaps = [run.gap for run in case.seeds if run.gap is not None]
    mean = fmean(gap.gap_bpb for gap in gaps) if gaps else None
    found = case.failure("holdout")
    status: Status
    if found is not None:
        run, failure = found
        status = "fail" if failure.fault == "submission" else "unknown"
        detail = f"seed {run.seed}: {failure.reason}"
    elif mean is None or len(gaps) < len(case.seeds) or len(gaps) < 2 or p_below is None:
        status, detail = "unknown", "not scored on the unpublished documents in every seed run"
    elif beyond_chance(
        [gap.gap_bpb - allowed for gap in gaps],
        [gap.standard_error_bpb for gap in gaps],
        p_below=p_below,
    ):
        status, detail = "fail", _in_words(gaps, "better than")
    elif doubt := _looks_ahead(case):
        status, detail = doubt.status, f"unpublished documents: {doubt.detail}"
    else:
        status, detail = "pass", _in_words(gaps, "as good as")
    return Finding(
        id="holdout", status=status, measured=mean, limit=allowed, unit="BPB", detail=detail
    )


def _looks_ahead(case: Case) -> Answer | None:
    """Why the score of the unpublished documents may be too good; None where it is not."""
    asked = [(run.holdout_probes, run.result("holdout", Scores)) for run in case.seeds]
    probed = [(run.seed, run.holdout_probes) for run in case.seeds if run.holdout_probes]
    if len(probed) < len(case.seeds):
        return Answer("unknown", "they were not asked again in every seed run")
    answer = next((found for seed, p in probed if (found := of_seed(case, seed, p))), None)
    bound, below = case.track.probes.bound, gain_below_of(case, asked)
    if answer is not None or bound is None:
        return answer
    whole = [probes for _, probes in probed]
    return not_all_answered(whole) or doubtful(case, bound, whole, below)


def _in_words(gaps: Sequence[Gap], how: str) -> str:
    here, there = fmean(g.validation_bpb for g in gaps), fmean(g.holdout_bpb for g in gaps)
    return (
        f"{here:.4f} BPB on the published documents, {there:.4f} on the unpublished: {how} the "
        "unpublished ones predict"
    )


def beyond_chance(excess: Sequence[float], errors: Sequence[float], *, p_below: float) -> bool:
    """Whether gaps exceed what is tolerated by more than seeds and documents explain.

    ``excess``, one a seed run, and ``errors``, the standard errors of the gaps, are in BPB.
    """
    from scipy import special

    mean = fmean(excess)
    # Every seed is scored on the same documents: their scatter does not average out over seeds.
    if mean <= -float(special.ndtri(p_below)) * fmean(errors):
        return False
    deviation = stdev(excess)
    if deviation <= 1e-12 * abs(mean):
        return True
    t = mean / deviation * math.sqrt(len(excess))
    return float(special.stdtr(len(excess) - 1, -t)) < p_below


HOLDOUT = Rule(
    "holdout",
    "The model is no better on the published documents than the unpublished ones predict.",
    _holdout,
    better="lower",
)
