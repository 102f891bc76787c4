"""Which names a script reads as settings, so that a log's ``key: value`` is not taken for one.

What stands before the first step of a log may be a count, a time or a drawn value as well as a
setting. A setting is a name that the script gives a constant or something from outside (the
environment, the command line), and that it never changes afterwards.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from harness.source_code.grammar import BrokenSourceError, parse

_FROM_OUTSIDE = frozenset(("environ", "getenv", "argv", "parse_args"))
_OPTION = re.compile(r"--([A-Za-z][\w-]{0,79})")


def setting_names(sources: Sequence[bytes]) -> frozenset[str]:
    """The names, in lower case; empty where no source can be read."""
    given: set[str] = set()
    outside: set[str] = set()
    changed: set[str] = set()
    counted: set[str] = set()
    for source in sources:
        try:
            nodes = list(ast.walk(parse(source)))
        except BrokenSourceError:
            continue
        for node in nodes:
            given.update(_given(node))
            outside.update(_from_outside(node))
            changed.update(_changed(node))
            if isinstance(node, ast.AugAssign):
                counted.update(_named(node.target))
    # What is read from outside is a setting, whatever else a function of the script calls like it.
    found = (given - changed) | (outside - counted)
    return frozenset(name.lower() for name in found)


def _given(node: ast.AST) -> Iterator[str]:
    """The names of settings in a statement or an expression."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        if _is_given(node.value):
            for target in _targets(node):
                yield from _named(target)
    elif isinstance(node, ast.Call):
        yield from _in_call(node)
    elif isinstance(node, ast.Subscript) and _reads_outside(node.value):
        yield _text(node.slice)
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (_text(key) for key, value in pairs if key and _is_constant(value))
    elif isinstance(node, ast.arguments):
        yield from _defaults(node)


def _from_outside(node: ast.AST) -> Iterator[str]:
    """The names of what a statement reads from the environment or the command line."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        inside = list(ast.walk(node.value))
        asked = {_text(each).lower() for each in inside if isinstance(each, ast.Constant)}
        reads = any(_reads_outside(each) for each in inside)
        for target in _targets(node):
            # lr = env("LR", 0.04): whatever the function is, it is asked for that name.
            yield from (name for name in _named(target) if reads or name.lower() in asked)


def _in_call(node: ast.Call) -> Iterator[str]:
    """Keywords with a constant, options of a command line, and variables of the environment."""
    yield from (each.arg for each in node.keywords if each.arg and _is_constant(each.value))
    if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
        options = (_OPTION.fullmatch(_text(argument)) for argument in node.args)
        yield from (found[1].replace("-", "_") for found in options if found)
    elif node.args and _reads_outside(node.func):
        yield _text(node.args[0])


def _defaults(node: ast.arguments) -> Iterator[str]:
    """Parameters with a constant for their default."""
    last = node.args[len(node.args) - len(node.defaults) :]
    pairs = [*zip(last, node.defaults, strict=False)]
    pairs += [(arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True)
              if value is not None]  # fmt: skip
    yield from (argument.arg for argument, value in pairs if _is_constant(value))


def _changed(node: ast.AST) -> Iterator[str]:
    """The names of what is counted or computed: given something that is not said in advance."""
    if isinstance(node, ast.AugAssign):
        yield from _named(node.target)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        if not _is_given(node.value):
            for target in _targets(node):
                if isinstance(target, ast.Name):
                    yield from _named(target)
    elif isinstance(node, ast.For | ast.comprehension):
        yield from _named(node.target)


def _targets(node: ast.Assign | ast.AnnAssign) -> Sequence[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _named(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute):
        yield target.attr
    elif isinstance(target, ast.Subscript):
        yield _text(target.slice)
    elif isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _named(each)


def _is_given(value: ast.expr) -> bool:
    """Whether a value is constant, or read from outside, conversions and choices included."""
    return _is_constant(value) or any(_reads_outside(node) for node in ast.walk(value))


def _is_constant(value: ast.expr) -> bool:
    """Whether a value is written down: figures, and arithmetic with them alone."""
    kinds = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.unaryop, ast.operator, ast.Tuple, ast.List)
    return all(isinstance(node, (*kinds, ast.expr_context)) for node in ast.walk(value))


def _reads_outside(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if name in ("get", "pop") and isinstance(node, ast.Attribute):
        return _reads_outside(node.value)
    return name in _FROM_OUTSIDE


def _text(node: ast.expr) -> str:
    return node.value[:80] if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
