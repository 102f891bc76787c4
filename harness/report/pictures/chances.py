"""What rules accept: the share of entries that become records, by how much better they are."""

from collections.abc import Sequence

from harness.report.blocks import Plot
from harness.report.pictures.plots import axis, color, named, values
from harness.simulation.characteristics import Curve

_DASHES = ([2, 3], [6, 4], [10, 3], [1, 0])


def record_curves(curves: Sequence[Curve], *, margin_nats: float) -> Plot:
    """A line for each set of rules, at most four, the last one solid.

    Args:
        curves: shares over true gains, nats a token.
        margin_nats: what a record is asked to gain; it gets a line from top to bottom.
    """
    rows = [
        {"kind": curve.name, "gain": gain, "share": share}
        for curve in curves
        for gain, share in curve.points
    ]
    names = [curve.name for curve in curves]
    colors = [color(place) for place in range(len(names))][::-1]
    dashes = {"domain": names, "range": list(_DASHES[-len(names) :])}
    along = axis("gain", "true gain over the bar, nats a token", zero=True)
    kinds = named(
        names, colors, symbolType="stroke", symbolSize=500, labelLimit=300, columnPadding=50
    )
    return {
        "width": 720,
        "height": 380,
        "layer": [
            {
                "data": values([{"at": margin_nats, "name": "margin"}]),
                "layer": [
                    {
                        "mark": {"type": "rule", "color": color("axis"), "strokeDash": [1, 0]},
                        "encoding": {"x": along | {"field": "at"}},
                    },
                    {
                        "mark": {
                            "type": "text",
                            "color": color("muted"),
                            "align": "left",
                            "baseline": "top",
                            "dx": 5,
                        },
                        "encoding": {
                            "x": along | {"field": "at"},
                            "y": {"value": 0},
                            "text": {"field": "name"},
                        },
                    },
                ],
            },
            {
                "data": values(rows),
                "mark": {"type": "line"},
                "encoding": {
                    "x": along,
                    "y": axis("share", "become records", zero=True, axis={"format": "%"}),
                    "color": kinds,
                    "strokeDash": {
                        "field": "kind",
                        "type": "nominal",
                        "scale": dashes,
                        "legend": kinds["legend"],
                        "title": None,
                    },
                },
            },
        ],
    }
