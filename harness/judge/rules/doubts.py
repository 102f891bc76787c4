"""Whether the record stands with every doubt charged.

Tolerances that are each small add up. What a check cannot exclude it states in BPB; here all of it
is added to the score, and the track's question is asked again. A rehearsal's short stream excludes
little, so it may leave this open.
"""

from collections.abc import Sequence
from typing import NamedTuple

from harness.judge.case import Case
from harness.judge.question import Question
from harness.judge.rule import Rule
from harness.judge.rules.brought_along import brought_doubt_bpb
from harness.judge.rules.causality import gain_below
from harness.judge.rules.memory import change_below
from harness.judge.tested import ConfirmationResult, StatisticsResult
from harness.judge.verdict import Doubt
from harness.models import Finding
from harness.statistics.units import nats_per_token_to_bpb

RESIDUAL_BITS = 24_576
"""What may pass between two sandboxes of a seed: twice the most that anybody has got through, half
of it for channels that nobody knows (SECURITY.md has the figures and the machine)."""


def doubts_of(case: Case) -> tuple[Doubt, ...]:
    """What each check leaves open, in BPB of the validation text; none where nothing bounds it.

    Nor is there any where no score of ours is at stake.
    """
    if case.plan.once_blind:
        return ()
    text_bytes = case.dataset.validation_bytes

    def of_targets(nats: float | None) -> float | None:
        if nats is None:
            return None
        return nats_per_token_to_bpb(nats, tokens=case.targets, text_bytes=text_bytes)

    found = (
        ("causality", "looking ahead", of_targets(gain_below(case))),
        ("memory", "memory that is not declared", of_targets(change_below(case))),
        ("brought_along", "remembered text in what came along", brought_doubt_bpb(case)),
        ("isolation", "what may pass between two sandboxes", _channels_bpb(case)),
    )
    return tuple(Doubt(check=check, of=of, bpb=bpb) for check, of, bpb in found if bpb is not None)


def _channels_bpb(case: Case) -> float | None:
    """A bit that passes saves a bit at most; nothing bounds them where nothing is isolated.

    A track that bounds no gain charges none of this kind either.
    """
    if case.track.probes.bound is None or not case.plan.required.isolated:
        return None
    return RESIDUAL_BITS / case.dataset.validation_bytes


class Charged(NamedTuple):
    """What is left of a record with all doubts added: p, the level it needs, whether it stands."""

    p: float | None
    limit: float | None
    stands: bool


def charged(
    doubts: Sequence[Doubt],
    statistics: StatisticsResult,
    tested: Sequence[float],
    confirmation: ConfirmationResult | None,
    fresh: Sequence[float],
) -> Charged:
    """Ask the looks' question again, and the confirmation's, with every score worse by all doubts.

    What does not stand is told; of two that stand, the first.
    """
    sum_bpb, question = sum(doubt.bpb for doubt in doubts), Question.asked_in(statistics)

    def asked(scores: Sequence[float], limit: float | None) -> Charged:
        p = question.p_of([score + sum_bpb for score in scores])
        return Charged(p, limit, p is not None and limit is not None and p < limit)

    at_look, threshold = asked(tested, statistics.asked_level), statistics.threshold_bpb
    if not at_look.stands or confirmation is None or not confirmation.confirms(threshold):
        return at_look  # what fails without any doubt is not asked with all of them
    below = confirmation.confirms(threshold, worse_by_bpb=sum_bpb)
    together = asked([*tested, *fresh], confirmation.p_below)
    return at_look if below and together.stands else together._replace(stands=False)


def _doubts(case: Case) -> Finding | None:
    result, doubts = case.statistics, doubts_of(case)
    if not doubts or not result.significant or result.threshold_bpb is None:
        return None
    found = charged(doubts, result, case.tested, case.confirmation, case.fresh)
    said = f"{sum(doubt.bpb for doubt in doubts):.6f} BPB that no check excludes, added to each"
    falls = "falls all the same" if found.stands else "falls only without it"
    return Finding(
        id="doubts",
        status="pass" if found.stands else "unknown",
        measured=found.p,
        limit=found.limit,
        unit="p",
        detail=f"{said} score: the bar {falls}",
    )


DOUBTS = Rule(
    "doubts",
    "The bar falls even with all that no check can exclude added to the score.",
    _doubts,
    better="lower",
    open_in_rehearsal=True,
)
