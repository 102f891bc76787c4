"""Files that a script opens, writes, reads and unpacks, and what comes of them."""

import ast
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.source_code.values import GAP, Known, Value, known, text_of

if TYPE_CHECKING:
    from harness.source_code.calls import Calls

_VALIDATION = re.compile(r"(?<![a-zA-Z])val(?![a-zA-Z])|valid", re.IGNORECASE)
_TRAINING = re.compile(r"(?<![a-zA-Z])train(?![a-zA-Z])", re.IGNORECASE)
_WRITERS = {"save": 1, "dump": 1, "savez": 0, "savez_compressed": 0, "save_file": 1}


def tags_from(tags: frozenset[str], arguments: Sequence[Value]) -> frozenset[str]:
    """Tags of what a call gives, with those that texts among its arguments name."""
    for value in arguments:
        if isinstance(value, Known) and isinstance(value.value, str):
            if _VALIDATION.search(value.value):
                tags = tags | {"val"}
            elif _TRAINING.search(value.value):
                tags = tags | {"train"}
    return tags


def path_name(value: Value | None) -> str:
    """A path as a script names it, without ``./``; ``?`` where it is not known."""
    if not isinstance(value, Known) or not isinstance(value.value, str):
        return "?"
    return value.value.removeprefix("./") if value.value.strip(GAP) else "?"


def opened(calls: "Calls", node: ast.AST, path: Value | None, *, writes: bool) -> Value:
    """A file that is opened; what comes from it says so."""
    name = path_name(path)
    settings = path.settings if path is not None else frozenset()
    calls.event("write" if writes else "read", node, name=name, settings=settings)
    base = path.tags if path is not None else frozenset()
    return Value(
        tags=tags_from(base, [path] if path else []) | {f"from:{name}"} if not writes else base
    )


def decompressed(calls: "Calls", node: ast.AST, value: Value) -> None:
    """Note that what was read from a file is unpacked."""
    for tag in value.tags:
        if tag.startswith("from:"):
            calls.event("decompress", node, name=tag[5:])


def _open(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
          words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    mode = words.get("mode") or (arguments[1] if len(arguments) > 1 else known("r"))
    text = text_of(mode)
    path = arguments[0] if arguments else words.get("file")
    if name.rpartition(".")[0] not in (
        "",
        "io",
        "lzma",
        "gzip",
        "bz2",
        "zstandard",
        "builtins",
        "os",
    ):
        return None
    if any(sign in text for sign in "wxa"):
        return opened(calls, node, path, writes=True) if "a" not in text else Value()
    result = opened(calls, node, path, writes=False)
    if name.partition(".")[0] in ("lzma", "gzip", "bz2"):
        decompressed(calls, node, result)
    return result


def _written(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
             words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    if name.partition(".")[0] in ("json", "yaml", "toml", "tomllib"):
        return Value()
    place = _WRITERS[name.rpartition(".")[2]]
    target = arguments[place] if len(arguments) > place else words.get("f")
    if target is None or "buffer" in target.tags:
        return Value()
    if isinstance(target, Known):
        opened(calls, node, target, writes=True)
    return Value()


def _loaded(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
            words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    if name.partition(".")[0] in ("json", "yaml", "toml", "tomllib"):
        return Value(tags=made.tags)
    source = arguments[0] if arguments else words.get("f") or Value()
    if isinstance(source, Known) and isinstance(source.value, str):
        source = opened(calls, node, source, writes=False)
    for tag in source.tags:
        if tag.startswith("from:"):
            calls.event("load", node, name=tag[5:], tags=source.tags)
    return Value(tags=source.tags, settings=source.settings)


def _decompress(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
                words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    for value in arguments[:1]:
        decompressed(calls, node, value)
    return made


FILE_CALLS = {
    "open": _open,
    "save": _written,
    "dump": _written,
    "savez": _written,
    "savez_compressed": _written,
    "save_file": _written,
    "load": _loaded,
    "load_file": _loaded,
    "decompress": _decompress,
}
"""By the last part of a function's name."""
