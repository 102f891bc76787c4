"""Whether an answer depended on tokens after its position, as far as probes could tell."""

from collections.abc import Sequence

from harness.contest.track import Bound
from harness.contest.track import Probes as Settings
from harness.evidence.results import Changes, Probes, Scores
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.asked_again import (
    Answer,
    differs_by_itself,
    far_slower,
    not_all_answered,
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
    upper_bound,
)


def _causality(case: Case) -> Finding:
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
    if probes.mean_gain_nats - FAILS_AT * probes.gain_error_nats > _tolerance(allowed):
        return Answer("fail", f"seed {seed}: {_gains(case, probes.mean_gain_nats)}")
    random = differs_by_itself(probes, change=probes.largest_change_nats)
    said = ""
    if probes.largest_change_nats > allowed.largest_change_nats:
        adaptive = observed([run.scores for run in case.seeds if run.scores is not None])
        said = (
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
        return Answer("unknown", "not reached in every seed run")
    made = min(probes.probes for probes in probed)
    bound = case.track.probes.bound
    if bound is None:
        if all(_probed_enough(case, run) for run in case.seeds):
            return Answer("pass", _asked(made))
        return Answer("unknown", f"only {made:,} targets could be asked again with another suffix")
    if incomplete := not_all_answered(probed):
        return incomplete
    below = gain_below(case) or 0.0
    said = f"{_asked(made)}: a look ahead gains less than {below:.3g} nats a target (99 %)"
    return doubtful(case, bound, probed, below) or Answer("pass", said)


def doubtful(case: Case, bound: Bound, probed: Sequence[Probes], below: float) -> Answer | None:
    """Why the bound of a gain, ``below`` so many nats, is not enough; None where it is."""
    changes = [probes.changes for probes in probed if probes.changes is not None]
    unchanged = [probes.unchanged for probes in probed if probes.unchanged is not None]
    if not changes or len(changes) < len(probed) or len(unchanged) < len(probed):
        return Answer("unknown", "the evidence does not say how much answers varied")
    every, noise = _pooled(changes), _pooled(unchanged)
    if lower_bound(every) > bound.tolerance_nats:
        return Answer("fail", _gains(case, every.mean))
    if below >= bound.tolerance_nats:
        return Answer(
            "unknown",
            f"{every.count:,} targets asked again show a gain below {below:.4f} nats a target "
            f"only; {bound.tolerance_nats:g} is to be shown",
        )
    if noise.sd > bound.noise_sd_nats:
        return Answer(
            "unknown",
            f"answers to questions that are asked unchanged scatter by {noise.sd:.2g} nats, behind "
            f"which anything could hide; {bound.noise_sd_nats:g} is tolerated",
        )
    excess = excess_variance(every, noise)
    if excess > bound.excess_variance:
        return Answer(
            "unknown",
            f"answers vary by up to {excess:.2g} nats squared more where another suffix follows; "
            f"{bound.excess_variance:g} is tolerated",
        )
    return None


def gain_below(case: Case) -> float | None:
    """Nats a target that a look ahead may have gained unseen; None where nothing bounds it."""
    return gain_below_of(case, [(run.probes, run.scores) for run in case.seeds])


def gain_below_of(case: Case, asked: Sequence[tuple[Probes | None, Scores | None]]) -> float | None:
    """The same of any questions, each run's with the scores that they were drawn from."""
    bound = case.track.probes.bound
    changes = [probes.changes for probes, _ in asked if probes and probes.changes]
    if bound is None or not changes:
        return None
    pairs = ((probes, scores) for probes, scores in asked if probes and scores)
    reached = sum(reach(probes.probes, scores.targets) for probes, scores in pairs)
    below = upper_bound(_pooled(changes), dearest=bound.dearest_nats, reached=reached)
    return max(0.0, below)


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
        runs=len(case.plan.draws_for("look")),
    )
    return run.probes.probes >= wanted


CAUSALITY = Rule(
    "causality",
    "Secret targets, asked again in a fresh sandbox with another suffix, got the same answers.",
    _causality,
    better="lower",
    per_seed=True,
)
