"""Makes untrusted strings safe to print: one table of allowed characters for all output."""

import re
import unicodedata

_CUT = "..."
_LINE_CUT = " [line cut]"
_LONGEST_STACK = 2
# Control, format (bidirectional and zero-width marks among them), surrogate, private use and
# unassigned characters: what a terminal may obey, or what has no known width.
_REMOVED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_UNSEEN = _REMOVED | {"Zl", "Zp"}
# Counted as letters, marks and symbols, and drawn as nothing: fillers of Hangul, vowels that Khmer
# never shows, the joiner of graphemes, Braille without dots, selectors of variants.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f") | {
    chr(code) for begin, end in ((0xFE00, 0xFE10), (0xE0100, 0xE01F0)) for code in range(begin, end)
}
# Escape sequences of terminals: CSI (colors, cursor), OSC and similar (titles), two-byte ones.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)


def plain(text: str | bytes, limit: int) -> str:
    """``text`` on one line, printable, in at most ``limit`` characters.

    White space of any kind becomes one space; control, bidirectional, zero-width, private,
    unassigned and blank characters are removed; at most two combining marks stay on one character.
    Longer text is cut and ends in ``...``. Bytes that are not UTF-8 become U+FFFD.
    """
    if isinstance(text, str) and len(text) <= limit and _is_ordinary(text):
        return text.strip(" ")
    # Cut before any work is done; twice the limit leaves room for what is removed.
    scanned, whole = _start(text, 2 * limit + 64)
    kept: list[str] = []
    stack = 0
    for character in scanned:
        if character.isspace():
            if kept and kept[-1] != " ":
                kept.append(" ")
            stack = 0
            continue
        category = unicodedata.category(character)
        if category in _REMOVED or character in _BLANK:
            continue
        stack = stack + 1 if category.startswith("M") else 0
        if stack <= _LONGEST_STACK:
            kept.append(character)
    result = "".join(kept).strip()
    if len(result) > limit or not whole:
        return result[: max(limit - len(_CUT), 0)].rstrip() + _CUT[:limit]
    return result


def _is_ordinary(text: str) -> bool:
    """Whether nothing needs to be done, as of nearly every text; the same end, ten times sooner."""
    return text.isascii() and text.isprintable() and "  " not in text


def plain_line(text: str | bytes, limit: int) -> str:
    """A line of a program's output, like :func:`plain`, but spaces and columns are kept.

    Spaces are kept and a tab becomes four; escape sequences of terminals are removed whole; each
    character that :func:`plain` removes or treats as a line break becomes U+FFFD.
    """
    scanned, whole = _start(text, 4 * limit + 64)
    if not scanned.isprintable() or _marks(scanned):
        scanned = _ESCAPE.sub("", scanned).replace("\t", "    ")
        marks = _marks(scanned)
        kept: list[str] = []
        stack = 0
        for character in scanned:
            stack = stack + 1 if character in marks else 0
            if stack <= _LONGEST_STACK:
                kept.append(character if character.isprintable() else "\ufffd")
        scanned = "".join(kept)
    if len(scanned) <= limit and whole:
        return scanned
    return scanned[: max(limit - len(_LINE_CUT), 0)] + _LINE_CUT[:limit]


def is_plain(text: str, limit: int) -> bool:
    """Whether ``text`` is shown unchanged, so that a reader can type it again."""
    return len(text) <= limit and plain(text, limit) == text


def letters_of(text: str) -> str:
    """The text without differences of case, and of forms of the same letter (NFKC)."""
    return unicodedata.normalize("NFKC", text).casefold()


def has_unseen(text: str) -> bool:
    """Whether ``text`` holds an invisible character or a line break."""
    return any(c in _BLANK or unicodedata.category(c) in _UNSEEN for c in text)


def folded(name: str) -> str:
    """A key that is equal for names that a file system may not tell apart, as by their case."""
    return unicodedata.normalize("NFC", name.casefold())


def storable(text: str) -> str:
    """``text`` made fit for UTF-8: a lone surrogate, of a name in other bytes, becomes ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _marks(text: str) -> frozenset[str]:
    """The combining marks in a text; each distinct character is looked up once, for speed."""
    if text.isascii():
        return frozenset()
    return frozenset(c for c in set(text) if unicodedata.category(c).startswith("M"))


def _start(text: str | bytes, limit: int) -> tuple[str, bool]:
    """The first ``limit`` characters, and whether that is the whole text."""
    if isinstance(text, bytes):
        start = text[: 4 * limit]  # no character of UTF-8 is longer
        decoded = start.decode("utf-8", "replace")
        return decoded[:limit], len(start) == len(text) and len(decoded) <= limit
    return text[:limit], len(text) <= limit
