"""Python of any grammar to 3.13, parsed to one tree whatever Python the harness runs under."""

import ast
import contextlib
import re
import sys
import warnings
from typing import NamedTuple

from harness.inside.upstream.fstrings import TooNewError, readable_by_311
from harness.safeio.decoding import unmarked

__all__ = ["BrokenSourceError", "decoded", "is_newer", "parse", "parsed", "readable_by_311"]

_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_LONGEST_MESSAGE = 200
_IS_311 = sys.version_info < (3, 12)
"""What this Python parses needs no other reading; most scripts are of that kind."""
# Python's parser overflows its stack with a MemoryError that has no message.
_NOT_TOLD = "too deeply nested to be parsed"


class BrokenSourceError(ValueError):
    """Text that is no Python; ``line`` is where, from 1, or None."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


def decoded(content: bytes) -> str:
    """The text of a source: UTF-8, or what its coding comment names.

    Raises:
        BrokenSourceError: it is not in that encoding.
    """
    head = unmarked(content).split(b"\n", 2)[:2]
    named = next((found[1] for line in head if (found := _CODING.match(line[:200]))), b"utf-8")
    try:
        text = unmarked(content).decode(named.decode())
    except (UnicodeDecodeError, LookupError) as error:
        raise BrokenSourceError(f"not text: {error}"[:_LONGEST_MESSAGE], None) from error
    if "\0" in text:
        raise BrokenSourceError("holds NUL characters", text.count("\n", 0, text.find("\0")) + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Parsed(NamedTuple):
    """A source's syntax tree, and whether Python 3.11 refuses its grammar."""

    tree: ast.Module
    newer: bool


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree of a source; see :func:`parsed`."""
    return parsed(source).tree


def parsed(source: str | bytes) -> Parsed:
    """A source in any grammar to Python 3.13, parsed; nothing is run.

    Lines are those of the source. F-strings that Python 3.11 refuses stand there as calls of
    ``str.format``.

    Raises:
        BrokenSourceError: it is no Python, or nested too deeply.
    """
    text = decoded(source) if isinstance(source, bytes) else source
    try:
        if _IS_311:
            with contextlib.suppress(SyntaxError):
                return Parsed(_tree(text), False)
        readable = _readable(text)
        return Parsed(_tree(readable), readable != text)
    except SyntaxError as error:
        problem = (error.msg or _NOT_TOLD)[:_LONGEST_MESSAGE]
        raise BrokenSourceError(problem, error.lineno or None) from error
    except (ValueError, RecursionError, MemoryError) as error:
        problem = str(error)[:_LONGEST_MESSAGE] or _NOT_TOLD
        raise BrokenSourceError(problem, None) from error


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        # Python's warning would print the line, with any terminal codes that a stranger put there.
        warnings.simplefilter("ignore")
        return ast.parse(text)


def is_newer(source: str) -> bool:
    """Whether a source that parses needs Python 3.12 or later."""
    return _readable(source) != source


def _readable(text: str) -> str:
    try:
        return readable_by_311(text)
    except TooNewError:
        return text  # Python's own parser says what is wrong with it, and where
