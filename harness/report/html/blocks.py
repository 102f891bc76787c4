"""Blocks as HTML: each kind in its own way, from the macros of ``templates/blocks.html``."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from harness.report import blocks
from harness.report.blocks import Block, Cell, words
from harness.report.figures import sparkline
from harness.report.html.one_piece import in_pieces
from harness.report.html.pictures import draw_picture
from harness.report.html.templating import macro

_TEMPLATE = "blocks.html"
_MARKS = {"pass": "\u2713", "fail": "\u2717", "unknown": "?"}


def draw(block: Block, *, drawn: bool = True, level: int = 2) -> Markup:
    """A block as HTML.

    Args:
        block: what is drawn.
        drawn: whether pictures are drawn; if not, their figures stand in their place.
        level: of the headings that it brings, 1 to 5.
    """
    match block:
        case blocks.Heading():
            made = macro(_TEMPLATE, "heading", level, words(block.title).text)
        case blocks.Banner():
            lines = [text(line) for line in block.lines]
            title = words(block.title).text
            made = macro(
                _TEMPLATE, "banner", block.verdict, title, [each for each in lines if each]
            )
        case blocks.Paragraph():
            made = macro(_TEMPLATE, "paragraph", text(block.text))
        case blocks.Pairs():
            rows = [(words(label).text, text(value)) for label, value in block.rows]
            made = macro(_TEMPLATE, "pairs", rows)
        case blocks.Table():
            made = _table(block)
        case blocks.Bars():
            made = macro(_TEMPLATE, "bars", [_bar(each) for each in block.bars])
        case blocks.Curve():
            # A picture shows the same, and better.
            made = Markup() if drawn else _curve(block)
        case blocks.Picture():
            made = draw_picture(block, drawn=drawn, level=level + 1)
        case blocks.Stack():
            made = _stack([draw(each, drawn=drawn, level=level) for each in block.blocks])
    return made


def text(cell: Cell) -> Markup:
    """A piece of text with its meaning, safe and on one line; empty where there is none."""
    if isinstance(cell, blocks.Mark):
        return macro(_TEMPLATE, "mark", cell.status, _MARKS[cell.status])
    said = words(cell)
    return macro(_TEMPLATE, "words", said.style, in_pieces(said.text)) if said.text else Markup()


def _stack(inner: Sequence[Markup]) -> Markup:
    return Markup("\n").join(inner)


def _curve(curve: blocks.Curve) -> Markup:
    said = f"{len(curve.values)} values, from first to last"
    return macro(_TEMPLATE, "curve", sparkline(curve.values), said)


def _table(table: blocks.Table) -> Markup:
    split = len(table.rows) - table.routine
    news, routine = table.rows[:split], table.rows[split:]
    made = _rows(replace(table, rows=news)) if news else Markup()
    if routine:
        inner = _rows(replace(table, rows=routine))
        made += macro(_TEMPLATE, "folded", words(table.routine_in_words).text, inner)
    return made


def _rows(table: blocks.Table) -> Markup:
    used = table.used
    headings = [(words(table.headings[column]).text, column >= table.left) for column in used]
    noted = any(not blocks.is_empty(row.note) for row in table.rows)
    rows = [([text(row.cells[column]) for column in used], text(row.note)) for row in table.rows]
    return macro(_TEMPLATE, "table", headings, rows, words(table.notes).text if noted else "")


def _bar(bar: blocks.Bar) -> dict[str, object]:
    share = min(max(bar.used / bar.limit, 0.0), 1.0) if bar.limit > 0 else 1.0
    state = "fail" if bar.used > bar.limit else "unknown" if share > 0.98 else "pass"
    label, said = words(bar.label).text, words(bar.text).text
    return {"label": label, "text": said, "percent": f"{100 * share:.2f}", "state": state}
