"""Constants put together: operators, builtins, texts and paths, within bounds."""

import ast
import math
import operator
import posixpath
from collections.abc import Callable, Sequence
from typing import Any

from harness.source_code.values import GAP, LONGEST_TEXT, Known, Many, Value, known, text_of

LARGEST_NUMBER = 1 << 64
PATH = frozenset({"path"})

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def combined(node: ast.operator, left: Any, right: Any) -> Any:
    """The result of an operator on two constants.

    Raises:
        ValueError: it is not worked out here.
        TypeError, ArithmeticError: the operator does not work on them.
    """
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(node, ast.Pow) and numbers:
        if abs(left) > 1 << 20 or not -64 <= right <= 64:
            raise ValueError("too large")
        return left**right
    if isinstance(node, ast.LShift) and numbers and 0 <= right <= 64:
        return left << right
    if isinstance(node, ast.RShift) and numbers and 0 <= right <= 64:
        return left >> right
    texts = isinstance(left, str) and isinstance(right, str) and isinstance(node, ast.Add)
    if not (numbers or texts) or type(node) not in _OPERATORS:
        raise ValueError("not worked out here")
    result = _OPERATORS[type(node)](left, right)
    if isinstance(result, int | float) and abs(result) > LARGEST_NUMBER:
        raise ValueError("too large")
    return result


def compared(node: ast.cmpop, left: Any, right: Any) -> bool:
    """The result of a comparison of two constants.

    Raises:
        ValueError: it is not worked out here.
        TypeError: they cannot be compared.
    """
    if type(node) not in _COMPARISONS:
        raise ValueError("not worked out here")
    if isinstance(node, ast.Is | ast.IsNot) and left is not None and right is not None:
        left, right = (type(left), left), (type(right), right)
        return (left == right) is isinstance(node, ast.Is)
    return bool(_COMPARISONS[type(node)](left, right))


def joined_path(parts: Sequence[str]) -> str:
    """Parts of a path, joined; what is not known stays a gap."""
    return posixpath.join(*parts) if parts else ""


def _number(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def convert(value: Any = 0, base: Any = None) -> Any:
        if isinstance(value, str) and len(value) > 400:
            raise ValueError("too long")
        return kind(value) if base is None else int(value, base)

    return convert


def _rounded(value: Any, digits: Any = None) -> Any:
    return round(value, digits) if isinstance(value, int | float) else None


def _log(value: Any, base: Any = math.e) -> float:
    return math.log(value, base)


BUILTINS: dict[str, Callable[..., Any]] = {
    "int": _number(int),
    "float": _number(float),
    "bool": bool,
    "str": str,
    "abs": abs,
    "min": min,
    "max": max,
    "round": _rounded,
    "range": range,
    "math.log": _log,
    "math.log2": math.log2,
    "math.sqrt": math.sqrt,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.cos": math.cos,
    "math.exp": math.exp,
}


def called(name: str, arguments: Sequence[Value]) -> Value | None:
    """What a builtin gives for constants, or None where that is not known."""
    if name not in BUILTINS or not all(isinstance(a, Known) for a in arguments):
        return None
    given: list[Any] = [a.value for a in arguments if isinstance(a, Known)]
    if name == "str" and arguments:
        return known(text_of(arguments[0]), *arguments)
    if any(isinstance(value, str) and GAP in value for value in given):
        return None
    try:
        return known(BUILTINS[name](*given), *arguments)
    except (ValueError, TypeError, ArithmeticError):
        return None


_TEXT_METHODS = frozenset(
    ["lower", "upper", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix", "title"]
)


def text_method(
    text: Known, name: str, arguments: Sequence[Value], words: dict[str, Value]
) -> Value | None:
    """What a method of a text gives, or None where that is not known or not worked out here."""
    own = text.value
    given = [a.value if isinstance(a, Known) else None for a in arguments]
    plain = all(isinstance(value, str) for value in given)
    result: Any = None
    if name in _TEXT_METHODS and plain:
        result = getattr(own, name)(*given)
    elif name in ("startswith", "endswith") and plain and len(given) == 1 and GAP not in own:
        result = getattr(own, name)(given[0])
    elif name == "replace" and plain and len(given) == 2:
        old, new = str(given[0]), str(given[1])
        if len(own) + own.count(old) * len(new) > LONGEST_TEXT:
            return None
        result = own.replace(old, new)
    elif name == "split" and plain and len(given) <= 1 and GAP not in own:
        parts = own.split(*given) if not given or given[0] else []
        return Many([known(p, text) for p in parts[:256]], tags=text.tags, settings=text.settings)
    elif name == "format":
        return formatted(text, arguments, words)
    elif name == "join" and len(arguments) == 1 and isinstance(arguments[0], Many):
        pieces = [text_of(item) for item in arguments[0].items[:256]]
        return known(own.join(pieces), text, *arguments[0].items[:256])
    return None if result is None else known(result, text, *arguments)


def formatted(text: Known, arguments: Sequence[Value], words: dict[str, Value]) -> Known:
    """A template filled in; a field that cannot be told is a gap."""
    pieces: list[str] = []
    place, at, own = 0, 0, text.value
    while at < len(own):
        if own.startswith(("{{", "}}"), at):
            pieces.append(own[at])
            at += 2
        elif own[at] == "{":
            end, depth = at + 1, 1
            while end < len(own) and depth:
                depth += (own[end] == "{") - (own[end] == "}")
                end += 1
            name = own[at + 1 : end - 1].partition(":")[0].partition("!")[0]
            plain = end - at == len(name) + 2
            found = words.get(name) if name and not name.isdigit() else None
            if found is None:
                index = int(name) if name.isdigit() and len(name) < 4 else place
                found = arguments[index] if index < len(arguments) else None
                place += not name
            pieces.append(text_of(found) if found is not None and plain else GAP)
            at = end
        else:
            pieces.append(own[at])
            at += 1
    return known("".join(pieces), text, *arguments, *words.values())
