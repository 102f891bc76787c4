"""Blocks laid out for terminals; each fits any width without cutting a figure.

Everything here is a rich renderable: a pure function of its content and of the width it is given.
A text with ``no_wrap`` holds what a reader copies, such as a path or a command: it stays on one
line of ours, whatever the width, and the terminal breaks it for the eye alone.

The caller decides what is said, and what is dim or failed: ``terminal.py``, from the blocks of a
report.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.rule import Rule
from rich.text import Text

from harness.report.blocks import Bar
from harness.report.figures import sparkline

INDENT = 2
GAP = 2
_NOTE_BESIDE = 34
_BAR_SHORTEST = 10
_BAR_LONGEST = 40


def _wrapped(console: Console, text: Text, width: int) -> list[Text]:
    if text.no_wrap:
        return [text]
    lines = list(text.wrap(console, max(width, 1), overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines


def _line(*parts: Text) -> Text:
    """A line that is laid out already: nobody wraps it again."""
    made = Text.assemble(*parts)
    made.no_wrap, made.overflow = True, "ignore"
    return made


def _broken_below(text: Text) -> int:
    """The width below which a piece of the text that should stay together is broken."""
    pieces = [text.plain] if text.no_wrap else text.plain.split()
    return max(map(cell_len, pieces), default=0)


def _spaced(width: int) -> Text:
    return Text(" " * max(width, 0))


def _aligned(cell: Text, width: int, *, right: bool) -> Text:
    room = _spaced(width - cell.cell_len)
    return Text.assemble(room, cell) if right else Text.assemble(cell, room)


def _hanging(console: Console, text: Text, *, width: int, indent: int) -> Iterator[Text]:
    for line in _wrapped(console, text, width - indent):
        yield _line(_spaced(indent), line)


@dataclass(frozen=True)
class Section:
    """A title with a line to the right edge, and an empty line before it."""

    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Two lines."""
        yield Text()
        yield Rule(Text(self.title, style="bold"), align="left", style="dim")


@dataclass(frozen=True)
class Paragraph:
    """Wrapped text, indented."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many lines as the text needs."""
        yield from _hanging(console, self.text, width=options.max_width, indent=INDENT)


@dataclass(frozen=True)
class Pairs:
    """Labels with their values; the values are aligned and wrapped."""

    rows: Sequence[tuple[str, Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """At least one line for each row."""
        labels = [Text(label, style="dim") for label, _ in self.rows]
        width = max((label.cell_len for label in labels), default=0)
        indent = INDENT + width + GAP
        for label, (_, value) in zip(labels, self.rows, strict=True):
            lines = _wrapped(console, value, options.max_width - indent) or [Text()]
            yield _line(_spaced(INDENT), _aligned(label, width + GAP, right=False), lines[0])
            for line in lines[1:]:
                yield _line(_spaced(indent), line)


@dataclass(frozen=True)
class Row:
    """One row of figures. ``note`` is prose about it, beside or below it, as room allows.

    ``below`` has a line of its own behind all that.
    """

    cells: tuple[Text, ...]
    note: Text | None = None
    below: Text | None = None


@dataclass(frozen=True)
class FigureTable:
    """A table whose cells are never cut or wrapped.

    If the columns do not all fit, each row becomes a series of ``heading figure`` pairs instead.
    ``left`` columns are aligned to the left and need no heading in that form.
    """

    headings: tuple[str, ...]
    left: int
    rows: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A line of headings and one or more for each row; or two or more for each row."""
        used = [
            column
            for column in range(len(self.headings))
            if column < self.left or any(row.cells[column].cell_len for row in self.rows)
        ]
        widths = {
            column: max(
                Text(self.headings[column]).cell_len,
                *(row.cells[column].cell_len for row in self.rows),
                0,
            )
            for column in used
        }
        needed = INDENT + sum(widths.values()) + GAP * (len(used) - 1)
        if needed > options.max_width:
            yield from self._stacked(console, options.max_width)
            return
        note_width = options.max_width - needed - GAP
        narrowest = max((_broken_below(row.note) for row in self.rows if row.note), default=0)
        beside = note_width >= max(_NOTE_BESIDE, narrowest)
        headings = [Text(heading, style="dim") for heading in self.headings]
        yield self._line(headings, widths)
        for row in self.rows:
            line = self._line(row.cells, widths)
            if row.note is None:
                yield line
            elif beside:
                notes = _wrapped(console, row.note, note_width) or [Text()]
                yield _line(line, _spaced(needed - line.cell_len + GAP), notes[0])
                for note in notes[1:]:
                    yield _line(_spaced(needed + GAP), note)
            else:
                yield line
                indent = INDENT + widths[used[0]] + GAP
                yield from _hanging(console, row.note, width=options.max_width, indent=indent)
            if row.below is not None:
                indent = INDENT + widths[used[0]] + GAP
                yield from _hanging(console, row.below, width=options.max_width, indent=indent)

    def _line(self, cells: Sequence[Text], widths: dict[int, int]) -> Text:
        line = _spaced(INDENT)
        for place, (column, width) in enumerate(widths.items()):
            if place:
                line.append_text(_spaced(GAP))
            line.append_text(_aligned(cells[column], width, right=column >= self.left))
        line.rstrip()
        return line

    def _stacked(self, console: Console, width: int) -> Iterator[Text]:
        for row in self.rows:
            lead = Text("  ").join(cell for cell in row.cells[: self.left] if cell)
            pairs = [
                Text.assemble((f"{heading} ", "dim"), cell)
                for heading, cell in zip(
                    self.headings[self.left :], row.cells[self.left :], strict=True
                )
                if cell
            ]
            yield from _hanging(console, lead, width=width, indent=INDENT)
            yield from _flowing(console, pairs, width=width, indent=2 * INDENT)
            for note in (row.note, row.below):
                if note is not None:
                    yield from _hanging(console, note, width=width, indent=2 * INDENT)


def _flowing(
    console: Console, pieces: Iterable[Text], *, width: int, indent: int
) -> Iterator[Text]:
    """Put pieces on lines; each stays whole unless it is longer than a line."""
    line = Text()
    for piece in pieces:
        if line and line.cell_len + GAP + piece.cell_len > width - indent:
            yield from _hanging(console, line, width=width, indent=indent)
            line = Text()
        line = Text.assemble(line, _spaced(GAP), piece) if line else piece
    if line:
        yield from _hanging(console, line, width=width, indent=indent)


@dataclass(frozen=True)
class BudgetBars:
    """Bars of equal length below each other, with their figures to the right or below."""

    bars: Sequence[Bar]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line for each bar, or two where the width is small."""
        labels = max(len(bar.label) for bar in self.bars)
        texts = max(len(bar.text) for bar in self.bars)
        room = options.max_width - INDENT - labels - 2 * GAP - texts
        beside = room >= _BAR_SHORTEST
        length = min(room if beside else options.max_width - INDENT - labels - GAP, _BAR_LONGEST)
        for bar in self.bars:
            line = Text.assemble(
                _spaced(INDENT),
                _aligned(Text(bar.label, style="dim"), labels + GAP, right=False),
                self._drawn(bar, length, ascii_only=options.ascii_only),
            )
            if beside:
                yield Text.assemble(line, _spaced(GAP), bar.text)
            else:
                yield line
                indent = INDENT + labels + GAP
                yield from _hanging(console, Text(bar.text), width=options.max_width, indent=indent)

    @staticmethod
    def _drawn(bar: Bar, length: int, *, ascii_only: bool) -> Text:
        share = min(max(bar.used / bar.limit, 0.0), 1.0)
        # Only a used-up budget is drawn full, and only an untouched one is drawn empty.
        full = length if bar.used >= bar.limit else min(round(share * length), length - 1)
        full = max(full, 1) if bar.used > 0 else 0
        used, free = ("#", "-") if ascii_only else ("\u2588", "\u2591")
        over = bar.used > bar.limit
        style = "bold red" if over else ("yellow" if share > 0.98 else "green")
        return Text.assemble((used * full, style), (free * (length - full), "dim"))


@dataclass(frozen=True)
class Sparkline:
    """A curve as characters, one for each value, on one line or more."""

    values: tuple[float, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many lines as the width requires."""
        drawn = sparkline(self.values, ascii_only=options.ascii_only)
        width = max(options.max_width - INDENT, 1)
        for start in range(0, len(drawn), width):
            yield Text(" " * INDENT + drawn[start : start + width])
