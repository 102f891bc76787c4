"""Whether a verification is lost by its scores alone, so that its last run is not asked again.

Asking again costs as much as scoring, and most entries are stopped after their first score. What
such a run would answer changes nothing: the look that its score completes is hopeless, and the
verdict REJECTED.

No cheater is accepted by way of this. It leaves a question open and answers none: a run that was
not asked again leaves ``causality`` and ``memory`` unknown, whatever the reason was. While either
is unknown nothing is accepted, a rehearsal is inconclusive, and no recorded decision settles it. So
every run that takes part in an acceptance was asked again. What is left to a cheater is to be
rejected for his score and not for his look ahead. Nor does it help him to be scored badly in one
run: that score counts with all others.

The reason is written down with the run; the rules read it for their sentence alone.
"""

from collections.abc import Sequence
from statistics import fmean

from harness.contest.significance import Significance
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.judge.comparison import compare_with_bar


def hopeless_by_score(plan: Plan, runs: Sequence[Run], scored: Run) -> str:
    """Why a run need not be asked again; empty where it has to be.

    Args:
        plan: of the verification.
        runs: the tries that count of other draws. One that has not ended, or was lost, does not.
        scored: the run itself, with its score, and with those of its lost tries beside it.
    """
    threshold = compare_with_bar((), plan=plan, track=plan.track).threshold_bpb
    if threshold is None:
        return ""
    counts = {run.draw: run.bpb for run in runs if not run.lost}
    counts[scored.draw] = scored.bpb
    scores: list[float] = []
    for draw in plan.draws_for("look"):
        bpb = counts.get(draw.number)
        if bpb is None:
            break  # a look sees the scores in the order of the draws
        scores.append(bpb)
        if draw.number == scored.draw:
            return hopeless(plan.track.significance, scores, threshold=threshold)
    return ""


def hopeless(significance: Significance, scores: Sequence[float], *, threshold: float) -> str:
    """Why scores, in the order of the draws, are stopped as hopeless at one of the looks.

    Empty where they are not, or where a look before may have accepted them: then only the test can
    tell, and what it would say is not asked here. A hopeless mean lies above ``threshold``, the bar
    less the margin in BPB, so no test accepts it at the same look.
    """
    for look in significance.schedule:
        if len(scores) < look.runs:
            break
        mean = fmean(scores[: look.runs])
        limit = look.hopeless_above(threshold, field_sd_bpb=significance.field_sd_bpb)
        if limit is not None and mean > limit:
            return (
                f"after {look.runs} of {significance.most_runs} runs the mean is "
                f"{mean:.6f} BPB, and above {limit:.6f} the track stops as hopeless"
            )
        if look.accept_below is not None and mean < threshold:
            break
    return ""
