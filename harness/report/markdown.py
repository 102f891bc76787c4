"""Blocks and scorecards in Markdown for GitHub, in which untrusted strings are only text.

Backslashes and entities are not enough there: GitHub finds mentions, issue references and bare
addresses after rendering, in the remaining text. It ignores code spans, so every string that is not
clearly harmless is put into one.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.judge.verdict import Verdict, VerdictName
from harness.models import Finding, Status
from harness.report import blocks
from harness.report.blocks import LONGEST_TEXT, Block, Cell, Words, words
from harness.report.figures import sparkline
from harness.report.finding_lists import (
    FILE_LIMIT,
    ID_LIMIT,
    MOST_FINDINGS,
    SENTENCE_LIMIT,
    counted,
    worst_first,
)
from harness.report.sections import Part, parts
from harness.report.shown import Shown
from harness.safeio.text import plain

# GitHub refuses comments of more than 65,536 characters; the rest is left to the caller.
LONGEST_COMMENT = 65_000


class Room(NamedTuple):
    """Limits of a drawing: rows of a table, characters of a string."""

    rows: int
    characters: int


# Tried one after the other, until everything fits. Even the last has room for every check.
ROOMS = (Room(100, LONGEST_TEXT), Room(50, LONGEST_TEXT), Room(25, LONGEST_TEXT), Room(25, 200))
_BANNER: dict[VerdictName, str] = {
    "VERIFIED": "✅",
    "REHEARSED": "🎬",
    "REJECTED": "❌",
    "INCONCLUSIVE": "❔",
    "REPRODUCED": "🔁",
}
STATUS_MARKS: dict[Status, str] = {"pass": "✅ pass", "fail": "❌ fail", "unknown": "⚠️ unknown"}

# Words, figures and the punctuation of sentences: nothing that could begin Markdown, an autolink, a
# mention, a reference, an emoji or a formula. ".", ":" and "?" only at the end of a word, "." in a
# figure too, "_" and "-" only inside of a word, "-" before a figure too.
_INERT = re.compile(
    r"(?:[A-Za-z0-9 ,;()%'/+=]|(?<=[A-Za-z0-9)])[.:;?](?= |$)|(?<=[0-9])[.](?=[0-9])"
    r"|(?<=[A-Za-z0-9])[_-](?=[A-Za-z0-9])| - |(?<![^ (])-(?=[0-9])"
    r"|(?<=[a-z])[.](?=(?:json|toml|log|txt)\b))*"
)
# What GitHub may still link: commits by their digits, "GH-12" and references of that form that a
# repository defines, addresses without a scheme.
_LINKED = re.compile(r"\b[0-9a-f]{7,}\b|\b[A-Za-z]+-[0-9]|www\.|//", re.IGNORECASE)
# The beginnings of lines that are lists or headings.
_BLOCK = re.compile(r"(?:[0-9]+[.)]|[+-])(?: |$)|=")


def code(text: str, limit: int) -> str:
    """``text`` as one code span of at most ``limit`` characters, safe in a table as well.

    A vertical bar becomes a broken bar: whether a backslash escapes it depends on the text before
    the backslash, and on the renderer.
    """
    content = plain(text, limit).replace("|", "\u00a6")
    if not content:
        return ""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    space = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{space}{content}{space}{fence}"


def prose(text: str, limit: int) -> str:
    """``text`` unchanged if it is clearly harmless, and as a code span otherwise."""
    content = plain(text, limit)
    inert = _INERT.fullmatch(content) and not _LINKED.search(content)
    return content if inert else code(content, limit)


def leading(text: str, limit: int) -> str:
    """Like :func:`prose`, for the beginning of a line."""
    content = plain(text, limit)
    return code(content, limit) if _BLOCK.match(content) else prose(content, limit)


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, figures: int = 0, notes: int = 0
) -> str:
    """A table of cells that are Markdown already.

    The ``figures`` columns align right; they are the last ones before ``notes`` columns of words.
    """
    width = len(headings)
    rule = ["---"] * (width - figures - notes) + ["---:"] * figures + ["---"] * notes
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "".join(f"- {item}\n" for item in items)


def place(finding: Finding) -> str:
    """The place of a finding as a code span; empty if it is about no file."""
    if not finding.file:
        return ""
    name = plain(finding.file, FILE_LIMIT)
    return code(f"{name}:{finding.line}" if finding.line else name, FILE_LIMIT + 20)


def findings_table(findings: Sequence[Finding]) -> str:
    """Findings as a table, the failed ones first, under a line that counts them."""
    shown = worst_first(findings)[:MOST_FINDINGS]
    rows = [
        (
            STATUS_MARKS[finding.status],
            prose(finding.id, ID_LIMIT),
            place(finding),
            prose(finding.sentence, SENTENCE_LIMIT),
        )
        for finding in shown
    ]
    left = len(findings) - len(shown)
    more = f"\n{left:,} more are not shown.\n" if left else ""
    return f"{counted(findings)}\n\n{table(('status', 'rule', 'where', 'what'), rows)}{more}"


def joined(blocks: Iterable[str], *, limit: int = LONGEST_COMMENT) -> str:
    """Whole blocks below each other, as many as fit into ``limit`` characters.

    The first block is always included; one that does not fit is left out, and the text says so.
    """
    text, left_out = "", 0
    apology = "\nSome parts are left out here: this text may not be any longer.\n"
    for block in blocks:
        longer = f"{text}\n{block}" if text else block
        if text and len(longer) + len(apology) > limit:
            left_out += 1
        else:
            text = longer
    return text + (apology if left_out else "")


def render_markdown(verdict: Verdict, *, limit: int = LONGEST_COMMENT) -> str:
    """The scorecard in at most ``limit`` characters of GitHub's Markdown; ends in a newline.

    If that is too little, tables are cut to fewer rows, then long strings are cut; if it still is,
    sections that do not fit are left out. The text mentions all of that.
    """
    shown = tuple(parts(Shown(verdict), "markdown"))
    drawn: list[str] = []
    for room in ROOMS:
        drawn = [_part(part, room) for part in shown]
        if len("\n".join(drawn)) <= limit:
            break
    return joined(drawn, limit=limit)


def _part(part: Part, room: Room) -> str:
    body = draw(part.block, room)
    return f"### {prose(part.title, room.characters)}\n\n{body}" if part.title else body


def draw(block: Block, room: Room = ROOMS[0]) -> str:
    """A block as Markdown that ends in a newline."""
    match block:
        case blocks.Heading():
            text = f"### {_text(block.title, room)}\n"
        case blocks.Banner():
            text = _banner(block, room)
        case blocks.Paragraph():
            text = _paragraph(block, room)
        case blocks.Pairs():
            text = _pairs(block.rows, room)
        case blocks.Table():
            text = _table(block, room)
        case blocks.Bars():
            text = _pairs([(bar.label, bar.text) for bar in block.bars], room)
        case blocks.Curve():
            text = f"`{sparkline(block.values)}`\n"
        case blocks.Picture():
            said = f"{block.sentence} {block.alternative}"
            text = _paragraph(blocks.Paragraph(said), room)
        case blocks.Stack():
            text = "\n".join(draw(each, room) for each in block.blocks)
    return text


def _banner(banner: blocks.Banner, room: Room) -> str:
    lines = [_text(line, room, leads=True) for line in banner.lines]
    title = f"## {_BANNER[banner.verdict]} {_text(banner.title, room)}"
    return "\n\n".join([title, *(line for line in lines if line)]) + "\n"


# Bold is for cells and the banner: whole sentences, such as values and notes, would shout.
def _paragraph(paragraph: blocks.Paragraph, room: Room) -> str:
    said = words(paragraph.text)
    return _text(said if said.style == "dim" else said.text, room, leads=True) + "\n"


def _pairs(rows: Sequence[tuple[str, str | Words]], room: Room) -> str:
    return bullets(
        f"{_text(label, room, leads=True)}: {_text(words(value).text, room)}"
        for label, value in rows
    )


def _text(cell: Cell, room: Room, *, leads: bool = False) -> str:
    if isinstance(cell, blocks.Mark):
        return STATUS_MARKS[cell.status]
    said = words(cell)
    text = (leading if leads else prose)(said.text, room.characters)
    if not text or said.style == "plain":
        return text
    around = "_" if said.style == "dim" else "**"
    return f"{around}{text}{around}"


def _table(found: blocks.Table, room: Room) -> str:
    shown = found.rows[: room.rows]
    used = found.used
    noted = any(not blocks.is_empty(row.note) for row in shown)
    titles = [found.headings[column] for column in used] + [found.notes] * noted
    cells = [
        [_text(row.cells[column], room) for column in used]
        + [_text(words(row.note).text, room)] * noted
        for row in shown
    ]
    text = table(
        [_text(title, room) for title in titles],
        cells,
        figures=len(used) - found.left,
        notes=int(noted),
    )
    left = len(found.rows) - len(shown)
    return text + (f"\n{left:,} more are not shown.\n" if left else "")
