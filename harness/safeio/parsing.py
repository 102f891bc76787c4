"""TOML of strangers: read within bounds, with one kind of error."""

import tomllib
from typing import Any

# Long dotted keys cost the parser quadratic time: about 4 s for this many bytes.
LARGEST_BYTES = 32 << 10
_DEEPEST = 32


def parse_toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ValueError: larger than ``LARGEST_BYTES``, not UTF-8, not TOML, or nested too deep; the
            message says which, fit to follow the file's name.
    """
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES:,} bytes; shorten it")
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid TOML: {error}") from error
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")
    return document


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
