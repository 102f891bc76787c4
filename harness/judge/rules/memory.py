"""Whether a model that declares no memory answers the same in whatever order it is asked.

The windows are shown whole, so whoever knows that he is asked in another order can look ahead, and
make each target as cheap as his memory did on average. Then the mean says nothing; but he does not
know what his memory gave to which window, so the changes vary more than those of windows that were
asked twice in one request. That is bounded too.

A model that is scored by document, and studies none, may remember its document alone. Its windows
are pieces, each asked when the document's earlier ones were told, and hardly another document.
"""

from collections.abc import Sequence

from harness.contest.track import Bound
from harness.evidence.asked_again import Recall
from harness.evidence.results import Scores
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.asked_again import (
    Answer,
    differs_by_itself,
    differs_unchanged,
    far_slower,
    not_all_answered,
    not_reached,
    thought_longer,
)
from harness.judge.rules.training import passed_by_all
from harness.models import Finding
from harness.statistics.probe_bounds import (
    FAILS_AT,
    Sample,
    excess_variance,
    pooled,
    reach,
    upper_bound,
)


def _memory(case: Case) -> Finding | None:
    bound = case.track.probes.memory
    entry = case.plan.entry
    if bound is None or entry.score.remembers or not entry.asked:
        return None
    asked = [(run, run.recall) for run in case.seeds if run.recall is not None]
    if case.failure("memory"):
        return passed_by_all(case, "memory", len(asked), "")
    worst = max((recall.largest_change_nats for _, recall in asked), default=None)
    answer = next((found for run, r in asked if (found := _of_seed(case, bound, run, r))), None)
    if answer is None:
        answer = _of_all(case, bound, asked)
    return Finding(
        id="memory",
        status=answer.status,
        measured=worst,
        limit=case.track.probes.largest_change_nats,
        unit="nats",
        detail=answer.detail,
    )


def _others(case: Case) -> str:
    by_document = case.plan.entry.score.streams == "documents"
    return "other documents" if by_document else "earlier windows"


def _of_seed(case: Case, bound: Bound, run: Run, recall: Recall) -> Answer | None:
    change, largest = recall.changes.sample, recall.largest_change_nats
    random = differs_by_itself(run.probes, change=largest) if run.probes else None
    if largest > case.track.probes.largest_change_nats:
        said = differs_unchanged(run.probes, change=largest, adaptive=False) or (
            f"asked in another order, it answered otherwise for token {recall.worst_target} of the "
            f"stream: it remembers {_others(case)}, and declares no memory"
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


def _of_all(case: Case, bound: Bound, runs: Sequence[tuple[Run, Recall]]) -> Answer:
    if not case.seeds or len(runs) < len(case.seeds):
        return not_reached(case)
    asked = [recall for _, recall in runs]
    if unsure := not_all_answered(asked) or _varied(bound, runs):
        return unsure
    below = _change_below(case, bound, asked)
    if below >= bound.tolerance_nats:
        return Answer(
            "unknown",
            f"the windows asked in another order show a change below {below:.4f} nats a target "
            f"only; {bound.tolerance_nats:g} is to be shown",
        )
    scatter = pooled([recall.changes.sample for recall in asked]).sd
    if scatter > bound.noise_sd_nats:
        # Whatever they scatter by when they are asked twice: he may have made that noise, too.
        return Answer(
            "unknown",
            f"asked in another order, windows scatter by {scatter:.2g} nats a target around a mean "
            f"that may be made up; {bound.noise_sd_nats:g} is tolerated",
        )
    if slow := thought_longer(asked):
        return slow
    fewest = min(recall.windows for recall in asked)
    return Answer(
        "pass",
        f"{fewest:,} windows a seed asked in another order: memory moves less than "
        f"{below:.3g} nats a target (99 %)",
    )


def _varied(bound: Bound, runs: Sequence[tuple[Run, Recall]]) -> Answer | None:
    """Whether answers vary more in another order than by themselves; None where they do not."""
    twice = [run.probes.twice.sample for run, _ in runs if run.probes and run.probes.twice]
    noise = pooled(twice)
    if noise.sd > bound.noise_sd_nats:
        return Answer(
            "unknown",
            f"windows asked twice in one request scatter by {noise.sd:.2g} nats, behind which "
            f"anything could hide; {bound.noise_sd_nats:g} is tolerated",
        )
    excess = excess_variance(pooled([recall.changes.sample for _, recall in runs]), noise)
    if excess > bound.excess_variance:
        return Answer(
            "unknown",
            f"answers vary by up to {excess:.2g} nats squared more in another order; "
            f"{bound.excess_variance:g} is tolerated",
        )
    return None


def _change_below(case: Case, bound: Bound, asked: Sequence[Recall]) -> float:
    """Nats a target by which the order of questions may have moved the score, either way."""
    fullest = max((_fullest(run.scores) for run in case.seeds if run.scores), default=1.0)
    every = pooled([recall.changes.sample for recall in asked])
    reached = sum(reach(recall.windows, recall.of_windows) for recall in asked)
    size = Sample(every.count, abs(every.mean), every.sd, every.variance_error)
    return upper_bound(size, dearest=bound.dearest_nats * fullest, reached=reached)


def _fullest(scores: Scores) -> float:
    """How many times as many targets the fullest window has as the mean one.

    Where documents are streams, the mean of a window's targets is taken for as many as a mean one
    has, so that a full one may gain as much more.
    """
    if scores.streams == "corpus":
        return 1.0
    return scores.stride * scores.windows / scores.targets


def change_below(case: Case) -> float | None:
    """What memory may have gained unseen, in nats a target; None where nothing bounds it."""
    bound = case.track.probes.memory
    asked = [run.recall for run in case.seeds if run.recall is not None]
    return _change_below(case, bound, asked) if bound is not None and asked else None


MEMORY = Rule(
    "memory",
    "Windows asked in another order got the same answers, as a model without memory gives.",
    _memory,
    better="lower",
    per_seed=True,
)
