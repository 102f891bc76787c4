"""What a reader of a verdict should know, and no rule decides: pure functions of the evidence.

A claim is no evidence, so a wrong one rejects nothing; and whether a second try was luck or
necessity is not for a machine to say. Both are stated in the verdict and on every scorecard.
"""

from collections.abc import Sequence

from harness.contest.track import Track
from harness.evidence.facts import SeedRun, Verification
from harness.judge.rules import counted_code_bytes
from harness.judge.verdict import Finding, StatisticsResult

# Compressed artifacts differ by some thousandths between seeds; claims give one figure for all.
CLAIMED_BYTES_SHARE = 0.01


def observe(
    verification: Verification, track: Track, runs: Sequence[SeedRun], statistics: StatisticsResult
) -> tuple[Finding, ...]:
    """All findings; each is a warning that leaves the verdict as it is. A rehearsal has none."""
    if track.rehearsal:  # it is there to be repeated, and claims are made for the contest
        return ()
    found = (
        _earlier(verification, track),
        _claimed_score(verification, statistics),
        _claimed_bytes(verification, runs),
    )
    return tuple(finding for finding in found if finding is not None)


def _earlier(verification: Verification, track: Track) -> Finding | None:
    """A verification that was tried before: whoever tries long enough gets lucky."""
    earlier = verification.earlier
    if earlier == 0:
        return None
    tries = earlier + 1
    chance = 1 - (1 - track.significance.p_below) ** tries
    return Finding(
        name="tried before",
        status="unknown",
        detail=f"try {tries:,} of this very submission on this track in this directory: in so many "
        f"tries one exactly at the threshold gets through with a probability of {chance:.2f}; see "
        "what became of the others",
    )


def _claimed_score(verification: Verification, statistics: StatisticsResult) -> Finding | None:
    """A claim that is off by what the track counts as a record."""
    claimed, mean = verification.submission.claim.val_bpb, statistics.mean_bpb
    if claimed is None or mean is None or abs(mean - claimed) <= statistics.margin_bpb:
        return None
    better = "better" if claimed < mean else "worse"
    return Finding(
        name="claimed score",
        status="unknown",
        detail=f"submission.json claims {claimed:.6f} BPB, {abs(mean - claimed):.6f} {better} than "
        f"the {mean:.6f} measured; only what was measured counts",
    )


def _claimed_bytes(verification: Verification, runs: Sequence[SeedRun]) -> Finding | None:
    """A claim of fewer or more bytes than were weighed."""
    claimed = verification.submission.claim.bytes_total
    code = counted_code_bytes(verification, verification.track)
    sizes = [run.artifact.bytes + code for run in runs if run.artifact is not None]
    if claimed is None or not sizes:
        return None
    largest = max(sizes)
    if abs(largest - claimed) <= CLAIMED_BYTES_SHARE * largest:
        return None
    return Finding(
        name="claimed bytes",
        status="unknown",
        detail=f"submission.json claims {claimed:,} bytes, {largest:,} were weighed; only what was "
        "weighed counts",
    )
