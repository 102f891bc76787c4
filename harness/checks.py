"""Each rule as a pure function from (track, evidence) to one check.

A check fails on what the submission did, and is unknown where our side broke or cannot tell.
"""

import math
from collections.abc import Sequence

from harness.evidence import PhaseFacts, ScoreFacts, SeedRun, Verification
from harness.seed_checks import check_seed_spread as check_seed_spread  # noqa: PLC0414
from harness.statistics import draw_seeds
from harness.text_checks import check_holdout as check_holdout  # noqa: PLC0414
from harness.text_checks import check_memorisation as check_memorisation  # noqa: PLC0414
from harness.text_checks import check_tokenizer as check_tokenizer  # noqa: PLC0414
from harness.track import Track
from harness.verdict import Check, CheckId, StatisticsResult, Status

CLOCK_TOLERANCE_SECONDS = 0.5
STALL_TOLERANCE_SECONDS = 1.0


def check_hardware(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """The machine is the one that the track asks for, and was left alone."""
    wanted = track.hardware
    slowdowns = sorted({name for run in runs for name in run.throttle.slowdowns})
    if wanted.accelerators == 0:
        measured = f"{verification.machine.cores} cores, {verification.machine.processor}"
        return Check(
            id="hardware", status="pass", measured=measured, detail="this track runs anywhere"
        )
    names = [accelerator.name for accelerator in verification.machine.accelerators]
    fitting = names.count(wanted.accelerator_name)
    status: Status = "unknown"
    if fitting < wanted.accelerators:
        detail = f"not run on {wanted.accelerators} x {wanted.accelerator_name}"
    elif slowdowns:
        detail = f"the accelerators slowed themselves down: {', '.join(slowdowns)}"
    elif any(run.throttle.foreign_processes for run in runs):
        detail = "another process used the accelerators during a run"
    else:
        status, detail = "pass", f"{wanted.accelerators} x {wanted.accelerator_name}"
    return Check(
        id="hardware",
        status=status,
        measured=fitting,
        limit=wanted.accelerators,
        unit="accelerators",
        detail=detail,
    )


def check_dataset(verification: Verification, track: Track) -> Check:
    """What was scored on is what the track names."""
    found, wanted = verification.dataset, track.dataset
    problems = []
    if found.name != wanted.name:
        problems.append(f"scored on {found.name}, the track is on {wanted.name}")
    for what, pinned, measured in (
        ("documents", wanted.validation_documents, found.validation_documents),
        ("tokens", wanted.validation_tokens, found.validation_tokens),
    ):
        if pinned is not None and pinned != measured:
            problems.append(f"the validation split holds {measured:,} {what}, not {pinned:,}")
    return Check(
        id="dataset",
        status="unknown" if problems else "pass",
        measured=found.validation_tokens,
        limit=wanted.validation_tokens,
        unit="tokens",
        detail="; ".join(problems)
        or f"{found.name}: every file matches its manifest, "
        f"{found.validation_documents:,} documents, {found.validation_bytes:,} bytes of text",
    )


def check_isolation(verification: Verification, runs: Sequence[SeedRun]) -> Check:
    """The engine, asked back, confirms every property of every sandbox."""
    if verification.sandbox.kind != "docker":
        return Check(
            id="isolation", status="unknown", detail="rehearsal: not isolated; needs Docker"
        )
    phases = _phases(runs)
    broken = sorted({f.name for phase in phases for f in phase.isolation if not f.holds})
    unread = [phase.phase for phase in phases if not phase.isolation and phase.outcome != "lost"]
    proved = min((len(phase.isolation) for phase in phases if phase.isolation), default=0)
    if broken or unread or not proved:
        detail = (
            f"the engine did not apply: {', '.join(broken)}"
            if broken
            else "the engine was not asked what it applied"
        )
        return Check(id="isolation", status="unknown", detail=detail)
    return Check(
        id="isolation",
        status="pass",
        measured=proved,
        limit=proved,
        unit="properties",
        detail="read back from the engine: no network, read-only root, no capabilities, "
        "own files and limits only",
    )


def check_seeds(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """Every seed was drawn, and every one was run."""
    drawn = draw_seeds(
        submission_digest=verification.submission.digest,
        track_digest=verification.track_digest,
        nonce=verification.nonce,
        count=len(verification.seeds),
    )
    wanted = track.significance.seeds
    problems = []
    if not verification.seeds_drawn or tuple(drawn) != verification.seeds:
        problems.append("seeds were given by hand, not drawn")
    if len(verification.seeds) != wanted:
        problems.append(f"{len(verification.seeds)} seeds, the track asks for {wanted}")
    if tuple(run.seed for run in runs) != verification.seeds:
        problems.append(f"{len(runs)} of {len(verification.seeds)} seeds were run")
    return Check(
        id="seeds",
        status="unknown" if problems else "pass",
        measured=len(runs),
        limit=wanted,
        unit="seed runs",
        detail="; ".join(problems) or "drawn from the digests and a nonce; every run counts",
    )


def check_training(runs: Sequence[SeedRun]) -> Check:
    """Every training ended by itself, with exit code 0."""
    done = sum(run.train is not None and run.train.outcome == "completed" for run in runs)
    return _by_trouble("training", "train", runs, done, "every training ended by itself, code 0")


def check_artifact(runs: Sequence[SeedRun]) -> Check:
    """Every training left one regular file that could be sealed."""
    done = sum(run.artifact is not None for run in runs)
    return _by_trouble("artifact", "seal", runs, done, "one regular file a run, hashed and sealed")


def check_scoring(runs: Sequence[SeedRun]) -> Check:
    """Every model answered every window with finite logits."""
    done = sum(run.scoring is not None for run in runs)
    return _by_trouble("scoring", "score", runs, done, "every logit asked for came, and is finite")


def _by_trouble(
    identity: CheckId, phase: str, runs: Sequence[SeedRun], done: int, good: str
) -> Check:
    """A check on a step that each seed run must have come through."""
    troubles = [(run.seed, run.trouble) for run in runs if run.trouble is not None]
    status: Status
    for seed, trouble in troubles:
        if trouble.phase == phase:
            status = "fail" if trouble.fault == "submission" else "unknown"
            detail = f"seed {seed}: {trouble.reason}"
            break
    else:
        complete = bool(runs) and done == len(runs)
        status = "pass" if complete else "unknown"
        detail = good if complete else "not reached"
    return Check(
        id=identity,
        status=status,
        measured=done,
        limit=len(runs),
        unit="seed runs",
        detail=detail,
    )


def check_wallclock(identity: CheckId, limit: float, phases: Sequence[PhaseFacts | None]) -> Check:
    """The slowest of some phases kept within its budget; ``None`` is a phase not reached."""
    known = [phase for phase in phases if phase is not None and phase.outcome != "lost"]
    late = [phase for phase in known if is_late(phase, limit)]
    worst = max((phase.wallclock_seconds for phase in known), default=None)
    status: Status
    if late and all(_is_doubtful(phase) for phase in late):
        status, detail = "unknown", "over the budget, but the harness or a clock stood still"
    elif late:
        killed = any(phase.outcome == "deadline" for phase in known)
        status, detail = "fail", "killed at the limit" if killed else "ended after the limit"
    elif not known or len(known) < len(phases):
        status, detail = "unknown", "not reached in every seed run"
    else:
        status, detail = "pass", "worst seed; the engine's StartedAt to FinishedAt"
    return Check(id=identity, status=status, measured=worst, limit=limit, unit="s", detail=detail)


def is_late(phase: PhaseFacts, limit: float) -> bool:
    """Whether a phase went over its budget in seconds, killed at the limit or not."""
    return phase.outcome == "deadline" or phase.wallclock_seconds > limit


def _is_doubtful(phase: PhaseFacts) -> bool:
    """Whether a wallclock may be our doing: scoring waits for a harness that stands still."""
    stalled = phase.phase == "score" and phase.stalled_seconds > STALL_TOLERANCE_SECONDS
    return stalled or _seconds_apart(phase) > CLOCK_TOLERANCE_SECONDS


def _seconds_apart(phase: PhaseFacts) -> float:
    """How far the engine's clock lies outside of what our monotonic clock brackets."""
    return max(
        phase.harness_seconds_low - phase.wallclock_seconds,
        phase.wallclock_seconds - phase.harness_seconds_high,
        0.0,
    )


def check_clocks(runs: Sequence[SeedRun]) -> Check:
    """The engine's clock lies within what our monotonic clock brackets, give or take."""
    apart = [_seconds_apart(phase) for phase in _phases(runs) if phase.outcome != "lost"]
    worst = max(apart, default=None)
    agree = worst is not None and worst <= CLOCK_TOLERANCE_SECONDS
    return Check(
        id="clocks",
        status="pass" if agree else "unknown",
        measured=worst,
        limit=CLOCK_TOLERANCE_SECONDS,
        unit="s",
        detail="the engine's clock and the harness's own agree"
        if agree
        else "the engine's clock and the harness's own disagree"
        if worst is not None
        else "not reached",
    )


def counted_code_bytes(verification: Verification, track: Track) -> int:
    """Bytes of the submission's files, less those of a tokenizer that the track gives away."""
    own, code = verification.tokenizer, verification.submission.code_bytes
    given = own is not None and own.file != "" and not track.budget.tokenizer_counted
    return code - own.bytes if own is not None and given else code


def check_bytes(verification: Verification, track: Track, runs: Sequence[SeedRun]) -> Check:
    """Code and the largest artifact together fit under the cap."""
    code = counted_code_bytes(verification, track)
    sizes = [run.artifact.bytes + code for run in runs if run.artifact is not None]
    worst = max(sizes, default=None)
    status: Status
    if worst is not None and worst > track.budget.bytes:
        status, detail = "fail", f"{worst - track.budget.bytes:,} bytes over the cap"
    elif worst is None or len(sizes) < len(runs):
        status, detail = "unknown", "no artifact to weigh in every seed run"
    else:
        status, detail = "pass", f"largest artifact + {code:,} bytes of code"
    return Check(
        id="bytes",
        status=status,
        measured=worst,
        limit=track.budget.bytes,
        unit="bytes",
        detail=detail,
    )


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


def check_causality(track: Track, runs: Sequence[SeedRun]) -> Check:
    """No answer depended on tokens behind its position, as far as probes could tell."""
    allowed = track.probes
    if troubled := [run for run in runs if run.trouble and run.trouble.phase == "probe"]:
        return _by_trouble("causality", "probe", troubled, 0, "")
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
        if probes.mean_gain_nats > allowed.mean_gain_nats:
            detail = (
                f"seed {seed}: what lies beyond its past makes targets "
                f"{probes.mean_gain_nats:.4f} nats "
                f"cheaper on average, {allowed.mean_gain_nats:g} are put up with"
            )
            break
    else:
        made = min((probes.probes for _, probes in scored), default=0)
        good = bool(runs) and len(scored) == len(runs) and made > 0
        status = "pass" if good else "unknown"
        detail = (
            f"{made:,} windows a seed asked again in a fresh sandbox, with other futures"
            if good
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


def _phases(runs: Sequence[SeedRun]) -> list[PhaseFacts]:
    phases = [phase for run in runs for phase in (run.train, run.score, run.probe, run.holdout)]
    return [phase for phase in phases if phase is not None]
