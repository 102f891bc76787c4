"""Whether every target was scored, causally, and whether the bar fell."""

import math
from collections.abc import Sequence

from harness.contest.track import Track
from harness.evidence.facts import ERRORS_PUT_UP_WITH, ScoreFacts, SeedRun, Verification
from harness.judge.rules.pipeline import by_trouble
from harness.judge.verdict import Check, StatisticsResult
from harness.models import Status


def check_coverage(verification: Verification, runs: Sequence[SeedRun]) -> Check:
    """Every target was scored once, and every byte of the text is counted."""
    dataset, own = verification.dataset, verification.tokenizer
    targets = ((own and own.validation_tokens) or dataset.validation_tokens) - 1
    scored = [run.scoring for run in runs if run.scoring is not None]
    whole = [
        facts
        for facts in scored
        if facts.targets == targets
        and facts.segments_observed == math.ceil(targets / (facts.segment or math.inf))
        and facts.bytes == dataset.validation_bytes
        and facts.documents == dataset.validation_documents
    ]
    good = bool(runs) and len(whole) == len(runs)
    return Check(
        id="coverage",
        status="pass" if good else "unknown",
        measured=min((facts.targets for facts in scored), default=None),
        limit=targets,
        unit="targets",
        detail="every validation target scored once, all bytes of the text in the denominator"
        + _adaptive(scored)
        if good
        else "not reached in every seed run"
        if len(scored) < len(runs) or not runs
        else "the evidence does not cover the validation split",
    )


def _adaptive(scored: Sequence[ScoreFacts]) -> str:
    """What an adaptive model has observed; empty for any other."""
    count = max((facts.segments_observed for facts in scored), default=0)
    return f"; {count:,} segments observed, each after all of it was scored" if count else ""


def check_causality(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """No answer depended on tokens behind its position, as far as probes could tell."""
    allowed = track.probes
    if troubled := [run for run in runs if run.trouble and run.trouble.phase == "probe"]:
        return by_trouble("causality", "probe", troubled, 0, "")
    scored = [(run.seed, run.probes) for run in runs if run.probes is not None]
    facts = [run.scoring for run in runs if run.scoring is not None]
    worst = max((probes.largest_change_nats for _, probes in scored), default=None)
    status: Status = "fail"
    for seed, probes in scored:
        if probes.largest_change_nats > allowed.largest_change_nats:
            detail = (
                f"seed {seed}: another future and company changed the answer for token "
                f"{probes.worst_target} of the stream: the model looks beyond its past"
                + (", or learns from more than it observed" if _adaptive(facts) else "")
            )
            break
        if probes.mean_change_nats > allowed.mean_change_nats:
            detail = (
                f"seed {seed}: asked again, its answers moved by "
                f"{probes.mean_change_nats:.4f} nats on average, "
                f"{allowed.mean_change_nats:g} are put up with"
            )
            break
        by_chance = ERRORS_PUT_UP_WITH * probes.gain_error_nats
        if probes.mean_gain_nats - by_chance > allowed.mean_gain_nats:
            detail = (
                f"seed {seed}: what lies beyond its past makes targets "
                f"{probes.mean_gain_nats:.4f} nats "
                f"cheaper on average, {allowed.mean_gain_nats:g} are put up with"
            )
            break
    else:
        made = min((probes.probes for _, probes in scored), default=0)
        reached = bool(runs) and len(scored) == len(runs)
        good = reached and all(_probed_enough(verification, track, run) for run in runs)
        status = "pass" if good else "unknown"
        detail = (
            f"{made:,} targets a seed asked again in a fresh sandbox, with other futures"
            if good
            else f"only {made:,} targets could be asked again with another future"
            if reached
            else "not reached in every seed run"
        )
    return Check(
        id="causality",
        status=status,
        measured=worst,
        limit=allowed.largest_change_nats,
        unit="nats",
        detail=detail,
    )


def _probed_enough(verification: Verification, track: Track, run: SeedRun) -> bool:
    """Whether as many targets were probed as the track asks for."""
    if run.scoring is None or run.probes is None:
        return False
    own = verification.tokenizer
    wanted = track.probes.count(
        windows=run.scoring.windows,
        targets=run.scoring.targets,
        vocabulary_size=(own and own.vocabulary_size) or verification.dataset.vocabulary_size,
    )
    return run.probes.probes >= wanted


def check_significance(track: Track, result: StatisticsResult) -> Check:
    """The t-test shows that the bar fell."""
    wanted = track.significance.seeds
    above = result.mean_bpb is not None and result.mean_bpb >= result.threshold_bpb
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
    return Check(
        id="significance",
        status=status,
        measured=result.p,
        limit=result.p_below,
        unit="p",
        detail=detail,
    )
