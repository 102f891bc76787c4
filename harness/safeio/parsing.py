"""TOML of strangers: read within bounds, with one kind of error."""

import tomllib
from typing import Any

# Long dotted keys cost the parser quadratic time: about 4 s for this many bytes.
LARGEST_BYTES = 32 << 10
_DEEPEST = 32


class TomlError(ValueError):
    """Bytes that are no TOML of ours; the text is fit to follow the file's name."""

    def __init__(self, problem: str, *, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


def parse_toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        TomlError: larger than ``LARGEST_BYTES``, not UTF-8, not TOML, or nested too deep; it says
            which, and on which line where that is known.
    """
    if len(content) > LARGEST_BYTES:
        raise TomlError(f"larger than {LARGEST_BYTES:,} bytes; shorten it")
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TomlError(f"not UTF-8 at byte {error.start}; save it as UTF-8", line=line) from error
    except (ValueError, RecursionError) as error:
        raise TomlError(f"not valid TOML: {error}", line=_line_of(error)) from error
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise TomlError(f"nested more than {_DEEPEST} levels deep")
    return document


def _line_of(error: Exception) -> int | None:
    """Where the parser stopped; before Python 3.14 it tells that in its sentence alone."""
    told = str(error).rpartition("(at line ")[2].partition(",")[0]
    return int(told) if told.isdecimal() else None


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
