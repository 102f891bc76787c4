"""What a reader of a verdict should know but no rule decides: pure functions of the evidence.

A claim is not evidence, so a wrong claim does not reject. And a machine cannot tell whether a
second try was made for a good reason or to get lucky. Both are stated in the verdict and every
scorecard.
"""

from collections.abc import Sequence

from harness.contest.entry import Claim
from harness.evidence.escapes import in_words
from harness.judge.case import Case
from harness.judge.tested import StatisticsResult
from harness.judge.verdict import Note

# Compressed sizes differ by some thousandths between seeds; a claim is one figure for all seeds.
CLAIMED_BYTES_SHARE = 0.01
_NODES_SHOWN = 5


def notes_on(case: Case) -> tuple[Note, ...]:
    """All notes; each is a warning that leaves the verdict as it is.

    A rehearsal has those of its machine alone: it is meant to be repeated, and claims are about the
    contest.
    """
    of_machine = _of_machine(case)
    if case.track.rehearsal:
        return of_machine
    sizes = [run.artifact.bytes + case.code_bytes for run in case.seeds if run.artifact is not None]
    found = (
        _earlier(case),
        _passed_over(case),
        _like(case),
        _means(case),
        *notes_on_claim(
            case.plan.entry.claim,
            case.statistics,
            sizes,
            only_reproduced=case.plan.entry.only_reproduced,
        ),
    )
    return (*of_machine, *(note for note in found if note is not None))


def _of_machine(case: Case) -> tuple[Note, ...]:
    refused = case.plan.required.refuse_known_escapes  # then the rule `isolation` tells it
    found = (
        None if refused else _escapes(case, vouched=False),
        _escapes(case, vouched=True),
    )
    return tuple(note for note in found if note is not None)


def _escapes(case: Case, *, vouched: bool) -> Note | None:
    """Known escapes of the engines that made the runs: those left open, or those vouched for."""
    found = [
        (host.node, escape)
        for run in case.runs
        for host in run.hosts
        for escape in host.sandbox.known_escapes or ()
        if escape.vouched == vouched
    ]
    if not found:
        return None
    nodes = sorted({node for node, _ in found if node})
    shown = ", ".join(nodes[:_NODES_SHOWN]) or "the engine"
    more = f" and {len(nodes) - _NODES_SHOWN:,} more" if len(nodes) > _NODES_SHOWN else ""
    escapes = in_words(dict.fromkeys(escape for _, escape in found), remedies=not vouched)
    return Note(
        id="vouched_escapes" if vouched else "known_escapes",
        status="unknown",
        detail=f"the referee vouches, and nothing proves, that {shown}{more} was repaired under "
        f"the same number: {escapes}"
        if vouched
        else f"by its version, code is known to get out of containers of {shown}{more}: {escapes}",
    )


def notes_on_claim(
    claim: Claim,
    statistics: StatisticsResult,
    sizes: Sequence[int],
    *,
    only_reproduced: bool = False,
) -> tuple[Note, ...]:
    """Wrong claims; ``sizes`` are bytes of artifact and code, one for each artifact.

    Where a claim is ``only_reproduced``, what we measured is no measure of it.
    """
    score = None if only_reproduced else _claimed_score(claim, statistics)
    found = (score, _claimed_bytes(claim, sizes))
    return tuple(note for note in found if note is not None)


def _earlier(case: Case) -> Note | None:
    """A verification that was tried before: with enough tries, one passes by luck."""
    earlier, p_below = case.plan.tries.earlier, case.statistics.p_below
    if earlier == 0 or p_below is None:
        return None
    tries = earlier + 1
    chance = 1 - (1 - p_below) ** tries
    return Note(
        id="tried_before",
        status="unknown",
        detail=f"try {tries:,} of the same submission on this track in this directory: with so "
        f"many tries, a submission exactly at the threshold passes with probability {chance:.2f}; "
        "look at the other tries",
    )


def _passed_over(case: Case) -> Note | None:
    """A new draw that the referee asked for, though an earlier one could have been finished."""
    open_ones = case.plan.tries.passed_over
    if not open_ones:
        return None
    return Note(
        id="new_draw",
        status="unknown",
        detail="the referee asked for a new draw with --new-draw, though an earlier verification "
        f"was unfinished or INCONCLUSIVE: {', '.join(open_ones)}; see what became of it",
    )


def _like(case: Case) -> Note | None:
    """Code that is nearly that of an earlier try of somebody else; its author is not judged."""
    like = case.plan.tries.like
    if like is None:
        return None
    return Note(
        id="like_an_earlier_try",
        status="unknown",
        detail=f"differs in about {like.differs:.0%} of its lines from {like.submission!r}, tried "
        f"by {like.account!r} on {like.at[:10]}, which is no accepted record; that says who was "
        "tried here first, not who wrote it, and is charged to nobody but who sent this",
        measured=like.differs,
        unit="of its lines",
    )


def _means(case: Case) -> Note | None:
    """Seeds of which two tries count."""
    found = [str(run.seed) for run in case.seeds if run.beside and run.scores]
    if not found:
        return None
    return Note(
        id="mean_of_tries",
        status="unknown",
        detail=f"seed {', '.join(found)}: our side lost a try after it had its score, and made it "
        "again; the mean of all its scores counts, not the last alone",
    )


def _claimed_score(claim: Claim, statistics: StatisticsResult) -> Note | None:
    """A claimed score that differs from the measured one by as much as a record needs."""
    claimed, mean, margin = claim.val_bpb, statistics.mean_bpb, statistics.margin_bpb
    if claimed is None or mean is None or margin is None or abs(mean - claimed) <= margin:
        return None
    better = "better" if claimed < mean else "worse"
    return Note(
        id="claimed_score",
        status="unknown",
        detail=f"submission.json claims {claimed:.6f} BPB, {abs(mean - claimed):.6f} {better} than "
        f"the {mean:.6f} measured; only what was measured counts",
        file="submission.json",
        field="val_bpb",
        measured=mean,
        limit=claimed,
        unit="BPB",
    )


def _claimed_bytes(claim: Claim, sizes: Sequence[int]) -> Note | None:
    """A claimed size that differs from the measured one."""
    claimed = claim.bytes_total
    if claimed is None or not sizes:
        return None
    largest = max(sizes)
    if abs(largest - claimed) <= CLAIMED_BYTES_SHARE * largest:
        return None
    return Note(
        id="claimed_bytes",
        status="unknown",
        detail=f"submission.json claims {claimed:,} bytes, {largest:,} were weighed; only what was "
        "weighed counts",
        file="submission.json",
        field="bytes_total",
        measured=largest,
        limit=claimed,
        unit="bytes",
    )
