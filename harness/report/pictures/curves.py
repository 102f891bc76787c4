"""A picture of curves, one for each seed, told apart by color."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from harness.report.blocks import Figures, Picture
from harness.report.pictures.plots import COLORS, axis, color, figures_of, named, values

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""By the name of each: how far along, and how high."""


class Along(NamedTuple):
    """What curves go along: the heading of its figures, its axis, and how numbers stand there."""

    column: str
    axis: str
    format: str | None = None


def told(id: str, title: str, sentence: str, alternative: str, *, claim: bool = False) -> Picture:
    """All that is said of curves; they are drawn by :func:`with_curves`."""
    return Picture(id, title, sentence, alternative, Figures((), ()), {}, claim=claim)


def with_curves(
    picture: Picture, curves: Curves, along: Along, *, unit: str, edge: float | None = None
) -> Picture:
    """The picture, with what is drawn; it says so where there are more than can be told apart.

    ``edge``: what is higher is drawn there.
    """
    drawn = drawn_of(curves)
    rows: list[dict[str, Any]] = [
        {"kind": name, "along": place, "value": value}
        for name, curve in drawn.items()
        for place, value in curve
    ]
    more = f" The first {len(drawn)} of {len(curves)} seeds." if len(curves) > len(drawn) else ""
    top = max(row["value"] for row in rows) if edge is None else edge
    if any(row["value"] > top for row in rows):
        more += f" What lies above {top:.3g} is drawn there; the figures have it."
    labels: dict[str, Any] = (
        {"axis": {"format": along.format, "tickCount": 4}} if along.format else {}
    )
    return replace(
        picture,
        sentence=picture.sentence + more,
        figures=figures_of({"kind": "seed", "along": along.column, "value": unit}, rows),
        plot={
            "data": values([{**row, "value": min(row["value"], top)} for row in rows]),
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": {
                "x": axis("along", along.axis, zero=True, **labels),
                "y": axis("value", unit),
                "color": named(list(drawn), [color(place) for place in range(len(drawn))]),
            },
        },
    )


def drawn_of(curves: Curves) -> Curves:
    """As many as can be told apart."""
    return dict(list(curves.items())[:COLORS])


def heights(curves: Curves) -> list[float]:
    """Of all points that are drawn."""
    return [height for curve in drawn_of(curves).values() for _, height in curve]
