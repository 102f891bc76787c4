"""Whether a seed matters.

The t-test assumes that every seed run is an independent draw. Runs that all produce the same model
are really one run: their spread says nothing about luck, and a lucky seed that is written into the
script would count several times. No single seed run is at fault, and a deterministic method is not
fraud, so a human decides: unknown, never a failure.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.tested import StatisticsResult
from harness.models import Finding, Status

# A seventieth of 0.0007 BPB, the spread of seeds in the field: three honest seeds are this close
# together once in five thousand times.
SMALLEST_SPREAD_BPB = 1e-5
SMALLEST_SHARE = 0.1
"""Of the field's deviation, where the track knows it: one in a hundred honest triples has less."""


def _seed_spread(case: Case) -> Finding | None:
    if case.track.significance.most_runs < 2 or case.plan.once_blind:
        return None
    artifacts = [(run.seed, run.artifact.sha256) for run in case.seeds if run.artifact is not None]
    values = [run.bpb for run in case.seeds if run.bpb is not None]
    same = [(a, b) for (a, one), (b, other) in combinations(artifacts, 2) if one == other]
    spread, limit, what, alike = spread_of(case.statistics, values)
    status: Status = "unknown"
    if same:
        detail = (
            f"seeds {same[0][0]} and {same[0][1]} left identical artifacts: a seed must matter, or "
            "the test means nothing; a human must find out why, and decide"
        )
    elif spread is None:
        detail = "whether the seed matters can only be seen with two scored seed runs"
    elif spread < limit:
        detail = (
            f"the artifacts differ, but their scores {alike}: the seeds seem to change nothing "
            "that matters; a human must find out why, and decide"
        )
    else:
        status, detail = "pass", f"{what}: the seed matters"
    return Finding(
        id="seed_spread",
        status=status,
        measured=spread,
        limit=limit,
        unit="BPB",
        detail=detail,
    )


class Spread(NamedTuple):
    """A figure of the spread, BPB, the least that it must be, and both in words."""

    bpb: float | None
    least: float
    what: str
    alike: str


def spread_of(result: StatisticsResult, values: Sequence[float]) -> Spread:
    """How far the seeds' scores lie apart, by the field's measure where the track knows it.

    A test that never counts less than the field's deviation accepts seeds that are alike; so their
    own deviation is what shows whether a seed mattered.
    """
    if result.test == "moderated" and result.field_sd_bpb is not None:
        least = SMALLEST_SHARE * result.field_sd_bpb
        return Spread(result.sd_bpb, least, "deviation of the seeds that were tested", "hardly do")
    apart = max(values) - min(values) if len(values) > 1 else None
    return Spread(apart, SMALLEST_SPREAD_BPB, "between the best and the worst seed", "are the same")


SEED_SPREAD = Rule(
    "seed_spread",
    "Different seeds gave different models with different scores.",
    _seed_spread,
    better="higher",
    decidable="a method without chance is no fraud, and its code shows a reader why seeds change "
    "nothing",
)
