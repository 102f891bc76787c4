"""What a Python file defines and imports, found without running it."""

import ast
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from harness.errors import SubmissionError

# A syntax tree takes up to a thousand bytes and four microseconds for each byte of source.
LARGEST_PARSED_BYTES = 256 << 10
# Python's parser overflows its stack with a MemoryError that has no message.
_NOT_TOLD = "too deeply nested to be parsed"


When = Literal["always", "as a script", "perhaps"]
"""``always``: as soon as the file is imported. ``as a script``: where it is what is started."""


class Import(NamedTuple):
    """A top-level module that a file imports, at a line; ``when`` is as far as one can see."""

    line: int
    module: str
    when: When


class AtImport(NamedTuple):
    """Something that a file does at a line when it is imported, ``name`` being what it names."""

    line: int
    name: str


@dataclass(frozen=True)
class Source:
    """What can be seen of a Python file.

    ``defined`` are names; ``imports`` what it imports. ``reads`` are environment variables without
    which it cannot be imported, ``calls`` functions of its own that it calls when it is imported.
    ``dynamic``: it may define more than can be seen, such as in text that it runs as code.
    """

    defined: frozenset[str]
    imports: tuple[Import, ...]
    reads: tuple[AtImport, ...] = ()
    calls: tuple[AtImport, ...] = ()
    dynamic: bool = False


@lru_cache(maxsize=1024)
def examine(folder: Path, name: str, content: bytes) -> Source:
    """Parse the file ``name`` of a judged folder; the large syntax tree is freed on return.

    Raises:
        SubmissionError: it is not Python; the message names file and line.
    """
    defined: set[str] = set()
    imports: list[Import] = []
    reads: list[AtImport] = []
    calls: list[AtImport] = []
    dynamic = "__getattr__" in content.decode("utf-8", "replace")
    tree = _parse(folder, name, content)
    sure = dict(_surely(tree.body, "always"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined.update(alias.asname or alias.name for alias in node.names)
            imports += [
                Import(node.lineno, module, sure.get(node, "perhaps")) for module in _modules(node)
            ]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Call) and _is_name(node.func, "exec", "globals", "setattr"):
            dynamic = True
    functions = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    for statement, when in sure.items():
        if when == "always" and not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            reads += _reads(statement)
            if isinstance(statement, ast.Expr | ast.Assign):
                calls += _calls(statement.value, functions)
    return Source(frozenset(defined), tuple(imports), tuple(reads), tuple(calls), dynamic)


def _surely(body: Sequence[ast.stmt], when: When) -> Iterator[tuple[ast.stmt, When]]:
    """The simple statements that are run if the file is; none below a condition or a ``try``."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _surely(statement.body, when)
        elif isinstance(statement, ast.If) and _asks_for_main(statement.test):
            yield from _surely(statement.body, "as a script")
        elif isinstance(statement, ast.If) and _never_imports(statement):
            return
        elif not isinstance(statement, _COMPOUND):
            yield statement, when


_COMPOUND = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar),
    *(ast.Match, ast.FunctionDef, ast.AsyncFunctionDef),
)


def _asks_for_main(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and {"__name__", "'__main__'"} == {ast.unparse(test.left), ast.unparse(test.comparators[0])}
    )


def _never_imports(statement: ast.If) -> bool:
    """Whether a condition may end the file's run, so that nothing after it is sure."""
    return any(isinstance(node, ast.Raise) for node in ast.walk(statement)) or any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "os._exit")
        for node in ast.walk(statement)
    )


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [node.module] if node.level == 0 and node.module else []
    return [name.partition(".")[0] for name in names]


def _reads(statement: ast.stmt) -> Iterator[AtImport]:
    """Environment variables that a statement reads without a default, outside functions."""
    for node in _run_now(statement):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and ast.unparse(node.value) in ("os.environ", "environ")
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            yield AtImport(node.lineno, node.slice.value)


def _calls(value: ast.expr, functions: Collection[str]) -> Iterator[AtImport]:
    if isinstance(value, ast.Call) and _is_name(value.func, *functions):
        yield AtImport(value.lineno, ast.unparse(value.func))


def _run_now(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is below it, but for what a lambda holds, or an arm that may be left."""
    yield node
    if isinstance(node, ast.Lambda | ast.IfExp | ast.BoolOp | ast.GeneratorExp):
        return
    for child in ast.iter_child_nodes(node):
        yield from _run_now(child)


def _is_name(node: ast.expr, *names: str) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _parse(folder: Path, name: str, content: bytes) -> ast.Module:
    try:
        with warnings.catch_warnings():
            # Python's warning would print the line, with any terminal codes that a stranger put
            # there.
            warnings.simplefilter("ignore")
            return ast.parse(content, filename=name)
    except SyntaxError as error:
        problem = f"not valid Python: {error.msg or _NOT_TOLD}"
        line = error.lineno or None
        raise SubmissionError(problem, file=name, within=folder, line=line) from error
    except (ValueError, RecursionError, MemoryError) as error:
        problem = f"not valid Python: {str(error) or _NOT_TOLD}"
        raise SubmissionError(problem, file=name, within=folder) from error
