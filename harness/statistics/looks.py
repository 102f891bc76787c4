"""Looks at scores while they come in: accept, stop as hopeless, or go on.

The looks are fixed before the first run. A union bound over those that accept keeps their levels
together below the level of the whole; stopping early as hopeless only lowers it.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

Outcome = Literal["went on", "accepted", "hopeless", "not shown", "no test"]
DECIDED: frozenset[Outcome] = frozenset({"accepted", "hopeless", "not shown"})


class Look(NamedTuple):
    """After ``runs`` scores: accept if p lies below ``accept_below``, else stop as hopeless if the
    mean lies above ``hopeless_above``; the last look goes on to none. None: this is not asked.
    """

    runs: int
    accept_below: float | None = None
    hopeless_above: float | None = None


class Seen(NamedTuple):
    """What a look saw; ``p`` is None where the look does not test, or no test is possible."""

    look: Look
    mean: float
    p: float | None
    outcome: Outcome


def follow(
    values: Sequence[float],
    looks: Sequence[Look],
    *,
    p_of: Callable[[Sequence[float]], float | None],
) -> tuple[Seen, ...]:
    """The looks that these scores have reached, in order, up to the one that decides.

    Args:
        values: scores in the order of the draws; of one that is missing, only those before it.
        looks: in order of ``runs``.
        p_of: the test; None where it is not possible.
    """
    seen: list[Seen] = []
    for number, look in enumerate(looks):
        if len(values) < look.runs:
            break
        seen.append(_look(values[: look.runs], look, p_of, last=number == len(looks) - 1))
        if seen[-1].outcome != "went on":
            break
    return tuple(seen)


def _look(
    values: Sequence[float],
    look: Look,
    p_of: Callable[[Sequence[float]], float | None],
    *,
    last: bool,
) -> Seen:
    mean = fmean(values)
    p = None if look.accept_below is None else p_of(values)
    if look.accept_below is not None and p is not None and p < look.accept_below:
        return Seen(look, mean, p, "accepted")
    if look.hopeless_above is not None and mean > look.hopeless_above:
        return Seen(look, mean, p, "hopeless")
    if not last:
        return Seen(look, mean, p, "went on")
    return Seen(look, mean, p, "not shown" if p is not None else "no test")


def spent(level: float, *, earlier: int) -> float:
    """What is left of a level for try ``earlier + 1``: all tries together stay below it.

    Source: the sum of 1 / k^2 over all k is pi^2 / 6.
    """
    return level * 0.6079271018540267 / (earlier + 1) ** 2
