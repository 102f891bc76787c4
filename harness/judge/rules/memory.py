"""Whether a model that declares no memory answers the same in whatever order it is asked."""

from collections.abc import Sequence

from harness.contest.track import Bound
from harness.evidence.results import Recall
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.asked_again import (
    Answer,
    differs_by_itself,
    far_slower,
    not_all_answered,
)
from harness.judge.rules.training import passed_by_all
from harness.models import Finding
from harness.statistics.probe_bounds import FAILS_AT, Sample, pooled, reach, upper_bound


def _memory(case: Case) -> Finding | None:
    bound = case.track.probes.memory
    if bound is None or case.plan.entry.score.adaptive:
        return None
    asked = [(run, run.recall) for run in case.seeds if run.recall is not None]
    if case.failure("memory"):
        return passed_by_all(case, "memory", len(asked), "")
    worst = max((recall.largest_change_nats for _, recall in asked), default=None)
    answer = next((found for run, r in asked if (found := _of_seed(case, bound, run, r))), None)
    if answer is None:
        answer = _of_all(case, bound, [recall for _, recall in asked])
    return Finding(
        id="memory",
        status=answer.status,
        measured=worst,
        limit=case.track.probes.largest_change_nats,
        unit="nats",
        detail=answer.detail,
    )


def _of_seed(case: Case, bound: Bound, run: Run, recall: Recall) -> Answer | None:
    change, largest = recall.changes.sample, recall.largest_change_nats
    random = differs_by_itself(run.probes, change=largest) if run.probes else None
    if largest > case.track.probes.largest_change_nats:
        said = (
            f"asked in another order, it answered otherwise for token {recall.worst_target} of the "
            "stream: it remembers earlier windows, and declares no memory"
        )
        return random.of_seed(run.seed) if random else Answer("fail", f"seed {run.seed}: {said}")
    if abs(change.mean) - FAILS_AT * change.error > bound.tolerance_nats:
        return Answer(
            "fail",
            f"seed {run.seed}: the order of windows moves targets by {change.mean:.4f} nats on "
            f"average; the tolerance is {bound.tolerance_nats:g}",
        )
    slow = far_slower(recall)
    return slow.of_seed(run.seed) if slow else None


def _of_all(case: Case, bound: Bound, asked: Sequence[Recall]) -> Answer:
    if not case.seeds or len(asked) < len(case.seeds):
        return Answer("unknown", "not reached in every seed run")
    if incomplete := not_all_answered(asked):
        return incomplete
    below = _change_below(bound, asked)
    if below >= bound.tolerance_nats:
        return Answer(
            "unknown",
            f"the windows asked in another order show a change below {below:.4f} nats a target "
            f"only; {bound.tolerance_nats:g} is to be shown",
        )
    scatter = pooled([recall.changes.sample for recall in asked]).sd
    if scatter > bound.noise_sd_nats:
        # These windows show their targets: whoever remembers can make the mean come out right.
        return Answer(
            "unknown",
            f"asked in another order, windows scatter by {scatter:.2g} nats a target around a mean "
            f"that may be made up; {bound.noise_sd_nats:g} is tolerated",
        )
    fewest = min(recall.windows for recall in asked)
    return Answer(
        "pass",
        f"{fewest:,} windows a seed asked in another order: memory moves less than "
        f"{below:.3g} nats a target (99 %)",
    )


def _change_below(bound: Bound, asked: Sequence[Recall]) -> float:
    """Nats a target by which the order of questions may have moved the score, either way."""
    every = pooled([recall.changes.sample for recall in asked])
    reached = sum(reach(recall.windows, recall.of_windows) for recall in asked)
    size = Sample(every.count, abs(every.mean), every.sd, every.variance_error)
    return upper_bound(size, dearest=bound.dearest_nats, reached=reached)


def change_below(case: Case) -> float | None:
    """What memory may have gained unseen, in nats a target; None where nothing bounds it."""
    bound = case.track.probes.memory
    asked = [run.recall for run in case.seeds if run.recall is not None]
    return _change_below(bound, asked) if bound is not None and asked else None


MEMORY = Rule(
    "memory",
    "Windows asked in another order got the same answers, as a model without memory gives.",
    _memory,
    better="lower",
    per_seed=True,
)
