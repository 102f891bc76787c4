"""The blocks of a report, as data: nothing here depends on how they are drawn.

A renderer draws each kind of block in its own way; the meaning of a word (``Style``) is stated
here, its look is up to the renderer. Strings may be untrusted: a renderer only draws strings that
have passed :func:`words`, which makes them printable, bounded and a single line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.judge.verdict import VerdictName
from harness.models import Status
from harness.safeio.text import plain

Style = Literal["plain", "dim", "strong", "pass", "fail", "unknown"]
LONGEST_TEXT = 1_500


@dataclass(frozen=True)
class Words:
    """Text with a meaning. ``brief`` may replace it where there is little room.

    ``whole``: it holds a path or a command that a reader copies, so no line of ours ends in it.
    """

    text: str
    style: Style = "plain"
    brief: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Mark:
    """A status, drawn to be seen at a glance and still readable as a word."""

    status: Status


Cell = str | Words | Mark


def words(cell: str | Words) -> Words:
    """Make :class:`Words` of a string, safe to draw."""
    if isinstance(cell, str):
        return Words(plain(cell, LONGEST_TEXT))
    brief = plain(cell.brief, LONGEST_TEXT)
    return Words(plain(cell.text, LONGEST_TEXT), cell.style, brief, cell.whole)


def is_empty(cell: Cell) -> bool:
    """Whether there is nothing to draw; a dash is what a figure is that was not reached."""
    return not isinstance(cell, Mark) and words(cell).text in ("", "-")


@dataclass(frozen=True)
class Heading:
    """The title of the blocks that follow."""

    title: str


@dataclass(frozen=True)
class Banner:
    """The verdict, to be seen first: a title, and sentences about it."""

    verdict: VerdictName
    title: str
    lines: tuple[Words, ...]


@dataclass(frozen=True)
class Paragraph:
    """One paragraph."""

    text: str | Words


@dataclass(frozen=True)
class Pairs:
    """Labels with their values."""

    rows: Sequence[tuple[str, str | Words]]


@dataclass(frozen=True)
class Row:
    """One row of a table. ``note`` is prose about the row."""

    cells: tuple[Cell, ...]
    note: str | Words = ""


@dataclass(frozen=True)
class Table:
    """Rows of words and figures; no cell may be cut.

    The first ``left`` columns are words that say what the row is about, the others are figures. A
    column of figures that is empty in every row is left out. ``notes`` is the heading of the notes
    if they are drawn as a column. Of the last ``routine`` rows, ``routine_in_words`` says enough
    for most: where there is a way to, they are shown to who asks for them.
    """

    headings: tuple[str, ...]
    left: int
    rows: Sequence[Row]
    notes: str = "note"
    routine: int = 0
    routine_in_words: str = ""

    @property
    def used(self) -> list[int]:
        """The indices of the columns that are drawn, in order."""
        return [
            column
            for column in range(len(self.headings))
            if column < self.left or any(not is_empty(row.cells[column]) for row in self.rows)
        ]


@dataclass(frozen=True)
class Bar:
    """How much of ``limit`` is ``used``, in one unit; ``text`` says it in figures."""

    label: str
    used: float
    limit: float
    text: str


@dataclass(frozen=True)
class Bars:
    """Bars below each other, each scaled to its own limit."""

    bars: Sequence[Bar]


@dataclass(frozen=True)
class Curve:
    """A series of figures, drawn over an axis that begins at 0."""

    values: tuple[float, ...]


Figure = str | int | float | None
Plot = Mapping[str, Any]
"""What is drawn: a specification of Vega-Lite, or of Vega where it says so, without fonts."""


@dataclass(frozen=True)
class Figures:
    """What a picture is drawn from: columns that name their unit, and rows; None: not measured."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Figure, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A picture, and everything of it that can be read without seeing it.

    Attributes:
        id: names it in a page and in the file of its figures.
        title: above it.
        sentence: what it shows, for everybody.
        alternative: what is to be seen in it, for who cannot see it.
        figures: what it is drawn from.
        plot: how it is drawn.
        claim: whether its figures are a submission's own words, which nobody checked.
    """

    id: str
    title: str
    sentence: str
    alternative: str
    figures: Figures
    plot: Plot
    claim: bool = False


@dataclass(frozen=True)
class Stack:
    """Blocks below each other; ``apart`` with a little room between them."""

    blocks: tuple["Block", ...]
    apart: bool = False


Block = Heading | Banner | Paragraph | Pairs | Table | Bars | Curve | Picture | Stack
