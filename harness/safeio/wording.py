"""What a model expected of a value, in the words of the file that a person wrote.

pydantic speaks of its own types: tuples, dictionaries, patterns. Whoever wrote a TOML file knows
lists, tables and texts in quotes, and is helped by an example.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

_LIST = "expected a list"
_TEXT = 'expected a text in quotes, such as "3"'
_NUMBER = "expected a number"
_WHOLE = "expected a whole number without quotes"
_TABLE = "expected a table of keys"
_TRUTH = "expected true or false, without quotes"
_TYPES = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": f"{_NUMBER} without quotes",
    "float_parsing": f"{_NUMBER} without quotes",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
    "finite_number": f"{_NUMBER} that is finite",
    "string_pattern_mismatch": "not spelled as expected; see the documentation of this key",
}
_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda told: f"{_NUMBER} above {told['gt']:,}",
    "greater_than_equal": lambda told: f"{_NUMBER} of at least {told['ge']:,}",
    "less_than": lambda told: f"{_NUMBER} below {told['lt']:,}",
    "less_than_equal": lambda told: f"{_NUMBER} of at most {told['le']:,}",
    "literal_error": lambda told: f"expected {told['expected']}",
    "too_short": lambda told: f"expected a list of at least {told['min_length']:,}",
    "too_long": lambda told: f"expected a list of at most {told['max_length']:,}",
    "string_too_short": lambda told: f"expected a text of at least {_letters(told['min_length'])}",
    "string_too_long": lambda told: f"expected a text of at most {_letters(told['max_length'])}",
}


def expectation(problem: Mapping[str, Any]) -> str:
    """What was expected, of one of the errors that a validation lists."""
    kind, told, found = problem["type"], problem.get("ctx", {}), problem["input"]
    if kind in _BOUNDS:
        return _BOUNDS[kind](told)
    if kind not in _TYPES:
        message: str = problem["msg"]
        return message.removeprefix("Value error, ")
    if _TYPES[kind] is _LIST and isinstance(found, str):
        return f"{_LIST}, such as {json.dumps(_words(found), ensure_ascii=False)}"
    if _TYPES[kind] is _TEXT and isinstance(found, int | float):
        return _TEXT.replace("3", json.dumps(found))
    return _TYPES[kind]


def _words(text: str) -> list[str]:
    """A command that was written as one text, as the list that it should be."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _letters(count: int) -> str:
    return "1 character" if count == 1 else f"{count:,} characters"
