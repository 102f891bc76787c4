"""Pictures of recipes side by side: every seed's score, and the intervals of the differences."""

from typing import Any

from harness.judge.side_by_side import SideBySide
from harness.report.blocks import Picture
from harness.report.figures import number
from harness.report.pictures.plots import axis, color, figures_of, height_of, values


def difference_intervals(found: SideBySide) -> Picture | None:
    """The difference of each recipe to the first one, with its 99 % interval."""
    rows: list[dict[str, Any]] = [
        {
            "pair": f"{pair.second} less {pair.first}",
            "bpb": pair.compared.difference_bpb,
            "low": pair.compared.ci99_bpb[0],
            "high": pair.compared.ci99_bpb[1],
        }
        for pair in found.pairs
        if pair.compared is not None
    ]
    if not rows:
        return None
    title = "BPB (below 0: better than the first)"
    place = {"field": "pair", "type": "nominal", "title": None, "sort": None}
    return Picture(
        id="differences",
        title="How large the difference is",
        sentence="Each line is the 99 % interval of a difference of means, over seed runs. Where "
        "it leaves out 0, one of the two is shown to be better.",
        alternative="; ".join(
            f"{row['pair']}: {_bpb(row['bpb'])} BPB, from {_bpb(row['low'])} to {_bpb(row['high'])}"
            for row in rows
        ),
        figures=figures_of(
            {"pair": "", "bpb": "difference, BPB", "low": "from, BPB", "high": "to, BPB"}, rows
        ),
        plot={
            "height": height_of(len(rows)),
            "layer": [
                {
                    "data": values([{"bpb": 0}]),
                    "mark": {"type": "rule", "color": color("muted"), "strokeDash": [4, 4]},
                    "encoding": {"x": axis("bpb", title, zero=True)},
                },
                {
                    "data": values(rows),
                    "mark": {"type": "rule", "color": color(0), "strokeWidth": 3},
                    "encoding": {
                        "x": axis("low", title, zero=True),
                        "x2": {"field": "high"},
                        "y": place,
                    },
                },
                {
                    "data": values(rows),
                    "mark": {
                        "type": "point",
                        "filled": True,
                        "size": 110,
                        "opacity": 1,
                        "color": color(0),
                    },
                    "encoding": {"x": axis("bpb", title, zero=True), "y": place},
                },
            ],
        },
    )


def recipe_points(found: SideBySide) -> Picture | None:
    """Every seed's score, a row for each recipe that was scored on the same text."""
    head = found.recipes[0].dataset_digest
    shown = [each for each in found.recipes if each.scores and each.dataset_digest == head]
    if not shown:
        return None
    rows: list[dict[str, Any]] = [
        {"recipe": each.label, "bpb": score} for each in shown for score in each.scores
    ]
    means = [{"recipe": each.label, "bpb": each.mean_bpb} for each in shown]
    along = axis("bpb", "bits per byte (lower is better)", scale={"padding": 12})
    place = {"field": "recipe", "type": "nominal", "title": None, "sort": None}
    return Picture(
        id="recipe-seeds",
        title="Seeds of each recipe",
        sentence="Each point is one training from the start; the red line is their mean.",
        alternative="; ".join(
            f"{each.label}: {len(each.scores)} seeds, mean {_bpb(each.mean_bpb)} BPB"
            for each in shown
        ),
        figures=figures_of({"recipe": "", "bpb": "BPB"}, rows),
        plot={
            "height": height_of(len(shown)),
            "layer": [
                {
                    "data": values(rows),
                    "mark": {"type": "point", "size": 90, "opacity": 1, "color": color(0)},
                    "encoding": {"x": along, "y": place},
                },
                {
                    "data": values(means),
                    "mark": {"type": "tick", "color": color(4), "thickness": 3, "size": 18},
                    "encoding": {"x": along, "y": place},
                },
            ],
        },
    )


def _bpb(value: float | None) -> str:
    return number(value, "BPB")
