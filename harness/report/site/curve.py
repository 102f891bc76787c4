"""The picture of a record over time."""

from collections.abc import Sequence
from typing import Any

from harness.report.blocks import Picture
from harness.report.figures import number
from harness.report.pictures.plots import axis, color, figures_of, values
from harness.report.site.history import Course, Step
from harness.report.site.listing import named

_TICKS = 4


def record_over_time(course: Course, steps: tuple[Step, ...], *, name: str) -> Picture | None:
    """The record of a course as steps, each with the 99 % interval of its mean."""
    if not steps:
        return None
    rows: list[dict[str, Any]] = [
        {
            "date": step.record.date[:10],
            "bpb": step.record.mean_bpb,
            "low": step.interval[0] if step.interval else None,
            "high": step.interval[1] if step.interval else None,
            "gain": step.gain_bpb,
            "submission": named(step.record.submission),
        }
        for step in steps
    ]
    first, last = steps[0].record, steps[-1].record
    dates = {"format": "%Y-%m-%d", "values": _ticks(rows), "labelOverlap": True}
    along = {"field": "date", "type": "temporal", "title": None, "axis": dates}
    y = axis("bpb", "bits per byte (lower is better)")
    known = [row for row in rows if row["low"] is not None]
    fell = number(first.mean_bpb - last.mean_bpb, "BPB")
    times = "once" if len(steps) == 2 else f"{len(steps) - 1} times"
    said = f"It fell {times}, by {fell} BPB in all. " if len(steps) > 1 else ""
    return Picture(
        id=name,
        title=f"The record on {named(course.track)}, {named(course.dataset)}",
        sentence=f"{said}Each point is the mean of a record's seeds, with its 99 % interval; the "
        "line is what was to be beaten.",
        alternative=f"A falling line of {len(steps)} steps from {number(first.mean_bpb, 'BPB')} "
        f"BPB on {first.date[:10]} to {number(last.mean_bpb, 'BPB')} on {last.date[:10]}.",
        figures=figures_of(
            {
                "date": "date",
                "submission": "submission",
                "bpb": "BPB",
                "low": "from, BPB",
                "high": "to, BPB",
                "gain": "gain, BPB",
            },
            rows,
        ),
        plot={
            "height": 260,
            "layer": [
                {
                    "data": values(rows),
                    "mark": {"type": "line", "interpolate": "step-after", "color": color(0)},
                    "encoding": {"x": along, "y": y},
                },
                {
                    "data": values(known),
                    "mark": {"type": "rule", "color": color(0), "opacity": 0.6},
                    "encoding": {
                        "x": along,
                        "y": axis("low", "bits per byte (lower is better)"),
                        "y2": {"field": "high"},
                    },
                },
                {
                    "data": values(rows),
                    "mark": {"type": "point", "filled": True, "size": 60, "color": color(0)},
                    "encoding": {"x": along, "y": y},
                },
            ],
        },
    )


def _ticks(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Days that get a label: the first and the last record's, and some in between."""
    days = sorted({row["date"] for row in rows})
    places = {round(part * (len(days) - 1) / (_TICKS - 1)) for part in range(_TICKS)}
    return [days[place] for place in sorted(places)]
