"""Blocks and scorecards on a terminal."""

import io
from dataclasses import replace

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from harness.judge.only_reproduced import NOBODY_CHECKED
from harness.judge.verdict import Verdict, VerdictName
from harness.models import Status
from harness.report import blocks, layout, sentences
from harness.report.blocks import Block, Cell, Style, words
from harness.report.sections import parts
from harness.report.shown import Shown
from harness.report.way_on import decided_by, way_on_in_words

_BANNER: dict[VerdictName, str] = {
    "VERIFIED": "bold black on green",
    "REHEARSED": "bold black on cyan",
    "REJECTED": "bold white on red",
    "INCONCLUSIVE": "bold black on yellow",
    "REPRODUCED": "bold black on white",
}
STATUS_STYLES: dict[Status, str] = {"pass": "green", "fail": "bold red", "unknown": "bold yellow"}
_STYLES: dict[Style, str] = {
    "plain": "",
    "dim": "dim",
    "strong": "bold",
    "pass": STATUS_STYLES["pass"],
    "fail": STATUS_STYLES["fail"],
    "unknown": STATUS_STYLES["unknown"],
}


def scorecard(verdict: Verdict, *, verbose: bool = False, verify: str = "") -> RenderableType:
    """The scorecard as a rich renderable; it fits any width of about 40 columns or more.

    Args:
        verdict: what is drawn.
        verbose: whether checks that pass are told one by one.
        verify: the command that runs the entry again, as it was typed.
    """
    drawn: list[RenderableType] = []
    for part in parts(Shown(verdict, verbose=verbose, verify=verify), "terminal"):
        if part.title:
            drawn.append(layout.Section(words(part.title).text))
        elif drawn:
            drawn.append(Text())
        drawn.append(draw(part.block))
    return Group(*drawn, Text(), *_last_lines(verdict, verify))


def _last_lines(verdict: Verdict, verify: str) -> list[RenderableType]:
    """The verdict once more: on a small screen, the banner has scrolled out of view."""
    lines: list[RenderableType] = [_last_line(verdict)]
    if rows := way_on_in_words(verdict, verify=verify):
        lines.append(layout.Pairs([(label, Text(said, no_wrap=True)) for label, said in rows]))
    return lines


def _last_line(verdict: Verdict) -> RenderableType:
    headline = sentences.confirmed(verdict) or sentences.headline(verdict)
    if verdict.verdict == "REPRODUCED":
        headline = NOBODY_CHECKED
    said = "".join(f"  {part}" for part in (decided_by(verdict), headline) if part)
    return Text.assemble((verdict.verdict, _BANNER[verdict.verdict]), said)


def draw(block: Block) -> RenderableType:
    """A block as a rich renderable that fits any width without cutting a figure."""
    drawn: RenderableType
    match block:
        case blocks.Heading():
            drawn = layout.Section(words(block.title).text)
        case blocks.Banner():
            drawn = _banner(block)
        case blocks.Paragraph():
            drawn = layout.Paragraph(_text(block.text))
        case blocks.Pairs():
            drawn = layout.Pairs([(words(label).text, _text(value)) for label, value in block.rows])
        case blocks.Table():
            drawn = _table(block)
        case blocks.Bars():
            drawn = _bars(block)
        case blocks.Curve():
            drawn = layout.Sparkline(block.values)
        case blocks.Picture():
            drawn = layout.Paragraph(_text(f"{block.sentence} {block.alternative}"))
        case blocks.Stack():
            drawn = _stack(block)
    return drawn


def _text(cell: Cell) -> Text:
    if isinstance(cell, blocks.Mark):
        return Text(cell.status.upper(), style=STATUS_STYLES[cell.status])
    said = words(cell)
    return Text(said.brief or said.text, _STYLES[said.style], no_wrap=said.whole)


def _banner(banner: blocks.Banner) -> RenderableType:
    # What is copied stands below the scorecard, where no frame breaks it.
    told = [words(line).text for line in banner.lines if not words(line).whole]
    lines = [words(banner.title).text, "", *told]
    style = _BANNER[banner.verdict]
    return Panel(
        Text("\n".join(lines), overflow="fold"),
        box=box.HEAVY,
        style=style,
        border_style=style,
        padding=(1, 2),
    )


def _table(table: blocks.Table) -> RenderableType:
    used = table.used
    rows = [
        layout.Row(tuple(_text(row.cells[column]) for column in used), _text(row.note) or None)
        for row in table.rows
    ]
    headings = tuple(words(table.headings[column]).text for column in used)
    return layout.FigureTable(headings, table.left, rows)


def _bars(bars: blocks.Bars) -> RenderableType:
    return layout.BudgetBars(
        [replace(bar, label=words(bar.label).text, text=words(bar.text).text) for bar in bars.bars]
    )


def _stack(stack: blocks.Stack) -> RenderableType:
    drawn: list[RenderableType] = []
    for block in stack.blocks:
        if drawn and stack.apart:
            drawn.append(Text())
        drawn.append(draw(block))
    return Group(*drawn)


def render_text(
    verdict: Verdict,
    *,
    width: int = 100,
    color: bool = False,
    verbose: bool = True,
    verify: str = "",
) -> str:
    """The scorecard as text that depends on nothing but its arguments; ends in a newline."""
    console = _console(width=width, color=color)
    console.print(scorecard(verdict, verbose=verbose, verify=verify), crop=False)
    text = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    return text if color else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _console(*, width: int, color: bool) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},  # NO_COLOR, COLUMNS and the like would make the output depend on the caller
    )
