"""Whether an answer depended on tokens after its position, as far as probes could tell."""

from harness.evidence.results import TOLERATED_STANDARD_ERRORS, Probes
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.scoring import observed
from harness.judge.rules.training import passed_by_all
from harness.models import Finding


def _causality(case: Case) -> Finding:
    limit = case.track.probes.largest_change_nats
    probed = [(run.seed, run.probes) for run in case.seeds if run.probes is not None]
    if case.failure("causality"):
        return passed_by_all(case, "causality", len(probed), "")
    worst = max((probes.largest_change_nats for _, probes in probed), default=None)
    for seed, probes in probed:
        if complaint := _violation(case, probes):
            return Finding(
                id="causality",
                status="fail",
                measured=worst,
                limit=limit,
                unit="nats",
                detail=f"seed {seed}: {complaint}",
            )
    made = min((probes.probes for _, probes in probed), default=0)
    reached = bool(case.seeds) and len(probed) == len(case.seeds)
    good = reached and all(_probed_enough(case, run) for run in case.seeds)
    return Finding(
        id="causality",
        status="pass" if good else "unknown",
        measured=worst,
        limit=limit,
        unit="nats",
        detail=f"{made:,} targets a seed asked again in a fresh sandbox, with other suffixes"
        if good
        else f"only {made:,} targets could be asked again with another suffix"
        if reached
        else "not reached in every seed run",
    )


def _violation(case: Case, probes: Probes) -> str:
    """What one seed's probes show against the submission; empty when nothing."""
    allowed = case.track.probes
    if probes.largest_change_nats > allowed.largest_change_nats:
        adaptive = observed([run.scores for run in case.seeds if run.scores is not None])
        return (
            f"another suffix and other sequences in the batch changed the answer for token "
            f"{probes.worst_target} of the stream: the model looks beyond its past"
            + (", or learns from more than it observed" if adaptive else "")
        )
    if probes.mean_change_nats > allowed.mean_change_nats:
        return (
            f"asked again, its answers moved by {probes.mean_change_nats:.4f} nats on average; "
            f"the tolerance is {allowed.mean_change_nats:g}"
        )
    by_chance = TOLERATED_STANDARD_ERRORS * probes.gain_error_nats
    if probes.mean_gain_nats - by_chance > allowed.mean_gain_nats:
        return (
            f"what lies beyond its past makes targets {probes.mean_gain_nats:.4f} nats cheaper on "
            f"average; the tolerance is {allowed.mean_gain_nats:g}"
        )
    return ""


def _probed_enough(case: Case, run: Run) -> bool:
    """Whether as many targets were probed as the track asks for."""
    if run.scores is None or run.probes is None:
        return False
    wanted = case.track.probes.count(
        windows=run.scores.windows,
        targets=run.scores.targets,
        vocabulary_size=case.vocabulary_size,
    )
    return run.probes.probes >= wanted


CAUSALITY = Rule(
    "causality",
    "Secret targets, asked again in a fresh sandbox with another suffix, got the same answers.",
    _causality,
    better="lower",
    per_seed=True,
)
