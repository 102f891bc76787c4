"""Figures as text: never cut, always with their unit, and never rounded to look equal."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from harness.judge.rule import Better
from harness.models import Finding

_DECIMALS = {
    "bpb": 6,
    "bits per byte": 6,
    "nats per token": 6,
    "s": 3,
    "seconds": 3,
}
# A threshold is a bar minus a converted margin: its zeros are significant digits.
_COMPUTED_LIMITS = frozenset({"bpb", "bits per byte"})
_SIGNIFICANT = {"p": 2}
_NO_ROOM = frozenset({"p"})
_USUAL_SIGNIFICANT = 6
_STEPS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ASCII_STEPS = "0123456789"

Number = int | float


def number(value: Number | None, unit: str = "", *, more: int = 0) -> str:
    """A figure without its unit: thousands separators, and decimals that suit the unit.

    Args:
        value: the figure; None is drawn as ``-``.
        unit: what it counts; decides how many decimals are shown.
        more: decimals beyond the usual.
    """
    if value is None:
        return "-"
    if isinstance(value, int):
        # Python refuses to print larger integers, and no figure of ours is so large.
        return f"{value:,}" if abs(value) < 1 << 128 else f"{float('inf'):g}"
    if not math.isfinite(value):
        return str(value)
    decimals = _DECIMALS.get(unit.lower())
    if decimals is None or abs(value) >= 1e15:
        if value.is_integer() and abs(value) < 1e15:
            return f"{value:,.0f}"
        digits = _SIGNIFICANT.get(unit.lower(), _USUAL_SIGNIFICANT) + more
        return f"{value:,.{digits}g}"
    return f"{value:,.{decimals + more}f}"


def limit_number(value: Number | None, unit: str = "", *, more: int = 0) -> str:
    """A figure that people chose, so it is written without trailing zeros."""
    text = number(value, unit, more=more)
    computed = unit.lower() in _COMPUTED_LIMITS
    return (
        text.rstrip("0").rstrip(".") if "." in text and "e" not in text and not computed else text
    )


def against(measured: Number, limit: Number | None, unit: str = "") -> tuple[str, str]:
    """Two figures, with enough decimals to show which one is larger."""
    if limit is None:
        return number(measured, unit), "-"
    order = (measured < limit, measured > limit)
    for more in range(12):
        texts = number(measured, unit, more=more), limit_number(limit, unit, more=more)
        shown, shown_limit = (float(text.replace(",", "")) for text in texts)
        if (shown < shown_limit, shown > shown_limit) == order:
            return texts
    return repr(measured), repr(limit)


def headroom(check: Finding, better: Better) -> str:
    """How far the measured figure is from the limit, in words; empty where that makes no sense.

    A probability has no room that could be used up.
    """
    if check.unit in _NO_ROOM:
        return ""
    measured, limit = check.measured, check.limit
    if isinstance(measured, str) or isinstance(limit, str) or measured is None or limit is None:
        return ""
    if not (math.isfinite(measured) and math.isfinite(limit)):
        return ""
    upper = better == "lower"
    if measured == limit:
        return "at the limit" if upper else "all"
    distance, _ = against(abs(limit - measured), 0, check.unit)
    if upper:
        return f"{distance} {'left' if measured < limit else 'over'}"
    return f"{distance} {'short' if measured < limit else 'more'}"


def percent_used(used: Number, limit: Number) -> str:
    """The share of a budget; rounded down within it, so that 100 % means the whole budget."""
    if used > limit:
        distance, _ = against(used - limit, 0)
        return f"over by {distance}"
    return f"{math.floor(1000 * used / limit) / 10:.1f} %"


def duration(seconds: float) -> str:
    """A time as people say it: ``42 s``, ``3 min 12 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def odds(p: float) -> str:
    """A p-value in words: how often chance alone would give such a result."""
    if p >= 0.5:
        return "more often than not"
    if p < 1e-6:
        return "less than once in a million tries"
    tries = 1 / p
    digits = max(math.floor(math.log10(tries)) - 1, 0)
    rounded = round(tries / 10**digits) * 10**digits
    return f"about once in {rounded:,} tries"


def short_digest(digest: str) -> str:
    """The first twelve digits of a digest, enough to tell two apart by eye."""
    algorithm, colon, digits = digest.rpartition(":")
    return f"{algorithm}{colon}{digits[:12]}"


def sparkline(values: Sequence[float], *, ascii_only: bool = False, lowest: float = 0.0) -> str:
    """A curve on one line: one character per value, over an axis that begins at ``lowest``."""
    steps = _ASCII_STEPS if ascii_only else _STEPS
    room = max(values, default=lowest) - lowest
    if room <= 0:
        return steps[0] * len(values)
    shares = (max(value - lowest, 0.0) / room for value in values)
    return "".join(steps[round(share * (len(steps) - 1))] for share in shares)


def moment(stamp: str) -> str:
    """A time as people write it; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(stamp)
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at.tzinfo else stamp
    except (ValueError, OverflowError):
        return stamp
