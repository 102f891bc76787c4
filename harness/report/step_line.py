"""What one line of a training's log says of a step: claims, for people to look at."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.upstream.logs.lexing import SECONDS, Pair, cleaned, pairs
from harness.upstream.logs.log_vocabulary import STEP

_LONGEST_LINE = 1_000  # of a line of a training; longer ones are settings, or noise
_LARGEST_LOSS = 1e6
_LARGEST_STEP = 10**9
_LOSSES = frozenset(
    {"train_loss", "loss", "training_loss", "train/loss", "trainloss", "lm_loss", "loss/train"}
)
_STEPS = frozenset({"step", "iter", "iteration"})
_OF_OTHERS = ("val", "eval", "test", "valid", "validation")


class StepLine(NamedTuple):
    """A loss as printed, when its line was complete, and what the line says besides.

    ``trained_seconds`` is the log's own clock, ``planned`` how many steps there are to be.
    """

    seconds: float
    loss: float
    step: int | None
    planned: int | None
    trained_seconds: float | None


def names_loss(line: bytes) -> bool:
    """Whether a line is worth reading: most lines of a long log are not."""
    return len(line) <= _LONGEST_LINE and b"loss" in line.lower()


def step_line(line: bytes) -> StepLine | None:
    """What a line ``seconds text`` says, stamped by us; None where it names no training loss."""
    if not names_loss(line):
        return None
    stamp, _, text = line.strip().partition(b" ")
    seconds = _stamped(stamp)
    if seconds is None:
        return None
    said = cleaned(text)
    found = list(pairs(said))
    loss = next((value for pair in found if (value := _loss(pair)) is not None), None)
    if loss is None:
        return None
    step, planned = _step(said, found)
    return StepLine(seconds, loss, step, planned, _trained(found))


def _stamped(stamp: bytes) -> float | None:
    try:
        seconds = float(stamp[:32])
    except ValueError:
        return None
    return round(seconds, 3) if math.isfinite(seconds) and seconds >= 0 else None


def _loss(pair: Pair) -> float | None:
    """The figure of a pair that is a loss of the training, else None."""
    if pair.key.lower() not in _LOSSES:
        return None
    words = pair.label.lower().split()
    figure = pair.number
    if figure is None or any(word.strip("()[]:") in _OF_OTHERS for word in words[-3:]):
        return None
    return figure.value if 0 <= figure.value < _LARGEST_LOSS else None


def _step(text: str, named: Sequence[Pair]) -> tuple[int | None, int | None]:
    """The step that a line names, and how many are planned."""
    found = STEP.search(text)
    if found is None:
        figures = (pair.number for pair in named if pair.key.lower() in _STEPS)
        done = next((figure.integer for figure in figures if figure), None)
        return None if done is None else max(0, min(done, _LARGEST_STEP)), None
    reached, planned = found[1] or found[3], found[2] or found[4]
    return min(int(reached), _LARGEST_STEP), min(int(planned), _LARGEST_STEP) if planned else None


def _trained(named: Sequence[Pair]) -> float | None:
    """How long the training ran by its own clock, s."""
    figures = (pair.number for pair in named if pair.key.lower() == "train_time")
    clock = next((figure for figure in figures if figure), None)
    if clock is None or clock.unit not in SECONDS:
        return None
    seconds = clock.value * SECONDS[clock.unit]
    return seconds if math.isfinite(seconds) else None
