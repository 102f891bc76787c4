"""Draws plots as SVG that can stand in a page.

The library (vl-convert: Vega-Lite, compiled into a wheel) runs here and asks nobody. What it
returns is read as XML and built again from elements and attributes that are known to be harmless,
so that no text of a plot can become anything but text. Colors are the stylesheet's variables:
one drawing serves light, dark and paper.
"""

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

from markupsafe import Markup

from harness.report.blocks import Plot
from harness.safeio.text import plain

WIDTH = 380
_TEXT_LIMIT = 200
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = frozenset(
    {"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "defs", "clipPath"}
)
_ATTRIBUTES = frozenset(
    {
        *("viewBox", "transform", "d", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r"),
        *("dx", "dy", "width", "height", "rx", "ry", "id", "clip-path"),
        *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "opacity"),
        *("stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin"),
        *("stroke-miterlimit", "text-anchor", "font-size", "font-weight", "font-style"),
    }
)
_CLIP = re.compile(r"url\(#(clip\d+)\)")
_THEME: dict[str, Any] = {
    "background": None,
    "view": {"stroke": None},
    "font": "sans-serif",
    "aria": False,
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "domainColor": "var(--axis)",
        "tickColor": "var(--axis)",
        "gridColor": "var(--line)",
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelLimit": 170,
        "labelFlush": False,
        "tickCount": 5,
    },
    "axisX": {"labelPadding": 6},
    "legend": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--muted)",
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "orient": "bottom",
        "labelLimit": 200,
        "columns": 2,
        "columnPadding": 20,
    },
    "text": {"color": "var(--ink)", "fontSize": 13},
    "rule": {"color": "var(--ink)"},
    "range": {"category": [f"var(--c{number})" for number in range(1, 9)]},
    "line": {"strokeWidth": 2},
}
# As wide as the library that lays plots out takes letters to be; as in the stylesheet.
_FONTS = '"Helvetica Neue", Arial, "Liberation Sans", sans-serif'
_ON_BOTH = {
    **{"ink": "#6e7781", "muted": "#6e7781", "axis": "#8b949e", "line": "#8b949e55"},
    **{"c1": "#2f81f7", "c2": "#c4701c", "c3": "#2f9e5b", "c4": "#a371f7"},
}


def draw_svg(plot: Plot, *, name: str, alternative: str) -> Markup:
    """A plot as an element of a page; the same plot is drawn the same, to the byte.

    Args:
        plot: a specification of Vega-Lite, without colors other than variables of the stylesheet.
        name: that no other picture of the page has.
        alternative: the text for who cannot see it.

    Raises:
        ValueError: the drawing holds what no picture of a page may hold.
    """
    root = _drawn(plot, name)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": alternative}
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - built here, escaped there


def draw_file(plot: Plot, *, title: str) -> str:
    """A plot as a file of its own, whose colors can be seen on light and on dark pages.

    A file that stands in somebody's page does not learn whether that page is light or dark, only
    what its reader's system prefers.
    """
    root = _drawn(plot, "file")
    root.attrib |= {"xmlns": _SVG[1:-1], "role": "img"}
    named, style = ET.Element("title"), ET.Element("style")
    named.text = title
    colors = " ".join(f"--{name}: {color};" for name, color in _ON_BOTH.items())
    style.text = f"svg {{ {colors} }} text {{ font-family: {_FONTS}; }}"
    root[:] = [named, style, *root]
    return f"{ET.tostring(root, encoding='unicode')}\n"


def _drawn(plot: Plot, name: str) -> ET.Element:
    """The picture as an element, without its size."""
    import vl_convert

    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": 280,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 12, "right": 18, "top": 4, "bottom": 4},
        **plot,
        "config": _THEME,
    }
    of_vega = "/schema/vega/" in whole["$schema"]
    convert = vl_convert.vega_to_svg if of_vega else vl_convert.vegalite_to_svg
    drawn = convert(json.dumps(whole), allowed_base_urls=[])
    root = _rebuilt(ET.fromstring(drawn), _Clips(name))  # noqa: S314 - the library's own output
    if root is None or root.tag != "svg":
        raise ValueError("a drawing without a picture")
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    return root


class _Clips:
    """Names of clipping paths: the library counts on from drawing to drawing, a page must not."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names: dict[str, str] = {}

    def of(self, name: str) -> str:
        return self._names.setdefault(name, f"{self._prefix}-clip-{len(self._names) + 1}")


def _rebuilt(element: ET.Element, clips: _Clips) -> ET.Element | None:
    """The element and all in it, of what is allowed alone; None where nothing of it is seen."""
    tag = element.tag.removeprefix(_SVG)
    if tag not in _ELEMENTS:
        raise ValueError(f"a drawing with an element {tag!r}")
    if element.get("display") == "none" or (tag == "path" and not element.get("d")):
        return None
    made = ET.Element(tag, _attributes(element, tag, clips))
    made.text = plain(element.text or "", _TEXT_LIMIT) if tag in {"text", "tspan"} else None
    for inner in element:
        kept = _rebuilt(inner, clips)
        if kept is not None:
            made.append(kept)
    if tag in {"g", "defs"} and not len(made):
        return None
    return made


def _attributes(element: ET.Element, tag: str, clips: _Clips) -> dict[str, str]:
    kept = {name: value for name, value in element.items() if name in _ATTRIBUTES}
    if (clip := kept.get("clip-path")) is not None:
        found = _CLIP.fullmatch(clip)
        if found is None:
            raise ValueError("a drawing that refers to something else")
        kept["clip-path"] = f"url(#{clips.of(found[1])})"
    if "id" in kept:
        if tag == "clipPath":
            kept["id"] = clips.of(kept["id"])
        else:
            del kept["id"]
    for name in ("fill", "stroke"):
        if "url" in kept.get(name, ""):
            raise ValueError("a drawing that refers to something else")
    return kept
