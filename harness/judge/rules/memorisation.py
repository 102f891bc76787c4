"""Whether the model has seen the validation text: judged by the costs of single documents."""

import math
from collections.abc import Sequence

from harness.evidence.results import DocumentCost, Spread
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

# Below this ratio a document is impossibly cheap, whatever the other documents cost: the strongest
# models of the field need about a third of the bits of a plain compressor.
IMPOSSIBLE_RATIO = 0.04
# It is also impossibly cheap if its ratio is far below the others: by so many deviations of the
# logarithm, and below this share of the median.
OUTLYING_DEVIATIONS = 6.0
OUTLYING_SHARE = 0.25
# What an impossibly cheap document should have cost at least: this share of a plain compressor's.
LEAST_HONEST_RATIO = 0.2
# Parts of the stream are compared only if all of them are long enough to be similar.
PART_DOCUMENTS = 8
FEWEST_PARTS = 10
PART_SHARE = 0.8
# A smaller share of the margin is ignored: a few boilerplate texts occur in any data.
MATERIAL_SHARE = 0.1
# For a track without a margin: the margin of the field, at its usual tokens per byte.
LEAST_MARGIN_BPB = 0.002


def suspects(spread: Spread) -> list[DocumentCost]:
    """Documents that are impossibly cheap, cheapest first."""
    median, deviation = spread.median_ratio, spread.spread
    if median is None or deviation is None:
        return []
    outlying = median * min(OUTLYING_SHARE, math.exp(-OUTLYING_DEVIATIONS * deviation))
    return [cost for cost in spread.lowest if cost.ratio < max(IMPOSSIBLE_RATIO, outlying)]


def cheap_parts(spread: Spread) -> list[int]:
    """Places of parts of the stream that are far cheaper than the rest of it."""
    parts = spread.parts
    if len(parts) < FEWEST_PARTS or min(part.documents for part in parts) < PART_DOCUMENTS:
        return []
    logs = [math.log(max(part.ratio, 1e-9)) for part in parts]
    median = sorted(logs)[len(logs) // 2]
    deviation = 1.4826 * sorted(abs(log - median) for log in logs)[len(logs) // 2]
    limit = median + min(math.log(PART_SHARE), -OUTLYING_DEVIATIONS * deviation)
    return [place for place, log in enumerate(logs) if log < limit]


def _saved_bpb(spread: Spread, costs: Sequence[DocumentCost], total_bytes: int) -> float:
    """The least that the score gains from impossibly cheap documents."""
    usual = max(spread.median_ratio or 0.0, LEAST_HONEST_RATIO)
    return (
        sum(max(usual * cost.plain_bpb - cost.bpb, 0.0) * cost.bytes for cost in costs)
        / total_bytes
    )


def _memorisation(case: Case) -> Finding | None:
    """Never a failure: a text that is also in the train documents is cheap for an honest model."""
    if not case.plan.entry.asked:
        return None
    known = [(run.seed, run.spread) for run in case.seeds if run.spread is not None]
    margin = case.statistics.margin_bpb
    limit = MATERIAL_SHARE * (margin if margin is not None else LEAST_MARGIN_BPB)
    total = case.dataset.validation_bytes
    saved = [_saved_bpb(spread, suspects(spread), total) for _, spread in known]
    status: Status = "unknown"
    for (seed, spread), gained in zip(known, saved, strict=True):
        if gained > limit:
            detail = _in_words(seed, suspects(spread), gained)
            break
        if cheap := cheap_parts(spread):
            detail = (
                f"seed {seed}: {len(cheap)} of {len(spread.parts)} parts of the validation stream "
                f"are far cheaper than the rest (the first is part {cheap[0] + 1}); a human must "
                "see whether the model has seen them"
            )
            break
    else:
        complete = bool(case.seeds) and len(known) == len(case.seeds)
        status = "pass" if complete else "unknown"
        judged = min((spread.judged for _, spread in known), default=0)
        detail = (
            f"none of {judged:,} documents, and no stretch of the stream, is impossibly cheap"
            if complete
            else "not measured in every seed run"
        )
    return Finding(
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


MEMORISATION = Rule(
    "memorisation",
    "No document, and no stretch of the stream, is so cheap that the model must have seen it.",
    _memorisation,
    better="lower",
    decidable="a text that stands in the train documents too is cheap for an honest model, and a "
    "reader can look it up there",
)
