"""What a Python file defines and imports, found without running it."""

import ast
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.errors import SubmissionError

# A syntax tree takes up to a thousand bytes and four microseconds for each byte of source.
LARGEST_PARSED_BYTES = 256 << 10
# Python's parser overflows its stack with a MemoryError that has no message.
_NOT_TOLD = "too deeply nested to be parsed"


@dataclass(frozen=True)
class Source:
    """What a Python file defines, as names, and imports, as (line, top-level module)."""

    defined: frozenset[str]
    imported: tuple[tuple[int, str], ...]


@lru_cache(maxsize=1024)
def examine(folder: Path, name: str, content: bytes) -> Source:
    """Parse the file ``name`` of a judged folder; the large syntax tree is freed on return.

    Raises:
        SubmissionError: it is not Python; the message names file and line.
    """
    defined: set[str] = set()
    imported: list[tuple[int, str]] = []
    for node in ast.walk(_parse(folder, name, content)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined.update(alias.asname or alias.name for alias in node.names)
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if node.level == 0 and node.module else []
            imported += [(node.lineno, module.partition(".")[0]) for module in modules]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
    return Source(defined=frozenset(defined), imported=tuple(imported))


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
