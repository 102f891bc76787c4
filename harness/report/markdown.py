"""Markdown for GitHub in which a stranger's string is only ever text.

Backslashes and entities are not enough there: mentions, issue references and bare addresses are
found after rendering, in the text that is left. Nothing is looked for inside of a code span, so a
string that is not plainly inert is put into one.
"""

import re
from collections.abc import Iterable, Sequence

from harness.models import Finding, Status
from harness.report.finding_lists import (
    FILE_LIMIT,
    ID_LIMIT,
    MOST_FINDINGS,
    SENTENCE_LIMIT,
    counted,
    worst_first,
)
from harness.safeio.text import plain

# GitHub refuses comments of more than 65,536 characters; the rest is for who posts it.
LONGEST_COMMENT = 65_000
STATUS_MARKS: dict[Status, str] = {"pass": "✅ pass", "fail": "❌ fail", "unknown": "⚠️ unknown"}

# Words, figures and the punctuation of sentences: nothing that Markdown, an autolink, a mention, a
# reference, an emoji or a formula could begin with. "." and ":" only at the end of a word or in a
# figure, "_" and "-" only inside of a word.
_INERT = re.compile(
    r"(?:[A-Za-z0-9 ,;()%'/+=]|(?<=[A-Za-z0-9)])[.:;](?= |$)|(?<=[0-9])[.](?=[0-9])"
    r"|(?<=[A-Za-z0-9])[_-](?=[A-Za-z0-9])| - |(?<=[a-z])[.](?=(?:json|toml|log|txt)\b))*"
)
# What GitHub may link even so: commits by their digits, "GH-12" and references of that form that a
# repository defines, addresses without a scheme.
_LINKED = re.compile(r"\b[0-9a-f]{7,}\b|\b[A-Za-z]+-[0-9]|www\.|//", re.IGNORECASE)


def code(text: str, limit: int) -> str:
    """``text`` as one code span of at most ``limit`` characters, safe in a table as well.

    A vertical bar becomes a broken one: whether a backslash before it counts depends on what
    stands before the backslash, and on who renders.
    """
    content = plain(text, limit).replace("|", "\u00a6")
    if not content:
        return ""
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    fence = "`" * (longest + 1)
    space = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{space}{content}{space}{fence}"


def prose(text: str, limit: int) -> str:
    """``text`` as it is when it is plainly inert, and as a code span otherwise."""
    content = plain(text, limit)
    inert = _INERT.fullmatch(content) and not _LINKED.search(content)
    return content if inert else code(content, limit)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, figures: int = 0) -> str:
    """A table of cells that are Markdown already; the last ``figures`` columns align right."""
    width = len(headings)
    rule = ["---"] * (width - figures) + ["---:"] * figures
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "".join(f"- {item}\n" for item in items)


def place(finding: Finding) -> str:
    """Where a finding belongs, as a code span; empty when it is about no file."""
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
    """Blocks below each other, whole, as many as ``limit`` characters have room for.

    The first block is always there; one that does not fit is left out, and the text says so.
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
