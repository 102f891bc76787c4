"""Programs in the grammar of Python 3.12 under 3.11: tried as they are, rewritten where refused.

Packed scripts are executed as text, modules are compiled by ``compile``: both are functions here.
The file that Python was started with is compiled elsewhere; where that would fail, this process
begins again with a runner that does it. Every process imports this, so it imports little itself.
"""

from __future__ import annotations
import __future__

import builtins
import os
import sys

TYPE_CHECKING = False  # typing's own would be imported for it, by every process
if TYPE_CHECKING:
    from typing import Any

# What code passes on to what it has compiled.
_INHERITED = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_ONLY_AST = 0x400
_HERE = os.path.dirname(os.path.abspath(__file__))
_RUNNER = os.path.join(_HERE, "rewritten.py")
_REWRITER = os.path.join(os.path.dirname(os.path.dirname(_HERE)), "fstrings.py")
_compile = builtins.compile
_exec = builtins.exec


def accept() -> None:
    """Have ``compile`` and ``exec`` take newer programs, and the program of this process be one."""
    builtins.compile = _compiled
    builtins.exec = _executed
    # What executes modules has the real one, so that tracebacks stay as they are.
    importing: Any = sys.modules["_frozen_importlib_external"]
    importing.exec = _exec
    main = sys.argv[0] if sys.argv else ""
    if main.endswith(".py") and main != _RUNNER and _is_refused(main):
        given = sys.orig_argv[: -len(sys.argv)]
        os.execv(sys.executable, [*given, _RUNNER, *sys.argv])  # noqa: S606


def rewritten(source: str) -> str:
    """The same program for this Python; its lines keep their numbers.

    Raises:
        ValueError: it is no program of a newer grammar either.
    """
    text: str = _rewriter().readable_by_311(source)
    return text


def _rewriter() -> Any:
    """The module, which lies beside the directory that is on the path, in no package."""
    name = "harness_fstrings"
    if name not in sys.modules:
        import importlib.util

        found = importlib.util.spec_from_file_location(name, _REWRITER)
        if found is None or found.loader is None:
            raise ValueError(f"{_REWRITER} is not there")
        sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _compiled(
    source: Any,
    filename: Any,
    mode: str,
    flags: int = 0,
    dont_inherit: bool = False,
    optimize: int = -1,
    **version: int,
) -> Any:
    if not dont_inherit:
        flags |= sys._getframe(1).f_code.co_flags & _INHERITED
    try:
        return _compile(source, filename, mode, flags, True, optimize, **version)
    except SyntaxError:
        newer = _newer(source)
        if newer is None:
            raise
        return _compile(newer, filename, mode, flags, True, optimize, **version)


def _executed(source: Any, globals: Any = None, locals: Any = None, /, **closure: Any) -> None:
    caller = sys._getframe(1)
    if globals is None:
        globals = caller.f_globals
        locals = caller.f_locals if locals is None else locals
    if isinstance(source, (str, bytes, bytearray, memoryview)):
        flags = caller.f_code.co_flags & _INHERITED
        source = _compiled(source, "<string>", "exec", flags, True)
    if locals is None:
        _exec(source, globals, **closure)
    else:
        _exec(source, globals, locals, **closure)


def _newer(source: Any) -> str | None:
    """The rewritten program where it is another one; None for what is not text, or stays wrong."""
    if not isinstance(source, (str, bytes, bytearray, memoryview)):
        return None
    try:
        text = source if isinstance(source, str) else _decoded(bytes(source))
        newer = rewritten(text)
    except (ValueError, SyntaxError, RecursionError):
        return None
    return newer if newer != text else None


def _decoded(content: bytes) -> str:
    import tokenize
    from io import BytesIO

    encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)
    return content.decode(encoding)


def _is_refused(file: str) -> bool:
    """Whether this Python refuses the program, and takes it once it is rewritten."""
    try:
        with open(file, "rb") as opened:
            content = opened.read()
        _compile(content, file, "exec", _ONLY_AST, True)
    except SyntaxError:
        return _newer(content) is not None
    except (OSError, ValueError, RecursionError):
        pass
    return False
