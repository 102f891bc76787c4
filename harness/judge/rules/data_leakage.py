"""Rules about the text itself: it comes back from its tokens, and it was not known beforehand.

Pure functions from (track, evidence) to one check,.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from harness.contest.track import Track
from harness.evidence.facts import DocumentCost, GapFacts, MemorisationFacts, SeedRun, Verification
from harness.judge.verdict import Check, StatisticsResult
from harness.models import Status

# A document is impossibly cheap below the first, whatever the rest is like: the strongest models
# of the field need about a third of the bits of a plain compressor.
IMPOSSIBLE_RATIO = 0.04
# Or where it lies far below the rest: so many deviations of the logarithm, and so small a share
# of the median.
OUTLYING_DEVIATIONS = 6.0
OUTLYING_SHARE = 0.25
# What a document that is impossibly cheap should have cost at least, of a plain compressor's bits.
LEAST_HONEST_RATIO = 0.2
# A stretch of the stream is held against the others where all are long enough to be alike.
PART_DOCUMENTS = 8
FEWEST_PARTS = 10
PART_SHARE = 0.8
# Less than this share of the margin decides nothing, and a few boilerplate texts are everywhere.
MATERIAL_SHARE = 0.1


def check_tokenizer(verification: Verification) -> Check:
    """Every validation document comes back from its tokens, exactly."""
    documents = verification.dataset.validation_documents
    own = verification.tokenizer
    measured, status = documents, "pass"
    if own is None:
        detail = "the dataset's own: gives every validation document back exactly"
    elif own.problem:
        status, detail = "fail", own.problem
        measured = (own.document or 1) - 1
    else:
        per_token = verification.dataset.validation_bytes / (own.validation_tokens or 1)
        detail = (
            f"the submission's own ({own.file or 'pure bytes'}, {own.vocabulary_size:,} ids, "
            f"{per_token:.3f} bytes per token): gives every validation document back exactly"
        )
    return Check(
        id="tokenizer",
        status="fail" if status == "fail" else "pass",
        measured=measured,
        limit=documents,
        unit="documents",
        detail=detail,
    )


def suspects(facts: MemorisationFacts) -> list[DocumentCost]:
    """Documents that are impossibly cheap, cheapest first."""
    median, spread = facts.median_ratio, facts.spread
    if median is None or spread is None:
        return []
    outlying = median * min(OUTLYING_SHARE, math.exp(-OUTLYING_DEVIATIONS * spread))
    return [cost for cost in facts.lowest if cost.ratio < max(IMPOSSIBLE_RATIO, outlying)]


def cheap_parts(facts: MemorisationFacts) -> list[int]:
    """Places of parts of the stream that are far cheaper than the rest of it."""
    parts = facts.parts
    if len(parts) < FEWEST_PARTS or min(part.documents for part in parts) < PART_DOCUMENTS:
        return []
    logs = [math.log(max(part.ratio, 1e-9)) for part in parts]
    median = sorted(logs)[len(logs) // 2]
    spread = 1.4826 * sorted(abs(log - median) for log in logs)[len(logs) // 2]
    limit = median + min(math.log(PART_SHARE), -OUTLYING_DEVIATIONS * spread)
    return [place for place, log in enumerate(logs) if log < limit]


def _saved_bpb(facts: MemorisationFacts, costs: Sequence[DocumentCost], total_bytes: int) -> float:
    """What the score gains by documents that are impossibly cheap, at the least."""
    usual = max(facts.median_ratio or 0.0, LEAST_HONEST_RATIO)
    return (
        sum(max(usual * cost.plain_bpb - cost.bpb, 0.0) * cost.bytes for cost in costs)
        / total_bytes
    )


def check_memorisation(
    verification: Verification, statistics: StatisticsResult, runs: Sequence[SeedRun]
) -> Check:
    """No document or stretch of the stream is impossibly cheap; never a failure by itself.

    A text that stands in the train documents too is honestly cheap, so a human must look.
    """
    known = [(run.seed, run.memorisation) for run in runs if run.memorisation is not None]
    limit = MATERIAL_SHARE * statistics.margin_bpb
    total = verification.dataset.validation_bytes
    saved = [_saved_bpb(facts, suspects(facts), total) for _, facts in known]
    status: Status = "unknown"
    for (seed, facts), gained in zip(known, saved, strict=True):
        if gained > limit:
            detail = _in_words(seed, suspects(facts), gained)
            break
        if cheap := cheap_parts(facts):
            detail = (
                f"seed {seed}: {len(cheap)} of {len(facts.parts)} parts of the validation stream "
                f"are far cheaper than the rest (the first is part {cheap[0] + 1}); a human must "
                "see whether the model has seen them"
            )
            break
    else:
        complete = bool(runs) and len(known) == len(runs)
        status = "pass" if complete else "unknown"
        judged = min((facts.judged for _, facts in known), default=0)
        detail = (
            f"none of {judged:,} documents, and no stretch of the stream, is impossibly cheap"
            if complete
            else "not measured in every seed run"
        )
    return Check(
        id="memorisation",
        status=status,
        measured=max(saved, default=None),
        limit=limit,
        unit="BPB",
        detail=detail,
    )


def _in_words(seed: int, costs: Sequence[DocumentCost], gained: float) -> str:
    first = costs[0]
    return (
        f"seed {seed}: {len(costs)} documents are impossibly cheap, which is {gained:.4f} BPB of "
        f"the score; the cheapest, validation document {first.document} ({first.bytes:,} bytes), "
        f"costs {first.bpb:.4f} BPB where a plain compressor needs {first.plain_bpb:.2f}: a human "
        "must see whether the model has seen them"
    )


def check_holdout(track: Track, runs: Sequence[SeedRun]) -> Check | None:
    """The model is as good on unpublished documents; None where the track names no such set.

    It fails where the gap is larger than the track puts up with, by more than the seeds' spread
    explains (one-sided t-test) and by more than the documents' scatter explains (normal).
    """
    if track.holdout is None:
        return None
    allowed = track.holdout.reference_gap_bpb + track.holdout.tolerance_bpb
    gaps = [run.gap for run in runs if run.gap is not None]
    mean = fmean(gap.gap_bpb for gap in gaps) if gaps else None
    status: Status
    troubled = [(run.seed, run.trouble) for run in runs if run.trouble is not None]
    for seed, trouble in troubled:
        if trouble.phase == "holdout":
            status = "fail" if trouble.fault == "submission" else "unknown"
            detail = f"seed {seed}: {trouble.reason}"
            break
    else:
        if mean is None or len(gaps) < len(runs) or len(gaps) < 2:
            status, detail = "unknown", "not scored on the unpublished documents in every seed run"
        elif _beyond_chance(gaps, allowed, p_below=track.significance.p_below):
            status, detail = "fail", _gap_in_words(gaps, "better than")
        else:
            status, detail = "pass", _gap_in_words(gaps, "as good as")
    return Check(
        id="holdout", status=status, measured=mean, limit=allowed, unit="BPB", detail=detail
    )


def _gap_in_words(gaps: Sequence[GapFacts], how: str) -> str:
    here, there = fmean(g.validation_bpb for g in gaps), fmean(g.holdout_bpb for g in gaps)
    return (
        f"{here:.4f} BPB on the published documents, {there:.4f} on the unpublished: {how} the "
        "latter let expect"
    )


def _beyond_chance(gaps: Sequence[GapFacts], allowed: float, *, p_below: float) -> bool:
    from scipy import stats

    excess = [gap.gap_bpb - allowed for gap in gaps]
    mean = fmean(excess)
    # Every seed is scored on the same documents: their scatter does not average out over seeds.
    documents = fmean(gap.standard_error_bpb for gap in gaps)
    if mean <= float(stats.norm.isf(p_below)) * documents:
        return False
    deviation = stdev(excess)
    if deviation <= 1e-12 * abs(mean):
        return True
    t = mean / deviation * math.sqrt(len(excess))
    return float(stats.t.sf(t, len(excess) - 1)) < p_below
