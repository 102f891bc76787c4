"""Where the train phase spent its time, read from the submission's log with time stamps.

Informational only: a submission may print what it likes, so nothing here is ever judged.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from harness.evidence.results import TimelineSpan

_LINE_BYTES = 4096
_LOG_BYTES = 1 << 28
_STAMPED = re.compile(r"\s*(\d{1,9}\.\d{3}) (.*)", re.DOTALL)
_WARM_UP = re.compile(r"(?:loop_)?warm-?up(?![a-z])|compil(?:e|ing|ation)(?![a-z])", re.I)
# Both of upstream's spellings: "step:100/20000 train_loss:2.1" and "100/20000 train_loss: 2.1".
_STEP = re.compile(r"(?:step[:= ] ?\d{1,12}(?:/\d{1,12})?\b|\d{1,12}/\d{1,12} (?:train|val)_loss)")
_TRAIN_TIME = re.compile(r"\btrain_time: ?(\d{1,12}(?:\.\d{1,6})?)(ms|s|m)\b")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_QUANTIZATION = re.compile(r"seriali[sz]|quanti[sz]|gptq|compress|(?<![a-z])int[4-8](?!\d)", re.I)


def timeline(log: Path, *, total_seconds: float) -> tuple[TimelineSpan, ...]:
    """The spans of the train phase in order, each longer than 0.

    Start-up ends at the last line printed before the first one of warm-up or training, because
    warm-up lines come after the work that they report. Training begins with the first step line,
    minus the ``train_time`` that it claims. Quantization is what follows the last step line, if a
    line there mentions serializing or quantizing.

    Args:
        log: a log with time stamps, each line ``seconds text``; other lines are ignored.
        total_seconds: how long the phase ran; the spans' sum never exceeds it.

    Returns:
        An empty tuple when the log cannot be read or none of its lines is recognized.
    """
    if not math.isfinite(total_seconds * 1000) or total_seconds <= 0:
        return ()
    before: float = 0.0
    begun: float | None = None
    warmed: float = 0.0
    first: float | None = None
    last: float = 0.0
    quantized = False
    for stamp, text in _stamped_lines(log):
        seconds = min(stamp, total_seconds)
        if _STEP.match(text):
            if first is None:
                begun = before if begun is None else begun
                first = max(seconds - _claimed_train_seconds(text), begun, warmed)
            last = max(seconds, first)
            quantized = False
        elif first is None and _WARM_UP.match(text):
            begun = before if begun is None else begun
            warmed = seconds
        elif first is not None and _QUANTIZATION.search(text):
            quantized = True
        before = seconds
    return _spans(begun, first, last, total_seconds=total_seconds, quantized=quantized)


def _spans(
    begun: float | None, first: float | None, last: float, *, total_seconds: float, quantized: bool
) -> tuple[TimelineSpan, ...]:
    if begun is None:
        return ()
    spans = [TimelineSpan(name="start-up", seconds=begun)]
    if first is None:
        spans.append(TimelineSpan(name="compile and warm-up", seconds=total_seconds - begun))
    else:
        spans.append(TimelineSpan(name="compile and warm-up", seconds=first - begun))
        spans.append(TimelineSpan(name="training", seconds=last - first))
        if quantized:
            spans.append(TimelineSpan(name="quantisation", seconds=total_seconds - last))
    # Milliseconds, rounded down, so that rounding cannot push the sum over the total.
    return tuple(
        span.model_copy(update={"seconds": math.floor(span.seconds * 1000) / 1000})
        for span in spans
        if span.seconds >= 0.001
    )


def _claimed_train_seconds(text: str) -> float:
    found = _TRAIN_TIME.search(text)
    return float(found[1]) * _SECONDS[found[2]] if found else 0.0


def _stamped_lines(log: Path) -> Iterator[tuple[float, str]]:
    """Time stamps in order, and the first 4 KiB of each line's text; memory stays bounded."""
    latest = 0.0
    try:
        with log.open("rb") as file:
            at_start = True
            remaining = _LOG_BYTES
            while remaining > 0 and (piece := file.readline(_LINE_BYTES)):
                remaining -= len(piece)
                whole, at_start = at_start, piece.endswith(b"\n")
                found = _STAMPED.match(piece.decode("utf-8", "replace")) if whole else None
                if found:
                    latest = max(latest, float(found[1]))
                    yield latest, found[2]
    except OSError:
        return  # informational only: a log that cannot be read has no stamps
