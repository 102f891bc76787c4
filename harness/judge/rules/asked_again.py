"""What the rules about questions asked again have in common: noise, time, and how many answered."""

from collections.abc import Sequence
from typing import NamedTuple

from harness.evidence.asked_again import Changes, Probes, Recall
from harness.judge.case import Case
from harness.models import Status
from harness.statistics.probe_bounds import FAILS_AT

NOISE_NATS = 0.25
"""A question that is asked twice unchanged and moves by more has no one answer."""
EXCUSED = 3.0
"""Times the largest change of a pair: what chance may do among many more questions."""
ENOUGH_PAIRS = 8
"""Of fewer, no mean tells anything."""
FAR_SLOWER = 30.0
"""Times as long as while scoring: no machine's mood."""
LEAST_RESERVE_SECONDS = 15.0
"""By which requests may, in all, take more than they are allowed one by one: a machine's mood."""
RESERVE = 0.5
"""As much again, in what scoring took for as many of their sizes."""


class Answer(NamedTuple):
    """A status, and the sentence that says why."""

    status: Status
    detail: str

    def of_seed(self, seed: int) -> "Answer":
        """The same, of one seed."""
        return self._replace(detail=f"seed {seed}: {self.detail}")


def differs_by_itself(probes: Probes, *, change: float) -> Answer | None:
    """Whether one question, asked twice in one request, got two answers: random, not a cheat.

    Such pairs are easily known, so they excuse no ``change`` far larger than what they show.
    """
    largest = probes.twice.largest_nats if probes.twice else 0.0
    if largest <= NOISE_NATS or change > EXCUSED * largest:
        return None
    if probes.twice and _learns(probes.twice):
        return None
    return Answer(
        "unknown",
        f"the same question got two answers, {largest:.2f} nats apart: is the model in eval mode?",
    )


def differs_unchanged(probes: Probes | None, *, change: float, adaptive: bool) -> str:
    """What is said where unchanged questions, among others, got answers as different; else empty.

    Two rows of one request may agree all the same: a mask that is drawn for a whole request (of
    weights, of layers) is the same for both. Neither another future nor another order explains such
    a ``change``. What does cannot be told apart from outside, so the reason names all of it, the
    commonest mistake first; it is still no answer that can be scored.
    """
    largest = probes.unchanged.largest_nats if probes and probes.unchanged else 0.0
    if largest <= NOISE_NATS or change > EXCUSED * largest:
        return ""
    learned = ", or in what it learns," if adaptive else ""
    return (
        f"asked again unchanged, it answered otherwise too, by up to {largest:.2f} nats: it draws "
        f"anew in each request{learned} (is the model in eval mode?), or goes by what else it was "
        "shown"
    )


def _learns(twice: Changes) -> bool:
    """Whether the second of two equal rows is the cheaper one beyond chance: that is memory."""
    return twice.count >= ENOUGH_PAIRS and twice.mean_nats + FAILS_AT * twice.sample.error < 0


def not_reached(case: Case) -> Answer:
    """Not every run was asked again, for whatever reason: nothing passes without."""
    for run in case.seeds:
        if run.spared is not None:
            return Answer("unknown", f"seed {run.seed}: not asked again: {run.spared}")
    return Answer("unknown", "not reached in every seed run")


def not_all_answered(probed: Sequence[Probes | Recall]) -> Answer | None:
    """Whether a sandbox was killed before all was asked."""
    for each in probed:
        if each.planned is not None and each.answered < each.planned:
            return Answer(
                "unknown",
                f"{each.answered:,} of {each.planned:,} questions were answered before the sandbox "
                f"was stopped, after {each.seconds or 0:.0f} s; while scoring, as many took "
                f"{each.expected_seconds or 0:.0f} s",
            )
    return None


def thought_longer(asked: Sequence[Probes | Recall]) -> Answer | None:
    """Whether single questions took so much longer than while scoring that thought was saved up.

    Never a fail: a machine that was busy at times does the same, and nothing that we could measure
    tells both apart. What a request does not use of its time is no excuse for another.
    """
    for each in asked:
        pace = each.pace
        if pace is None:
            continue
        if pace.over_seconds > LEAST_RESERVE_SECONDS + RESERVE * pace.scoring_seconds:
            return Answer(
                "unknown",
                f"{pace.slower:,} of {pace.requests:,} requests took more than three times as long "
                f"as while scoring, {pace.over_seconds:.0f} s more in all: time to think that a "
                "score is not given, or a machine that was busy with something else",
            )
    return None


def far_slower(asked: Probes | Recall) -> Answer | None:
    """Whether answers took far longer than while scoring: time to think that scoring is charged.

    Never a fail: who goes faster where one window follows another is slow out of order, too.
    """
    if not asked.planned or not asked.expected_seconds or asked.seconds is None:
        return None
    if asked.answered == asked.planned:
        return None
    would_take = asked.seconds * asked.planned / max(asked.answered, 1)
    if would_take < FAR_SLOWER * asked.expected_seconds:
        return None
    times = would_take / asked.expected_seconds
    return Answer(
        "unknown",
        f"asked again, it is {times:.0f} times as slow as while it was scored: time to think that "
        "a score is not given, or a model that is fast in the order of the text alone",
    )
