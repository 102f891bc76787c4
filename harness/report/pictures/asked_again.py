"""A picture of probes: how far answers moved that were asked for twice, and how far they may."""

from collections.abc import Iterator
from typing import Any

from harness.report.blocks import Picture
from harness.report.exhibits.model import Exhibits, RunExhibit
from harness.report.pictures.plots import COLORS, axis, color, figures_of, height_of, named, values
from harness.report.shown import Shown

_LEAST = 1e-9
"""Smaller ones, 0 among them, are drawn here: a logarithm has no room for them."""
_TOLERANCE = "tolerance"


def changes(shown: Shown) -> Picture | None:
    """Largest and mean changes of every seed beside what is tolerated."""
    exhibits = shown.exhibits
    if exhibits is None:
        return None
    runs = [run for run in exhibits.runs if run.probes is not None or run.recall is not None]
    drawn = runs[:COLORS]
    rows = [row for run in drawn for row in _changes_of(run)]
    if not rows:
        return None
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    limits = [row for row in _tolerated(exhibits) if row["measure"] in measures]
    names = [f"seed {run.seed}" for run in drawn]
    colors = [color(place) for place in range(len(names))]
    along = axis("drawn", "nats", zero=False, scale={"type": "log"}, axis={"format": "~e"})
    what = {
        "field": "measure",
        "type": "nominal",
        "title": None,
        "sort": measures,
        "axis": {"labelLimit": 220},
    }
    kinds = named(names, colors, columns=1)
    height = height_of(len(measures), around=110 + 16 * len(names))
    when = ["other text came behind"] if any(run.probes for run in drawn) else []
    if any(run.recall for run in drawn):
        when.append("they were asked for in another order")
    # What is 0 for all seeds would be one point.
    beside = {"field": "kind", "type": "nominal", "sort": names}
    size = 70 if len(names) == 1 else 36
    worst = max(rows, key=lambda row: row["nats"])
    return Picture(
        id="changes",
        title="Answers asked for twice",
        sentence=f"How far answers moved when {' or '.join(when)}. Red ticks are what the track "
        "tolerates; what is 0 stands at the left edge.",
        alternative=f"{len(rows)} points for {len(measures)} measures; the largest is "
        f"{worst['nats']:.3g} nats ({worst['measure']}, {worst['kind']}).",
        figures=figures_of({"kind": "", "measure": "measure", "nats": "nats"}, [*rows, *limits]),
        plot={
            "height": height,
            "layer": [
                {
                    "data": values(limits),
                    "mark": {"type": "tick", "thickness": 3, "height": 18, "color": color("fail")},
                    "encoding": {"x": along, "y": what},
                },
                {
                    "data": values(rows),
                    "mark": {"type": "point", "filled": True, "size": size, "opacity": 1},
                    "encoding": {"x": along, "y": what, "color": kinds, "yOffset": beside},
                },
            ],
        },
    )


def _changes_of(run: RunExhibit) -> Iterator[dict[str, Any]]:
    if (found := run.probes) is not None:
        yield _row(run, "largest change", found.largest_change_nats)
        yield _row(run, "mean change", found.mean_change_nats)
        yield _row(run, "mean gain", abs(found.mean_gain_nats))
        if found.changes is not None:
            yield _row(run, "spread of changes", found.changes.sd_nats)
        if found.unchanged is not None:
            yield _row(run, "spread, unchanged", found.unchanged.sd_nats)
    if (order := run.recall) is not None:
        yield _row(run, "largest, other order", order.largest_change_nats)
        yield _row(run, "mean, other order", abs(order.changes.mean_nats))


def _tolerated(exhibits: Exhibits) -> list[dict[str, Any]]:
    allowed = exhibits.tolerances
    return [
        {"kind": _TOLERANCE, "measure": measure, "nats": nats, "drawn": max(nats, _LEAST)}
        for measure, nats in (
            ("largest change", allowed.largest_change_nats),
            ("mean change", allowed.mean_change_nats),
            ("mean gain", allowed.mean_gain_nats),
            ("largest, other order", allowed.largest_change_nats),
        )
    ]


def _row(run: RunExhibit, measure: str, nats: float) -> dict[str, Any]:
    shown = max(nats, _LEAST)
    return {"kind": f"seed {run.seed}", "measure": measure, "nats": nats, "drawn": shown}
