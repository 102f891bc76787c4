"""Keeps on one line what is hard to read across two."""

import re

from markupsafe import Markup

from harness.report.html.templating import macro

_ONE_PIECE = re.compile(
    r"(?<![\w-])--[a-z][a-z-]{0,30}"  # options of commands, which break behind each hyphen
    r"|\b(?:p|t|df) = [-+.\de]{1,24}"
    r"|\bseed \d{1,12}"
    r"|\b\d[\d.,]{0,8} %"
    r"|\b\d{4}-\d\d-\d\d"
)


def in_pieces(said: str) -> Markup:
    """Text, safe to be part of a page, whose options, equations, seeds and dates are not broken."""
    pieces, at = [], 0
    for found in _ONE_PIECE.finditer(said):
        pieces += [(said[at : found.start()], False), (found[0], True)]
        at = found.end()
    return macro("blocks.html", "pieces", [*pieces, (said[at:], False)])
