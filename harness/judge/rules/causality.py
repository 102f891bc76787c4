"""Whether an answer depended on tokens after its position, as far as probes could tell."""

import math
from collections.abc import Sequence

from harness.contest.track import Bound
from harness.contest.track import Probes as Settings
from harness.evidence.asked_again import Changes, Probes
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
from harness.judge.rules.scoring import observed
from harness.judge.rules.training import passed_by_all
from harness.models import Finding
from harness.statistics.probe_bounds import (
    FAILS_AT,
    Sample,
    excess_variance,
    lower_bound,
    pooled,
    reach,
    reach_of_halves,
    upper_bound,
)

_RANDOM_FAILS_AT = 2
"""Times as many errors, before a gain of a model that answers at random is taken for a look."""


def _causality(case: Case) -> Finding | None:
    if not case.plan.entry.asked:
        return None
    limit = case.track.probes.largest_change_nats
    probed = [(run.seed, run.probes) for run in case.seeds if run.probes is not None]
    if case.failure("causality"):
        return passed_by_all(case, "causality", len(probed), "")
    worst = max((probes.largest_change_nats for _, probes in probed), default=None)
    answer = next((found for seed, p in probed if (found := of_seed(case, seed, p))), None)
    if answer is None:
        answer = _of_all(case, [probes for _, probes in probed])
    return Finding(
        id="causality",
        status=answer.status,
        measured=worst,
        limit=limit,
        unit="nats",
        detail=answer.detail,
    )


def of_seed(case: Case, seed: int, probes: Probes) -> Answer | None:
    """What one seed's probes alone decide; None when nothing."""
    allowed = case.track.probes
    random = differs_by_itself(probes, change=probes.largest_change_nats)
    # Of what scatters by nats, a few questions make a mean and its error that are both too small.
    adaptive = bool(observed([run.scores for run in case.seeds if run.scores is not None]))
    largest = probes.largest_change_nats
    unlike = differs_unchanged(probes, change=largest, adaptive=adaptive)
    sure = FAILS_AT * (_RANDOM_FAILS_AT if random or unlike else 1)
    if probes.mean_gain_nats - sure * probes.gain_error_nats > _tolerance(allowed):
        return Answer("fail", f"seed {seed}: {_gains(case, probes.mean_gain_nats)}")
    said = ""
    if largest > allowed.largest_change_nats:
        said = unlike or (
            f"another suffix and other sequences in the batch changed the answer for token "
            f"{probes.worst_target} of the stream: the model looks beyond its past"
            + (", or learns from more than it observed" if adaptive else "")
        )
    elif probes.mean_change_nats > allowed.mean_change_nats:
        said = (
            f"asked again, its answers moved by {probes.mean_change_nats:.4f} nats on average; "
            f"the tolerance is {allowed.mean_change_nats:g}"
        )
    if said:
        return random.of_seed(seed) if random else Answer("fail", f"seed {seed}: {said}")
    slow = far_slower(probes)
    return slow.of_seed(seed) if slow else None


def _tolerance(allowed: Settings) -> float:
    return allowed.bound.tolerance_nats if allowed.bound else allowed.mean_gain_nats


def _gains(case: Case, gain: float) -> str:
    return (
        f"what lies beyond its past makes targets {gain:.4f} nats cheaper on average; the "
        f"tolerance is {_tolerance(case.track.probes):g}"
    )


def _of_all(case: Case, probed: Sequence[Probes]) -> Answer:
    """What the probes of all seeds decide together: one code, one cheat."""
    if not case.seeds or len(probed) < len(case.seeds):
        return not_reached(case)
    made = min(probes.probes for probes in probed)
    bound = case.track.probes.bound
    if bound is None:
        if all(_probed_enough(case, run) for run in case.seeds):
            return Answer("pass", _asked(made))
        return Answer("unknown", f"only {made:,} targets could be asked again with another suffix")
    if incomplete := not_all_answered(probed):
        return incomplete
    below = gain_below(case)
    doubt = doubtful(case, bound, probed, below)
    if doubt is not None or below is None:
        return doubt or Answer("unknown", "nothing bounds what a look ahead may have gained")
    return Answer(
        "pass",
        f"{_asked(made)}: a look ahead worth less than {below:.3g} nats a target"
        f"{_in_margins(case, below)} would not have been seen (99 %)",
    )


def _in_margins(case: Case, nats: float) -> str:
    margin = case.track.significance.margin_nats_per_token
    return f", {nats / margin:.2g} margins," if margin else ""


def doubtful(
    case: Case, bound: Bound, probed: Sequence[Probes], below: float | None
) -> Answer | None:
    """Why the bound of a gain, ``below`` so many nats, is not enough; None where it is."""
    changes = [probes.changes for probes in probed if probes.changes is not None]
    unchanged = [probes.unchanged for probes in probed if probes.unchanged is not None]
    if below is None or len(changes) < len(probed) or len(unchanged) < len(probed):
        if bound.by_gap and any(each.by_gap is None for each in probed):
            said = "the track asks for targets that are drawn by their gap, and these were not"
        else:
            said = "the evidence does not say how much answers varied"
        return Answer("unknown", said)
    every, noise = _pooled(changes), _pooled(unchanged)
    if lower_bound(every) > bound.tolerance_nats:
        return Answer("fail", _gains(case, every.mean))
    if below >= bound.tolerance_nats:
        return Answer(
            "unknown",
            f"{every.count:,} targets asked again: a look ahead worth less than {below:.4f} nats a "
            f"target{_in_margins(case, below)} would not have been seen; {bound.tolerance_nats:g} "
            "is to be shown",
        )
    if noise.sd > bound.noise_sd_nats:
        return Answer(
            "unknown",
            f"answers to questions that are asked unchanged scatter by {noise.sd:.2g} nats, behind "
            f"which anything could hide; {bound.noise_sd_nats:g} is tolerated",
        )
    excess = excess_variance(pooled([part.of_all for part in changes]), noise)
    if excess > bound.excess_variance:
        return Answer(
            "unknown",
            f"answers vary by up to {excess:.2g} nats squared more where another suffix follows; "
            f"{bound.excess_variance:g} is tolerated",
        )
    return thought_longer(probed)


def gain_below(case: Case) -> float | None:
    """Nats a target that a look ahead may have gained unseen; None where nothing bounds it."""
    return gain_below_of(case, [(run.probes, run.scores) for run in case.seeds])


def gain_below_of(case: Case, asked: Sequence[tuple[Probes | None, Scores | None]]) -> float | None:
    """The same of any questions, each run's with the scores that they were drawn from."""
    bound = case.track.probes.bound
    changes = [probes.changes for probes, _ in asked if probes and probes.changes]
    if bound is None or not changes:
        return None
    reached = [_reached(probes, scores, bound) for probes, scores in asked if probes and scores]
    if None in reached:
        return None
    found = [each for each in reached if each is not None]
    return max(
        0.0, upper_bound(_pooled(changes), dearest=bound.dearest_nats, reached=math.fsum(found))
    )


def _reached(probes: Probes, scores: Scores, bound: Bound) -> float | None:
    """How many draws find as much as those of a run; None where they are not what a bound is of.

    What one target can gain for as likely as it is drawn depends on the draw. A target that is
    drawn by gap is at least half as likely as uniformly, so it gains at most twice as much.
    """
    if probes.by_gap is None:
        reached = reach(probes.probes, scores.targets)
        return None if bound.by_gap and not math.isinf(reached) else reached
    uniform = probes.probes - probes.by_gap
    if probes.planned is None or probes.probes < probes.planned or uniform < 0:
        return None
    halves = reach_of_halves(uniform=uniform, by_gap=probes.by_gap, population=scores.targets)
    return halves if bound.by_gap else halves / 2


def _pooled(parts: Sequence[Changes]) -> Sample:
    return pooled([part.sample for part in parts])


def _asked(made: int) -> str:
    return f"{made:,} targets a seed asked again in a fresh sandbox, with other suffixes"


def _probed_enough(case: Case, run: Run) -> bool:
    """Whether as many targets were probed as the track asks for."""
    if run.scores is None or run.probes is None:
        return False
    wanted = case.track.probes.count(
        windows=run.scores.windows,
        targets=run.scores.targets,
        vocabulary_size=case.vocabulary_size,
        runs=case.plan.probed_runs,
    )
    return run.probes.probes >= wanted


CAUSALITY = Rule(
    "causality",
    "Secret targets, asked again in a fresh sandbox with another suffix, got the same answers.",
    _causality,
    better="lower",
    per_seed=True,
)
