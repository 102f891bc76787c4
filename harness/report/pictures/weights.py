"""Pictures of an artifact: where its bytes lie, and what quantization changed."""

import re
from typing import Any

from harness.report.blocks import Picture
from harness.report.exhibits.model import Weights
from harness.report.pictures.plots import COLORS, axis, color, figures_of, height_of, named, values
from harness.report.shown import Shown

_WIDTH, _HEIGHT = 350, 280
_MOST_ERRORS = 24
_OTHERS = "others"
_SHORT_TYPE = re.compile(r"[<>|=]?([iufb])([1248])")
_LETTERS = {"i": "int", "u": "uint", "f": "float", "b": "bool"}


def bytes_by_tensor(shown: Shown) -> Picture | None:
    """An area for each tensor of the first artifact that can be read, colored by its type."""
    found, whose = _first(shown)
    if found is None:
        return None
    rows: list[dict[str, Any]] = [
        {"tensor": tensor.name, "kind": _type(tensor.kind), "bytes": tensor.stored_bytes}
        for tensor in found.tensors
        if tensor.stored_bytes
    ]
    if found.left_out_bytes:
        name = f"{found.left_out:,} smaller ones"
        rows.append({"tensor": name, "kind": _OTHERS, "bytes": found.left_out_bytes})
    if not rows:
        return None
    kinds = list(dict.fromkeys(row["kind"] for row in rows))[:COLORS]
    total = sum(row["bytes"] for row in rows)
    before = "before compression" if found.compressed else "as stored"
    largest = max(rows, key=lambda row: row["bytes"])
    return Picture(
        id="weights",
        title="Bytes by tensor",
        sentence=f"Each area is a tensor of {whose}, as large as its bytes {before}; colors are "
        f"types. Together {total:,} bytes.",
        alternative=f"{len(rows)} areas; the largest is {largest['tensor']} with "
        f"{largest['bytes']:,} bytes, {100 * largest['bytes'] / total:.0f} % of all.",
        figures=figures_of({"tensor": "tensor", "kind": "type", "bytes": f"bytes {before}"}, rows),
        claim=True,
        plot=_treemap(rows, kinds),
    )


def quantization_error(shown: Shown) -> Picture | None:
    """How far quantization moved each tensor, where the entry's own code was asked."""
    found = shown.exhibits.inspected if shown.exhibits else None
    tensors = [each for each in found.tensors if each.rms_error] if found is not None else []
    rows: list[dict[str, Any]] = [
        {
            "tensor": tensor.name,
            "kind": _type(tensor.kind),
            "bytes": tensor.stored_bytes,
            "percent": 100 * (tensor.rms_error or 0.0),
        }
        for tensor in sorted(tensors, key=lambda tensor: -(tensor.rms_error or 0.0))
    ]
    if not rows:
        return None
    drawn = rows[:_MOST_ERRORS]
    kinds = list(dict.fromkeys(row["kind"] for row in drawn))[:COLORS]
    more = f" The {len(drawn)} largest of {len(rows)}." if len(rows) > len(drawn) else ""
    return Picture(
        id="quantization_error",
        title="Error of quantization by tensor",
        sentence="How far the stored weights lie from the trained ones, as a root mean square and "
        f"a share of them; as the entry's own code says.{more}",
        alternative=f"{len(drawn)} bars; the longest is {rows[0]['tensor']} with "
        f"{rows[0]['percent']:.3g} %.",
        figures=figures_of(
            {"tensor": "tensor", "kind": "type", "bytes": "bytes", "percent": "error, %"}, rows
        ),
        claim=True,
        plot={
            "data": values(drawn),
            "height": height_of(len(drawn)),
            "mark": {"type": "bar", "height": 12},
            "encoding": {
                "x": axis("percent", "% of the weights", zero=True),
                "y": {"field": "tensor", "type": "nominal", "title": None, "sort": None},
                "color": named(kinds, [color(place) for place in range(len(kinds))]),
            },
        },
    )


def _type(kind: str) -> str:
    """A type by its usual name; NumPy's own short forms, such as ``<f4``, say little."""
    found = _SHORT_TYPE.fullmatch(kind)
    return f"{_LETTERS[found[1]]}{8 * int(found[2])}" if found else kind


def _label(name: str) -> str:
    """A tensor's name for a small area: without what most of them begin and end with."""
    parts = name.removesuffix(".weight").split(".")
    return ".".join(parts[1:] if len(parts) > 2 else parts)


def _first(shown: Shown) -> tuple[Weights | None, str]:
    """What is known of an artifact, from the entry's own code before all else, and of which."""
    if shown.exhibits is None:
        return None, ""
    if shown.exhibits.inspected is not None:
        return shown.exhibits.inspected, "the first artifact"
    for run in shown.exhibits.runs:
        if run.weights is not None:
            return run.weights, f"the artifact of seed {run.seed}"
    return None, ""


def _treemap(rows: list[dict[str, Any]], kinds: list[str]) -> dict[str, Any]:
    """A specification of Vega, which lays areas out; Vega-Lite does not."""
    root = {"id": "root", "parent": None}
    leaves = [
        {**row, "label": _label(row["tensor"]), "id": f"{place}", "parent": "root"}
        for place, row in enumerate(rows)
    ]
    colors = [color(place) for place in range(len(kinds))]
    area = {
        "x": {"field": "x0"},
        "x2": {"field": "x1"},
        "y": {"field": "y0"},
        "y2": {"field": "y1"},
    }
    wide, high = "(datum.x1 - datum.x0)", "(datum.y1 - datum.y0)"
    return {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "width": _WIDTH,
        "height": _HEIGHT,
        "autosize": "pad",
        "data": [
            {
                "name": "tree",
                "values": [root, *leaves],
                "transform": [
                    {"type": "stratify", "key": "id", "parentKey": "parent"},
                    {
                        "type": "treemap",
                        "field": "bytes",
                        "size": [{"signal": "width"}, {"signal": "height"}],
                        "paddingInner": 1.5,
                        "round": True,
                    },
                ],
            },
            {
                "name": "leaves",
                "source": "tree",
                "transform": [{"type": "filter", "expr": "datum.parent !== null"}],
            },
            {
                "name": "labels",  # of areas with room for one
                "source": "leaves",
                "transform": [{"type": "filter", "expr": f"{wide} > 50 && {high} > 19"}],
            },
        ],
        "scales": [{"name": "kind", "type": "ordinal", "domain": kinds, "range": colors}],
        "legends": [{"fill": "kind", "orient": "bottom", "columns": 4, "symbolType": "square"}],
        "marks": [
            {
                "type": "rect",
                "from": {"data": "leaves"},
                "encode": {
                    "enter": {
                        **area,
                        "fill": {"scale": "kind", "field": "kind"},
                        "fillOpacity": {"value": 0.3},
                        "stroke": {"scale": "kind", "field": "kind"},
                    }
                },
            },
            {
                "type": "text",
                "from": {"data": "labels"},
                "encode": {
                    "enter": {
                        "x": {"field": "x0", "offset": 4},
                        "y": {"field": "y0", "offset": 15},
                        "text": {"field": "label"},
                        "limit": {"signal": f"0.85 * {wide} - 8"},
                        "fontSize": {"value": 13},
                        "fill": {"value": color("ink")},
                    }
                },
            },
        ],
    }
