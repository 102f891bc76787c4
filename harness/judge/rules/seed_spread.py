"""Whether a seed matters.

The t-test takes every seed run for an independent draw. Runs that all come to the same model are
one run told several times: their spread says nothing about luck, and one lucky seed, written into
the script, would pass for many. No seed run is at fault by itself, and a method without any chance
in it is no fraud, so a human decides: unknown, never a failure.
"""

from itertools import combinations

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status

# A seventieth of the 0.0007 BPB by which seeds scatter in the field: three honest ones lie this
# close together once in five thousand times.
SMALLEST_SPREAD_BPB = 1e-5


def _seed_spread(case: Case) -> Finding | None:
    if case.track.significance.seeds < 2:
        return None
    artifacts = [(run.seed, run.artifact.sha256) for run in case.seeds if run.artifact is not None]
    values = [run.bpb for run in case.seeds if run.bpb is not None]
    same = [(a, b) for (a, one), (b, other) in combinations(artifacts, 2) if one == other]
    spread = max(values) - min(values) if len(values) > 1 else None
    status: Status = "unknown"
    if same:
        detail = (
            f"seeds {same[0][0]} and {same[0][1]} left identical artifacts: a seed must matter, or "
            "there is no chance to test against; a human must see why"
        )
    elif spread is None:
        detail = "it takes two seed runs with a score to see whether the seed matters"
    elif spread < SMALLEST_SPREAD_BPB:
        detail = (
            "the artifacts differ, but score as the same model: the seeds seem to change nothing "
            "that matters; a human must see why"
        )
    else:
        status, detail = "pass", "between the best and the worst seed: the seed matters"
    return Finding(
        id="seed_spread",
        status=status,
        measured=spread,
        limit=SMALLEST_SPREAD_BPB,
        unit="BPB",
        detail=detail,
    )


SEED_SPREAD = Rule(
    "seed_spread",
    "Different seeds led to different models, and these to different scores.",
    _seed_spread,
    better="higher",
    decidable=True,
)
