"""Untrusted TOML and JSON: parsed within bounds, with one family of errors."""

import json
import math
import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import Problem
from harness.safeio.decoding import NotUtf8Error, decoded, unmarked
from harness.safeio.key_lines import TomlLines
from harness.safeio.text import plain
from harness.safeio.wording import expectation

# Long dotted keys cost the parser quadratic time: about 4 s for this many bytes.
LARGEST_BYTES = 32 << 10
DEEPEST = 32
LONGEST_TEXT = 1 << 16
# No real integer is longer; Python itself refuses to parse beyond 4,300 digits.
LONGEST_INTEGER_DIGITS = 30
_SHOWN_DETAIL = 1000
_SHOWN_FIELD = 200
_SHOWN_INPUT = 60

Model = TypeVar("Model", bound=BaseModel)


class ParseError(ValueError):
    """Bytes that are no valid document; the text is made to follow the file's name in a message.

    Attributes:
        line: where it was found, from 1; None where that is not known.
    """

    def __init__(self, problem: str, *, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


class TomlError(ParseError):
    """Not TOML."""


class JsonSyntaxError(ParseError):
    """Not JSON; ``problem`` is the parser's message without the place."""

    def __init__(self, error: json.JSONDecodeError) -> None:
        super().__init__(f"not valid JSON: {error}", line=error.lineno)
        self.problem = error.msg


def parse_toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        TomlError: it is not TOML; a kind of ParseError.
        ParseError: it is larger than ``LARGEST_BYTES``, not UTF-8, nested too deep, or holds a too
            long text; the message says which, and on which line where that is known.
    """
    if len(content) > LARGEST_BYTES:
        raise ParseError(f"larger than {LARGEST_BYTES:,} bytes; shorten it")
    try:
        document = tomllib.loads(decoded(content))
    except NotUtf8Error as error:
        raise ParseError(str(error), line=error.line) from error
    except (ValueError, RecursionError) as error:
        raise TomlError(f"not valid TOML: {error}", line=_line_of(error)) from error
    check_shape(document)
    return document


def parse_json(
    content: bytes,
    *,
    limit_bytes: int,
    deepest: int = DEEPEST,
    longest_text: int = LONGEST_TEXT,
    number: Callable[[str], float] = float,
) -> Any:
    """The value in a JSON file, with numbers as JSON has them: no NaN, nothing infinite.

    Args:
        content: UTF-8, with or without a byte-order mark.
        limit_bytes: the most bytes that are parsed.
        deepest: see :func:`check_shape`.
        longest_text: see :func:`check_shape`.
        number: converts the text of a number with a fraction or an exponent.

    Raises:
        JsonSyntaxError: it is not JSON; a kind of ParseError.
        ParseError: it is too large, not UTF-8, nested too deep, or holds a too long text or a
            number that is not finite; the message says which, and on which line where that is
            known.
    """

    def finite(digits: str) -> float:
        value = number(digits)
        if not math.isfinite(value):
            raise ValueError(f"{digits[:20]} is too large a number")
        return value

    document = _loaded(
        content,
        limit_bytes,
        parse_int=_integer,
        parse_float=finite,
        parse_constant=_refused,
    )
    check_shape(document, deepest=deepest, longest_text=longest_text)
    return document


def parse_model(
    model: type[Model],
    content: bytes,
    *,
    limit_bytes: int,
    deepest: int = DEEPEST,
    longest_text: int = LONGEST_TEXT,
) -> Model:
    """A model from a JSON file; the file's shape is checked before the model is validated.

    The model decides which numbers it accepts, NaN included.

    Raises:
        ValidationError: it is JSON, but not valid for the model: see :func:`problems_of`.
        ParseError: as in :func:`parse_json`.
    """
    document = _loaded(content, limit_bytes)
    check_shape(document, deepest=deepest, longest_text=longest_text)
    return model.model_validate_json(unmarked(content))


def check_shape(document: Any, *, deepest: int = DEEPEST, longest_text: int = LONGEST_TEXT) -> None:
    """Check a parsed document against bounds that no honest one comes near.

    Args:
        document: dicts, lists and their items.
        deepest: the most levels of nesting; the document is the first, a text in it the second.
        longest_text: the most characters of a text, keys included.

    Raises:
        ParseError: it is nested deeper, or holds a longer text.
    """
    level: list[Any] = [document]
    for _ in range(deepest):
        if any(isinstance(value, str) and len(value) > longest_text for value in level):
            raise ParseError(f"a text of more than {longest_text:,} characters")
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ParseError(f"nested more than {deepest} levels deep")


def problems_of(error: ValidationError, *, within: str = "", toml: bytes = b"") -> list[Problem]:
    """What is wrong with each field, and what was expected; bounded and safe to print.

    Args:
        error: the error of a model.
        within: the dotted key of the part that was validated, when that is not the whole file.
        toml: the file's content, in which the lines are looked up.
    """
    lines = TomlLines(toml)
    problems = []
    for problem in error.errors(include_url=False):
        keys = (within, *map(str, problem["loc"]))
        field = ".".join(key for key in keys if key)
        kind = problem["type"]
        if kind == "extra_forbidden":
            detail = "unknown key; remove it or correct its spelling"
        elif kind == "missing":
            detail = "missing; it must be given"
        else:
            detail = f"{expectation(problem)} (found {_shown(problem['input'])})"
        shown = plain(field, _SHOWN_FIELD)
        problems.append(Problem(shown, plain(detail, _SHOWN_DETAIL), lines.of(field)))
    return problems


def _shown(value: Any) -> str:
    if isinstance(value, str | bytes):
        value = value[: _SHOWN_INPUT + 1]  # as a whole, the input may be the file itself
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_INPUT else shown[: _SHOWN_INPUT - 3] + "..."


def _line_of(error: Exception) -> int | None:
    """The line where the parser stopped; before Python 3.14 only its message tells it."""
    told = str(error).rpartition("(at line ")[2].partition(",")[0]
    return int(told) if told.isdecimal() else None


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _loaded(content: bytes, limit_bytes: int, **hooks: Any) -> Any:
    if len(content) > limit_bytes:
        raise ParseError(f"larger than {limit_bytes:,} bytes")
    try:
        return json.loads(decoded(content), **hooks)
    except NotUtf8Error as error:
        raise ParseError(str(error), line=error.line) from error
    except json.JSONDecodeError as error:
        raise JsonSyntaxError(error) from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ParseError(f"not JSON: {reason}") from error


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(digits):,} digits")
    return int(digits)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
