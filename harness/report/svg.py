"""Colors and frame of an SVG scorecard."""

from rich.terminal_theme import TerminalTheme

SVG_THEME = TerminalTheme(
    (22, 27, 34),
    (214, 220, 228),
    [
        (13, 17, 23),
        (218, 54, 51),
        (63, 185, 80),
        (226, 179, 65),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (240, 246, 252),
    ],
)
# Like rich's own frame, but without anything that a viewer would fetch from elsewhere.
SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: "Fira Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
        white-space: pre;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" \
clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""
