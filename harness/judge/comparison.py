"""Whether the record fell: compares the seeds' scores with the bar minus the margin.

The unit of the test is BPB. The margin is given in nats per token, as the field does, and
converted with the tokens per byte of the track's own dataset, whatever tokenizer an entry uses.
Which test is asked, and after which seeds, the track says; ``harness/statistics`` answers.
"""

import math
from collections.abc import Sequence
from typing import Any

from harness.contest.account import account_of
from harness.contest.track import Track
from harness.evidence.plan import Plan, PlannedTest
from harness.judge.asked import asked_under, bar_under
from harness.judge.question import Question
from harness.judge.tested import (
    ConfirmationResult,
    LookResult,
    SpendingResult,
    StatisticsResult,
)
from harness.statistics import looks as looking
from harness.statistics.power import seeds_for_power
from harness.statistics.tests import OneSample, one_sample
from harness.statistics.units import bpb_to_nats_per_token, nats_per_token_to_bpb


def compare_with_bar(
    values: Sequence[float], *, plan: Plan, track: Track, in_order: int | None = None
) -> StatisticsResult:
    """Test whether the mean of ``values`` (BPB of each seed run) is below the bar minus margin.

    ``in_order`` of them are of the first draws, with none missing between. Without a bar, only the
    mean and the spread.
    """
    bar, test = bar_under(plan, track), asked_under(plan, track)
    dataset = plan.texts.dataset
    return compare(
        values,
        bar_bpb=bar.bpb if bar else None,
        bar_source=bar.source if bar else "",
        margin_nats_per_token=test.margin_nats_per_token if bar and test else None,
        p_below=test.p_below if bar and test else None,
        targets=dataset.validation_tokens - 1,
        text_bytes=dataset.validation_bytes,
        test=test if bar else None,
        record=bar.seeds if bar else (),
        in_order=in_order,
    )


def confirm(
    statistics: StatisticsResult,
    tested: Sequence[float],
    fresh: Sequence[float],
    *,
    runs: int,
) -> ConfirmationResult | None:
    """What further seeds say of a score that the looks have accepted; None where they have not.

    Args:
        statistics: of the looks.
        tested: the scores that were accepted, BPB.
        fresh: the scores of the further seeds.
        runs: how many the track asks for, all of which must have a score.
    """
    if not statistics.accepted or statistics.p_below is None:
        return None
    told = ConfirmationResult(runs=runs, n=len(fresh), p_below=statistics.p_below)
    if len(fresh) < runs:
        return told
    alone = one_sample(fresh, threshold=None)
    together = Question.asked_in(statistics).p_of([*tested, *fresh])
    return told.model_copy(
        update={"mean_bpb": alone.mean, "sd_bpb": alone.deviation, "p": together}
    )


def spending_under(plan: Plan, track: Track) -> SpendingResult | None:
    """How earlier tries of the same author are charged, where a track charges them."""
    level = track.significance.p_below
    if level is None or not track.significance.spending or plan.once_blind:
        return None
    earlier = plan.tries.by_author
    return SpendingResult(account=account_of(plan.entry), earlier=earlier, level=level)


def compare(
    values: Sequence[float],
    *,
    bar_bpb: float | None,
    bar_source: str,
    margin_nats_per_token: float | None,
    p_below: float | None,
    targets: int,
    text_bytes: int,
    test: PlannedTest | None = None,
    record: Sequence[float] = (),
    in_order: int | None = None,
) -> StatisticsResult:
    """The test, from plain figures.

    Args:
        values: BPB of each seed, in the order of the draws.
        bar_bpb: what is to be beaten.
        bar_source: where that comes from.
        margin_nats_per_token: by how much, in the dataset's own tokens.
        p_below: the level of all looks together.
        targets: of the validation split in the dataset's own tokens, which with ``text_bytes``
            convert between nats per token and BPB.
        text_bytes: of the validation split.
        test: which test, and the looks; by default the plain one, asked once of all values.
        record: scores of the record's own seeds, for Welch's test.
        in_order: how many of ``values`` are of the first draws without a gap; by default all.
    """
    margin_bpb = threshold = None
    if bar_bpb is not None and margin_nats_per_token is not None:
        margin_bpb = nats_per_token_to_bpb(
            margin_nats_per_token, tokens=targets, text_bytes=text_bytes
        )
        threshold = bar_bpb - margin_bpb
    question = Question.of(test, threshold=threshold, record=record)
    seen = _look(_finite(values[:in_order]), test, question)
    ended = seen[-1] if seen and seen[-1].outcome != "went on" else None
    tested = values if ended is None else values[: ended.look.runs]
    answer = question.answer(tested)
    needed = None
    if threshold is not None and p_below is not None and answer.case == "tested":
        needed = _seeds_needed(answer, threshold, p_below, question)
    mean_nats = None
    if answer.mean is not None:
        mean_nats = bpb_to_nats_per_token(answer.mean, tokens=targets, text_bytes=text_bytes)
    if test is None:
        significant = answer.p is not None and p_below is not None and answer.p < p_below
    else:
        significant = ended is not None and ended.outcome == "accepted"
    return StatisticsResult(
        case=answer.case,
        n=answer.n,
        mean_bpb=answer.mean,
        mean_nats_per_token=mean_nats,
        sd_bpb=answer.deviation,
        t=answer.t,
        degrees_of_freedom=None if answer.deviation is None else answer.n - 1,
        p=answer.p,
        p_below=p_below,
        ci99_bpb=answer.interval_99,
        bar_bpb=bar_bpb,
        bar_source=bar_source,
        margin_nats_per_token=margin_nats_per_token,
        margin_bpb=margin_bpb,
        threshold_bpb=threshold,
        seeds_for_power_90=needed,
        significant=significant,
        targets=targets,
        text_bytes=text_bytes,
        **_of_test(test, question, answer, seen),
    )


def _finite(values: Sequence[float]) -> Sequence[float]:
    """Those before the first that is not finite: no look goes past such a one."""
    ends = (place for place, value in enumerate(values) if not math.isfinite(value))
    return values[: next(ends, len(values))]


def _look(
    values: Sequence[float], test: PlannedTest | None, question: Question
) -> tuple[looking.Seen, ...]:
    if test is None or question.threshold is None:
        return ()
    looks = [
        looking.Look(
            look.runs,
            look.accept_below,
            look.hopeless_above(question.threshold, field_sd_bpb=test.field_sd_bpb),
        )
        for look in test.looks
    ]
    return looking.follow(values, looks, p_of=question.p_of)


def _seeds_needed(
    answer: OneSample, threshold: float, p_below: float, question: Question
) -> int | None:
    """How many seeds a plain test would need; of the others nobody asks it here."""
    if question.kind != "plain" or answer.mean is None or answer.deviation is None:
        return None
    return seeds_for_power(
        distance=threshold - answer.mean, sd=answer.deviation, p_below=p_below, power=0.9
    )


def _of_test(
    test: PlannedTest | None,
    question: Question,
    answer: OneSample,
    seen: Sequence[looking.Seen],
) -> dict[str, Any]:
    """What a verdict tells of the test beyond what it told when there was but one."""
    if test is None or question.threshold is None:
        return {}
    found: dict[str, Any] = {
        "test": test.kind,
        "level": _level(test, len(seen)),
        "looks": tuple(_looks_of(test, question.threshold, seen)),
        "field_sd_bpb": test.field_sd_bpb,
        "field_degrees": test.field_degrees,
        "field_source": test.source or None,
    }
    if test.kind != "plain":
        found |= {"plain_p": answer.plain_p, "degrees": answer.degrees}
    if test.kind == "moderated":
        found |= {"tested_sd_bpb": answer.tested_deviation, "guarded": answer.guarded}
    if test.kind == "welch":
        found["record_bpb"] = question.record
    return found


def _level(test: PlannedTest, reached: int) -> float | None:
    """Of the last look that was reached and tests, or of the first one that will."""
    able = [look.accept_below for look in test.looks if look.accept_below is not None]
    passed = [look.accept_below for look in test.looks[:reached] if look.accept_below is not None]
    return passed[-1] if passed else next(iter(able), None)


def _looks_of(
    test: PlannedTest, threshold: float, seen: Sequence[looking.Seen]
) -> list[LookResult]:
    found = []
    for place, look in enumerate(test.looks):
        each = seen[place] if place < len(seen) else None
        found.append(
            LookResult(
                runs=look.runs,
                accept_below=look.accept_below,
                hopeless_above_sd=look.hopeless_above_sd,
                hopeless_above_bpb=look.hopeless_above(threshold, field_sd_bpb=test.field_sd_bpb),
                mean_bpb=each.mean if each and math.isfinite(each.mean) else None,
                p=each.p if each else None,
                outcome=each.outcome if each else None,
            )
        )
    return found
