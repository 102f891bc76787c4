"""Pictures as HTML: drawn, said in a sentence, as a table, and as a file to keep."""

import csv
import io
from urllib.parse import quote

from markupsafe import Markup

from harness.report.blocks import Figure, Figures, Picture
from harness.report.figures import number
from harness.report.html.drawing import draw_svg
from harness.report.html.one_piece import in_pieces
from harness.report.html.templating import macro
from harness.safeio.text import plain

_CELL_LIMIT = 120
_SENTENCE_LIMIT = 1_000
_MOST_ROWS = 60
# What programs for tables take for the beginning of a formula.
_FORMULAS = ("=", "+", "-", "@")


def draw_picture(picture: Picture, *, drawn: bool = True, level: int = 3) -> Markup:
    """A picture with all that belongs to it.

    Args:
        picture: what is drawn.
        drawn: whether it is; if not, its table stands open in its place.
        level: of its heading, 1 to 6.
    """
    figures = picture.figures
    every = -(-len(figures.rows) // _MOST_ROWS) or 1
    rows = [[_cell(value) for value in row] for row in figures.rows[::every]]
    return macro(
        "pictures.html",
        "picture",
        id=picture.id,
        level=level,
        title=plain(picture.title, _CELL_LIMIT),
        claim=picture.claim,
        said=in_pieces(plain(picture.sentence, _SENTENCE_LIMIT)),
        svg=draw_svg(
            picture.plot, name=picture.id, alternative=plain(picture.alternative, _SENTENCE_LIMIT)
        )
        if drawn
        else None,
        headings=[plain(column, _CELL_LIMIT) for column in figures.columns],
        numeric=[
            all(not isinstance(row[column], str) for row in figures.rows)
            for column in range(len(figures.columns))
        ],
        rows=rows,
        every=every,
        total=len(figures.rows),
        file=f"{picture.id}.csv",
        address=f"data:text/csv;charset=utf-8,{quote(as_csv(figures))}",
    )


def _cell(value: Figure) -> str:
    return plain(value, _CELL_LIMIT) if isinstance(value, str) else number(value)


def as_csv(figures: Figures) -> str:
    """The figures in full as a file of comma-separated values.

    A text that a program for tables would take for a formula gets an apostrophe before it.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_inert(plain(column, _CELL_LIMIT)) for column in figures.columns])
    for row in figures.rows:
        writer.writerow([_exact(value) for value in row])
    return file.getvalue()


def _exact(value: Figure) -> str:
    if isinstance(value, str):
        return _inert(plain(value, _CELL_LIMIT))
    return "" if value is None else repr(value)


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
