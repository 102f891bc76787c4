"""Finds contradictions in what a verdict says of the test, by asking it again."""

import math
from collections.abc import Iterator, Sequence
from itertools import count

from harness.contest.significance import Look
from harness.evidence.plan import PlannedTest
from harness.judge.check_figures import fresh_scores, looked_at, tested_scores
from harness.judge.comparison import compare, confirm
from harness.judge.differing import P_TOLERANCE, TOLERANCE, differs
from harness.judge.tested import ConfirmationResult, LookResult, StatisticsResult
from harness.judge.verdict import Verdict

_PS = frozenset({"p", "plain_p"})


def about_the_test(verdict: Verdict, *, today: bool) -> Iterator[str]:
    """Every figure of the test, from the seeds' scores and the bar; ``today``: of today's rules."""
    found = verdict.statistics
    given = (found.bar_bpb, found.margin_nats_per_token, found.p_below)
    if any(figure is None for figure in given) and given != (None,) * 3:
        yield "statistics: found a part of bar, margin and p_below, expected all or none"
        return
    if found.p_below is not None and not 0 < found.p_below < 0.5:
        yield f"statistics.p_below: found {found.p_below}, expected between 0 and 0.5"
        return
    if found.test is None and found.bar_bpb is not None and today:
        yield "statistics.test: found none, expected the kind of test, and its looks"
    levels = math.fsum(look.accept_below or 0 for look in found.looks or ())
    if found.p_below is not None and levels > found.p_below * (1 + TOLERANCE):
        yield f"statistics.p_below: found {found.p_below}, expected the looks' {levels:g} or more"
    scores, in_order = _in_order(verdict)
    expected = compare(
        scores,
        bar_bpb=found.bar_bpb,
        bar_source=found.bar_source,
        margin_nats_per_token=found.margin_nats_per_token,
        p_below=found.p_below,
        targets=found.targets,
        text_bytes=found.text_bytes,
        test=_told_test(found),
        record=found.record_bpb or (),
        in_order=in_order,
    )
    for name in type(found).model_fields:
        one, other = getattr(found, name), getattr(expected, name)
        if name == "looks" and one and other:
            yield from _about_the_looks(one, other)
            continue
        within = P_TOLERANCE if name in _PS else TOLERANCE
        if isinstance(one, tuple) and isinstance(other, tuple):
            for place, pair in enumerate(zip(one, other, strict=True)):
                yield differs(f"statistics.{name}.{place}", *pair)
        else:
            yield differs(f"statistics.{name}", one, other, within=within)


def _told_test(found: StatisticsResult) -> PlannedTest | None:
    """The test that a verdict says was asked; None where it is of before there was a choice.

    Raises:
        ValueError: it is none.
    """
    if found.test is None or found.margin_nats_per_token is None or found.p_below is None:
        return None
    return PlannedTest(
        kind=found.test,
        margin_nats_per_token=found.margin_nats_per_token,
        p_below=found.p_below,
        field_sd_bpb=found.field_sd_bpb,
        field_degrees=found.field_degrees,
        source=found.field_source or "",
        looks=tuple(
            Look(
                runs=look.runs,
                accept_below=look.accept_below,
                hopeless_above_sd=look.hopeless_above_sd,
            )
            for look in found.looks or ()
        ),
    )


def _in_order(verdict: Verdict) -> tuple[list[float], int | None]:
    """The scores of the looks, and how many of them are of the first draws without a gap."""
    rows = looked_at(verdict)
    scores = [row.counted_bpb for row in rows if row.counted_bpb is not None]
    if any(row.place is None for row in rows):
        return scores, None
    by_place = {row.place: None if row.lost else row.counted_bpb for row in rows}
    return scores, next(place for place in count() if by_place.get(place + 1) is None)


def _about_the_looks(found: Sequence[LookResult], expected: Sequence[LookResult]) -> Iterator[str]:
    for look, other in zip(found, expected, strict=True):
        for name in LookResult.model_fields:
            within = P_TOLERANCE if name == "p" else TOLERANCE
            pair = getattr(look, name), getattr(other, name)
            yield differs(f"statistics.looks.{look.runs}.{name}", *pair, within=within)


def about_the_confirmation(verdict: Verdict) -> Iterator[str]:
    """Its figures, from the scores of the seeds that confirm."""
    found = verdict.confirmation
    if found is None:
        return
    expected = confirm(
        verdict.statistics, tested_scores(verdict), fresh_scores(verdict), runs=found.runs
    )
    if expected is None:
        yield "confirmation: found one, expected none: no look has accepted"
        return
    for name in ConfirmationResult.model_fields:
        within = P_TOLERANCE if name == "p" else TOLERANCE
        pair = getattr(found, name), getattr(expected, name)
        yield differs(f"confirmation.{name}", *pair, within=within)
