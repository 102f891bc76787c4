"""The rules: from stored evidence to checks, and from checks to a verdict. Pure functions.

Nothing is run or read here, so any stored verification can be judged again, under this
edition of a track or another. What each check asks is ``checks/``.
"""

from collections.abc import Sequence

from harness.contest.track import Track
from harness.evidence.facts import SeedRun, Verification
from harness.judge import rules as checks
from harness.judge.comparison import compare_with_bar
from harness.judge.notes import observe
from harness.judge.rules.data_leakage import suspects
from harness.judge.verdict import (
    Check,
    CheckId,
    Digests,
    MemorisationResult,
    SeedResult,
    StatisticsResult,
    TokenizerResult,
    Verdict,
    VerdictName,
)
from harness.statistics.units import nats_per_token_to_bpb

# What a rehearsal leaves open without being any worse a rehearsal for it.
OPEN_IN_REHEARSAL: frozenset[CheckId] = frozenset({"isolation", "seeds", "hardware", "dataset"})
CHEAPEST_SHOWN = 5
# What is asked only of some submissions, or on some tracks.
CONDITIONAL: frozenset[CheckId] = frozenset({"tokenizer", "memorisation", "holdout"})
EXIT_CODES: dict[VerdictName, int] = {
    "VERIFIED": 0,
    "REHEARSED": 0,
    "REJECTED": 1,
    "INCONCLUSIVE": 3,
}


def judge(
    verification: Verification,
    runs: Sequence[SeedRun],
    *,
    evidence: str,
    track: Track | None = None,
) -> Verdict:
    """Apply every rule of a track to stored evidence.

    Args:
        verification: what was fixed before the first run.
        runs: the seed runs that have ended, in the order of ``verification.seeds``.
        evidence: where the evidence lies, for the reader.
        track: judge under this track instead of the one that was run.
    """
    track = track or verification.track
    statistics = _statistics(verification, track, runs)
    asked = (
        checks.check_hardware(verification, track, runs),
        checks.check_dataset(verification, track),
        checks.check_isolation(verification, runs),
        checks.check_seeds(verification, track, runs),
        checks.check_tokenizer(verification),
        checks.check_training(runs),
        checks.check_wallclock(
            "train_wallclock", track.budget.train_seconds, [run.train for run in runs]
        ),
        checks.check_artifact(runs),
        checks.check_bytes(verification, track, runs),
        checks.check_scoring(runs),
        checks.check_wallclock(
            "score_wallclock", track.budget.score_seconds, [run.score for run in runs]
        ),
        checks.check_coverage(verification, runs),
        checks.check_causality(verification, track, runs),
        checks.check_seed_spread(runs),
        checks.check_clocks(runs),
        checks.check_memorisation(verification, statistics, runs),
        checks.check_holdout(track, runs),
        checks.check_significance(track, statistics),
    )
    results = tuple(check for check in asked if check is not None)
    rehearsal = track.rehearsal or not verification.sandbox.isolated
    name, reason = conclude(results, rehearsal=rehearsal)
    return Verdict(
        verdict=name,
        reason=reason,
        track=track.name,
        edition=track.edition,
        submission=verification.submission.name,
        author=verification.submission.author,
        claim=verification.submission.claim,
        sandbox=verification.sandbox.kind,
        sandbox_runtime=verification.sandbox.runtime,
        isolated=verification.sandbox.isolated,
        rehearsal=rehearsal,
        created_at=verification.created_at,
        dataset=verification.dataset.name,
        checks=results,
        findings=observe(verification, track, runs, statistics),
        seeds=tuple(_seed_result(verification, track, run, evidence) for run in runs),
        seeds_drawn=verification.seeds_drawn,
        statistics=statistics,
        tokenizer=_tokenizer_result(verification, track),
        memorisation=_memorisation_result(runs),
        baselines=verification.dataset.baselines,
        train_limit_seconds=track.budget.train_seconds,
        score_limit_seconds=track.budget.score_seconds,
        bytes_limit=track.budget.bytes,
        digests=Digests(
            submission=verification.submission.digest,
            track=track.digest,
            dataset=verification.dataset.digest,
            image=verification.sandbox.image_digest,
            harness=verification.harness_digest,
            tokenizer=verification.tokenizer.sha256 if verification.tokenizer else "",
        ),
        evidence=evidence,
        rescored_from=verification.rescored_from,
        segment=next((run.scoring.segment for run in runs if run.scoring), None),
    )


def is_hopeless(run: SeedRun, track: Track, *, code_bytes: int) -> bool:
    """Whether this seed run alone rejects the submission, so that further seeds are waste."""
    budget = track.budget
    late = any(
        phase is not None and checks.is_late(phase, limit)
        for phase, limit in ((run.train, budget.train_seconds), (run.score, budget.score_seconds))
    )
    return (run.trouble is not None or late) or (
        run.artifact is not None and run.artifact.bytes + code_bytes > track.budget.bytes
    )


def conclude(results: Sequence[Check], *, rehearsal: bool) -> tuple[VerdictName, str]:
    """The verdict that checks come to, and the reason: the first check that decides it."""
    failed = [check for check in results if check.status == "fail"]
    if failed:
        return "REJECTED", f"{failed[0].id}: {failed[0].detail}"
    tolerated = OPEN_IN_REHEARSAL if rehearsal else frozenset()
    unknown = [c for c in results if c.status == "unknown" and c.id not in tolerated]
    if unknown:
        return "INCONCLUSIVE", f"{unknown[0].id}: {unknown[0].detail}"
    if rehearsal:
        return "REHEARSED", "everything that a rehearsal can judge passes; it is never a record"
    return "VERIFIED", "every check passes: the record fell"


def _statistics(
    verification: Verification, track: Track, runs: Sequence[SeedRun]
) -> StatisticsResult:
    bar, source = track.bar.bpb, track.bar.source
    fixed = verification.bar
    if track.bar.leaderboard and fixed and track.name == verification.track.name:
        # The record as it was when the verification began; evidence without one has the track's.
        bar, source = fixed.bpb, fixed.source
    if bar is None:
        # A manifest without the baseline leaves no bar to beat; 0 can't be beaten.
        bar = verification.dataset.baselines.get(track.bar.baseline or "", 0.0)
    return compare_with_bar(
        [run.scoring.val_bpb for run in runs if run.scoring is not None],
        bar_bpb=bar,
        bar_source=source,
        margin_nats_per_token=track.significance.margin_nats_per_token,
        p_below=track.significance.p_below,
        targets=verification.dataset.validation_tokens - 1,
        text_bytes=verification.dataset.validation_bytes,
    )


def _trouble(run: SeedRun) -> str | None:
    if run.trouble is not None:
        return run.trouble.reason
    killed = [p.phase for p in (run.train, run.score) if p and p.outcome == "deadline"]
    return f"{killed[0]} killed at the limit" if killed else None


def _tokenizer_result(verification: Verification, track: Track) -> TokenizerResult | None:
    own, dataset = verification.tokenizer, verification.dataset
    if own is None:
        return None
    tokens = own.validation_tokens

    def worth(tokens: int) -> float:
        return nats_per_token_to_bpb(1, tokens=tokens - 1, text_bytes=dataset.validation_bytes)

    return TokenizerResult(
        file=own.file,
        sha256=own.sha256,
        bytes=own.bytes,
        counted=own.file != "" and track.budget.tokenizer_counted,
        vocabulary_size=own.vocabulary_size,
        bytes_per_token=dataset.validation_bytes / tokens if tokens else None,
        bpb_per_nat=worth(tokens) if tokens else None,
        dataset_bytes_per_token=dataset.validation_bytes / dataset.validation_tokens,
        dataset_bpb_per_nat=worth(dataset.validation_tokens),
    )


def _memorisation_result(runs: Sequence[SeedRun]) -> MemorisationResult | None:
    known = [(run.seed, run.memorisation) for run in runs if run.memorisation is not None]
    if not known:
        return None
    seed, facts = max(known, key=lambda pair: len(suspects(pair[1])))
    return MemorisationResult(
        seed=seed,
        judged=facts.judged,
        median_ratio=facts.median_ratio,
        suspicious=len(suspects(facts)),
        cheapest=facts.lowest[:CHEAPEST_SHOWN],
        parts=facts.parts,
    )


def _seed_result(
    verification: Verification, track: Track, run: SeedRun, evidence: str
) -> SeedResult:
    artifact, scoring, gap = run.artifact, run.scoring, run.gap
    return SeedResult(
        seed=run.seed,
        val_bpb=scoring.val_bpb if scoring else None,
        val_loss=scoring.val_loss if scoring else None,
        artifact_bytes=artifact.bytes if artifact else None,
        code_bytes=checks.counted_code_bytes(verification, track),
        train_seconds=run.train.wallclock_seconds if run.train else None,
        score_seconds=run.score.wallclock_seconds if run.score else None,
        targets=scoring.targets if scoring else None,
        bytes=scoring.bytes if scoring else None,
        artifact=f"{evidence}/seed-{run.seed}/artifact/{artifact.name}" if artifact else None,
        artifact_sha256=artifact.sha256 if artifact else None,
        tokens_per_second=scoring.tokens_per_second if scoring else None,
        unquantised_bpb=run.unquantised.val_bpb if run.unquantised else None,
        holdout_bpb=gap.holdout_bpb if gap else None,
        gap_bpb=gap.gap_bpb if gap else None,
        gap_standard_error_bpb=gap.standard_error_bpb if gap else None,
        timeline=run.timeline,
        trouble=_trouble(run),
    )
