"""Strings of strangers, made fit to print."""

import unicodedata

_CUT = "..."
_LONGEST_STACK = 2
# Control, format (bidirectional and zero-width marks among them), surrogate, private use and
# unassigned characters: what a terminal may obey, or what has no known width.
_REMOVED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def plain(text: str, limit: int) -> str:
    """``text`` on one line, printable, in at most ``limit`` characters.

    White space of any kind becomes one space; control, bidirectional, zero-width, private and
    unassigned characters are removed; at most two combining marks stay on one character. What
    is longer is cut, and ends in ``...``.
    """
    # Bounded before any work is done; twice the limit leaves room for what is removed.
    scanned = text[: 2 * limit + 64]
    kept: list[str] = []
    stack = 0
    for character in scanned:
        if character.isspace():
            if kept and kept[-1] != " ":
                kept.append(" ")
            stack = 0
            continue
        category = unicodedata.category(character)
        if category in _REMOVED:
            continue
        stack = stack + 1 if category.startswith("M") else 0
        if stack <= _LONGEST_STACK:
            kept.append(character)
    result = "".join(kept).strip()
    if len(result) > limit or len(scanned) < len(text):
        return result[: max(limit - len(_CUT), 0)].rstrip() + _CUT[:limit]
    return result
