"""Writes the measured part of ``docs/statistics.md``, and its figure.

``python -m harness.report.operating_characteristics`` takes minutes, so it is no part of
``make docs``.
"""

import argparse
import textwrap

from harness.audit.checks.texts import TEXT_BYTES
from harness.contest.significance import Significance
from harness.contest.track import load_track
from harness.errors import UsageError
from harness.package import REPOSITORY, require_checkout
from harness.report.html.drawing import draw_file
from harness.report.pictures.chances import record_curves
from harness.report.reference import between
from harness.safeio.files import write_atomically
from harness.safeio.output import say
from harness.simulation.characteristics import (
    ENTRIES,
    Characteristics,
    Grid,
    characteristics,
    told,
)
from harness.simulation.power import Size
from harness.simulation.study import Share

PAGE = REPOSITORY / "docs" / "statistics.md"
FIGURE = REPOSITORY / "docs" / "power.svg"


def main() -> None:
    """Measure, and write page and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--track", default="10min_16mb", help="name, or a .toml file")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="for each cell (%(default)s)")
    options = parser.parse_args()
    require_checkout()
    track = load_track(options.track)
    tokens = track.dataset.validation_tokens
    if tokens is None:
        raise UsageError(f"track {track.name}: expected validation_tokens of the field's text")
    size = Size(targets=tokens - 1, text_bytes=TEXT_BYTES, source="the field's validation text")
    found = characteristics(track.significance, size, entries=options.entries)
    page = with_characteristics(PAGE.read_text(), track.significance, found)
    write_atomically(PAGE, page.encode())
    write_atomically(FIGURE, figure(found).encode())
    for goal in found.goals:
        say(f"{'met' if goal.met else 'MISSED'}: {goal.asked}: {goal.found} %")


def with_characteristics(page: str, asked: Significance, found: Characteristics) -> str:
    """The page, its measured part written anew."""
    return between(page, "characteristics", characteristics_text(asked, found), path=PAGE)


def characteristics_text(asked: Significance, found: Characteristics) -> str:
    """Rules, goals and tables as Markdown."""
    lines = [
        *textwrap.wrap(
            f"{found.entries:,} drawn entries for each cell; in percent, how many of them become "
            "records (are accepted, where the rules have no confirmation). The last digit is "
            "luck. `(x 2)`: the worst deviation is twice the field's. Unless a column says "
            "otherwise, a host moves all runs made on it, and the confirmation is made on another.",
            width=118,
        ),
        "",
        "Measured under these rules:",
        "",
        *rules_text(asked, found),
        "",
        "### Goals",
        "",
        "| asked | found, % | |",
        "|---|---|---|",
    ]
    for goal in found.goals:
        lines.append(f"| {goal.asked} | {goal.found} | {'met' if goal.met else '**missed**'} |")
    for grid in found.grids:
        lines += ["", f"### {grid.title}", "", *_markdown(grid)]
    return "\n".join(lines) + "\n"


def rules_text(asked: Significance, found: Characteristics) -> list[str]:
    """The rules that were measured, as a list."""
    lines = [
        f"- test: {asked.test or 'plain'}, p < {asked.p_below:g}; margin {found.margin_nats:g} "
        f"nats a token = {found.margin_bpb:.9f} BPB = {found.margin_bpb / found.sd_bpb:.2f} of the "
        f"field's deviations",
        f"- the field: deviation {found.sd_bpb:g} BPB, {asked.field_degrees:g} degrees of freedom",
    ]
    for look in asked.schedule:
        said = []
        if look.accept_below is not None:
            said.append(f"accept if p < {look.accept_below:g}")
        if look.hopeless_above_sd is not None:
            said.append(
                f"stop if the mean lies more than "
                f"{look.hopeless_above_sd:g} deviations above the line"
            )
        lines.append(f"- after {look.runs}: {', '.join(said) or 'go on'}")
    if asked.confirmation:
        lines.append(f"- confirmation: {asked.confirmation} further runs")
    return lines


def figure(found: Characteristics) -> str:
    """Share of records by true gain, a line for each set of rules; a file of SVG."""
    title = "Share of entries that become records, by true gain over the bar"
    return draw_file(record_curves(found.curves, margin_nats=found.margin_nats), title=title)


def _markdown(grid: Grid) -> list[str]:
    lines = [f"| {' | '.join(grid.columns)} |", "|---" * len(grid.columns) + "|"]
    for name, cells in grid.rows:
        drawn = (told(cell) if isinstance(cell, Share) else cell for cell in cells)
        lines.append(f"| {name} | {' | '.join(drawn)} |")
    return lines


if __name__ == "__main__":
    main()
