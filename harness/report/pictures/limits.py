"""A picture of limits: how much of each is used up."""

import math
from typing import Any

from harness.judge.verdict import Verdict
from harness.models import Finding
from harness.report.blocks import Picture
from harness.report.figures import against
from harness.report.pictures.plots import axis, color, figures_of, height_of, named, values
from harness.report.shown import Shown
from harness.safeio.text import plain

_STATUS_COLORS = {"pass": "pass", "unknown": "unknown", "fail": "fail"}
_MOST_SHOWN = 150.0
_NAME_LIMIT = 40


def headroom(shown: Shown) -> Picture | None:
    """The share of every limit that was used, for checks whose figure must not be exceeded."""
    rows = _rows(shown.verdict)
    if not rows:
        return None
    found = [status for status in _STATUS_COLORS if any(row["kind"] == status for row in rows)]
    over = [row["check"] for row in rows if row["used"] > 100]
    said = f"over the line: {', '.join(over)}" if over else "none is exceeded"
    cut = any(row["used"] > _MOST_SHOWN for row in rows)
    along = axis("shown", "% of the limit", zero=True, scale={"domainMin": 0})
    what = {
        "field": "check",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"labelLimit": 200},
    }
    return Picture(
        id="headroom",
        title="How much of each limit is used",
        sentence=f"Each bar is a figure that may not be larger than its limit, the line; {said}."
        + (f" Bars are cut at {_MOST_SHOWN:g} %." if cut else ""),
        alternative="; ".join(f"{row['check']} {row['used']:.1f} %" for row in rows) + ".",
        figures=figures_of(
            {
                "check": "check",
                "measured": "measured",
                "limit": "limit",
                "unit": "unit",
                "used": "% of the limit",
                "kind": "status",
            },
            rows,
        ),
        plot={
            "height": height_of(len(rows)),
            "layer": [
                {
                    "data": values(rows),
                    "mark": {"type": "bar", "height": 12, "cornerRadiusEnd": 2},
                    "encoding": {
                        "x": along,
                        "y": what,
                        "color": named(found, [color(status) for status in found]),
                    },
                },
                {
                    "data": values([{"shown": 100}]),
                    "mark": {"type": "rule", "color": color("ink"), "strokeWidth": 1.5},
                    "encoding": {"x": along},
                },
            ],
        },
    )


def _rows(verdict: Verdict) -> list[dict[str, Any]]:
    better = {rule.id: rule.better for rule in verdict.rules}
    upper = [check for check in verdict.checks if better.get(check.id) == "lower"]
    return [row for check in upper if (row := _row(check)) is not None]


def _row(check: Finding) -> dict[str, Any] | None:
    measured, limit = check.measured, check.limit
    if not isinstance(measured, int | float) or not isinstance(limit, int | float):
        return None
    if limit <= 0 or not math.isfinite(measured) or not math.isfinite(limit):
        return None
    used = max(100 * measured / limit, 0.0)
    said, said_limit = against(measured, limit, check.unit)
    return {
        "check": plain(check.id.replace("_", " "), _NAME_LIMIT),
        "measured": said,
        "limit": said_limit,
        "unit": plain(check.unit, _NAME_LIMIT),
        "used": used,
        "shown": min(used, _MOST_SHOWN),
        "kind": check.status,
    }
