"""The costs that a script prints while it scores, each with how far it was: claims, like its score.

Scripts that take long say now and then what they have so far: ``ttt_chunk [12/1893] bpb=1.13``,
``ngram 31.2% loss:2.41``. What they say before a point of the text cannot depend on what follows.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_FIGURE = r"\d{1,9}(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?"
_COST = re.compile(
    rf"(?<![A-Za-z\d_.])(?P<name>\w{{0,30}}(?:loss|bpb|nll)\w{{0,10}}|[rb][lb])\s*[:=]\s*"
    rf"(?P<value>{_FIGURE})",
    re.IGNORECASE,
)
_OF = re.compile(r"(?<![\d.])(?P<part>\d{1,12})\s*/\s*(?P<whole>\d{1,12})(?![\d.])")
_PERCENT = re.compile(r"(?<![\d.])(?P<percent>\d{1,3}(?:\.\d{1,4})?)\s*%")
_STAMP = re.compile(r"^ *\d{1,9}\.\d{3} ")
_TRAINING = re.compile(r"train|\bstep\b", re.IGNORECASE)


class RunningCost(NamedTuple):
    """``name`` was ``value`` when ``done`` of the text, a share, had been scored."""

    name: str
    done: float
    value: float
    decimals: int


class Beside(NamedTuple):
    """Costs of two runs over texts that are the same up to a point: how many were compared.

    ``first``: the first pair that is apart, if one is.
    """

    compared: int
    apart: int
    first: tuple[RunningCost, RunningCost] | None


def running_costs(lines: Iterable[str]) -> Iterator[RunningCost]:
    """Every cost that a line of scoring names beside how far it was, in the order of the log."""
    for line in lines:
        text = _STAMP.sub("", line, count=1)
        done = _done(text)
        if done is None or _TRAINING.search(text):
            continue
        for found in _COST.finditer(text):
            value = found["value"]
            decimals = len(value.partition(".")[2]) if "e" not in value.lower() else 0
            yield RunningCost(found["name"].lower(), done, float(value), decimals)


def beside(
    one: Sequence[RunningCost], other: Sequence[RunningCost], *, until: float, tolerance: float
) -> Beside:
    """Compare what two runs printed before they had come to a share ``until`` of their texts.

    Args:
        one, other: their costs, in order. Where one run says something else than the other, or at
            another moment, the comparison ends: it can only go by the order.
        until: the share up to which the texts are the same.
        tolerance: by which equal costs may be apart, besides the rounding of what was printed.
    """
    compared = apart = 0
    first = None
    for mine, theirs in zip(one, other, strict=False):
        if (mine.name, mine.done) != (theirs.name, theirs.done):
            break
        if mine.done > until:
            continue
        compared += 1
        rounding = 10.0 ** -min(mine.decimals, theirs.decimals)
        if not math.isclose(mine.value, theirs.value, rel_tol=0, abs_tol=tolerance + rounding):
            apart += 1
            first = first or (mine, theirs)
    return Beside(compared, apart, first)


def _done(text: str) -> float | None:
    """How far a line says that the scoring was, as a share; None where it does not say."""
    if (found := _OF.search(text)) and int(found["whole"]) > 1:
        share = int(found["part"]) / int(found["whole"])
    elif found := _PERCENT.search(text):
        share = float(found["percent"]) / 100
    else:
        return None
    return share if 0 < share <= 1 else None
