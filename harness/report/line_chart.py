"""A line chart as an SVG picture that refers to nothing outside itself, light or dark."""

from collections.abc import Sequence
from html import escape

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 44, 92
_COLORS = ("#8b949e", "#bc8cff", "#e2b341", "#2f81f7")
_DASHES = ("2 3", "6 4", "10 3", "")


def line_chart(
    lines: Sequence[tuple[str, Points]],
    *,
    title: str,
    x_label: str,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Lines of shares between 0 and 1 over something that grows from 0.

    Args:
        lines: at most four, each with its name and its points in order of x.
        title: above the chart.
        x_label: below the axis.
        marks: places on the x axis that get a line from top to bottom, and a name.
    """
    last = max(x for _, points in lines for x, _ in points)
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _TOP + inner_height

    def place(x: float, share: float) -> str:
        return f"{_LEFT + inner_width * x / last:.1f},{bottom - inner_height * share:.1f}"

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text { font: 13px sans-serif; fill: #6e7781; } .axis { stroke: #8b949e; }"
        " .grid { stroke: #8b949e; opacity: .25; }</style>",
        f'<text x="{_LEFT}" y="20" style="font-weight: bold">{escape(title)}</text>',
    ]
    for percent in range(0, 101, 20):
        y = bottom - inner_height * percent / 100
        kind = "axis" if percent == 0 else "grid"
        right = _WIDTH - _RIGHT
        parts.append(f'<line class="{kind}" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    for step in range(6):
        x = _LEFT + inner_width * step / 5
        label = f"{last * step / 5:.4g}"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>')
    for at, name in marks:
        x = _LEFT + inner_width * at / last
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="{_TOP - 4}">{escape(name)}</text>')
    middle = _LEFT + inner_width / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">{escape(x_label)}</text>'
    )
    for number, (name, points) in enumerate(lines):
        drawn = " ".join(place(x, share) for x, share in points)
        stroke = f'stroke="{_COLORS[number]}" stroke-width="2" stroke-dasharray="{_DASHES[number]}"'
        parts.append(f'<polyline points="{drawn}" fill="none" {stroke}/>')
        x, y = _LEFT + (number % 2) * inner_width / 2, bottom + 60 + 18 * (number // 2)
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 28}" y2="{y - 4}" {stroke}/>')
        parts.append(f'<text x="{x + 36}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
