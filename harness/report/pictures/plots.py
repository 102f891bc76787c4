"""Pieces of plots that several pictures share: axes, places of color, lines with a name."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.blocks import Figures

Data = dict[str, Any]
Layer = dict[str, Any]
COLORS = 8
"""How many series can be told apart by color."""
ROW = 22
"""Height of a row of a picture that has a row for each thing, in the picture's own units."""


def color(name: str | int) -> str:
    """A color of the stylesheet: one of its names, or the color of the series of that number."""
    return f"var(--c{name % COLORS + 1})" if isinstance(name, int) else f"var(--{name})"


def axis(
    field: str, title: str | None, *, kind: str = "quantitative", zero: bool = False, **more: Any
) -> Data:
    """What lies along an axis; ``title`` names its unit, None: it needs no name."""
    scale = {"zero": zero, "nice": True, **more.pop("scale", {})}
    made: Data = {"field": field, "type": kind, "title": title}
    if kind == "quantitative":
        made["scale"] = scale
    return made | more


def named(domain: Sequence[str], colors: Sequence[str], **legend: Any) -> Data:
    """What is told apart by color: field ``kind``, in this order; a legend, where there are two."""
    shown = {"symbolOpacity": 1, "symbolStrokeWidth": 2, **legend} if len(domain) > 1 else None
    return {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(domain), "range": list(colors)},
        "legend": shown,
    }


def values(rows: Sequence[Mapping[str, Any]]) -> Data:
    """Rows of figures to draw."""
    return {"values": [dict(row) for row in rows]}


def figures_of(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Figures:
    """The figures of a picture, from the rows that are drawn: field and heading of each column."""
    return Figures(
        tuple(columns.values()), tuple(tuple(row.get(field) for field in columns) for row in rows)
    )


def height_of(rows: int, *, around: int = 90) -> int:
    """The height of a picture with a row for each of so many things."""
    return around + max(rows, 2) * ROW
