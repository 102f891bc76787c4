"""Functions and methods that are not of the script: builtins, objects, options, programs."""

import ast
import re
from typing import TYPE_CHECKING

from harness.source_code import folding
from harness.source_code.file_calls import FILE_CALLS, decompressed, opened, tags_from
from harness.source_code.tensor_calls import tensor_call
from harness.source_code.values import (
    Function,
    Kind,
    Known,
    Many,
    Outer,
    Table,
    Thing,
    Value,
    constant,
    joined,
    known,
    text_of,
    truth,
)

if TYPE_CHECKING:
    from harness.source_code.calls import Calls

_SAME = frozenset(
    ["to", "cuda", "cpu", "bfloat16", "float", "half", "eval", "train", "requires_grad_", "compile",
     "double", "apply"]
)  # fmt: skip
_WRAPPERS = ("compile", "DistributedDataParallel", "DataParallel", "partial", "deepcopy", "script",
             "FSDP", "no_grad", "inference_mode", "identity", "disable", "unwrap_model",
             "lru_cache", "ensure_wrapped")  # fmt: skip
_TRUE = frozenset({"torch.cuda.is_available", "torch.distributed.is_available",
                   "torch.distributed.is_nccl_available"})  # fmt: skip
_TOLD = re.compile(
    r"gram|tilt|mixer|hedge|knn|ppm|backoff|slot|pass_?[12]|two_?pass", re.IGNORECASE
)


def outer_call(
    calls: "Calls", node: ast.Call, function: Outer, arguments: list[Value],
    words: dict[str, Value],
) -> Value:  # fmt: skip
    """Call something that is not of the script."""
    name = function.name
    last = name.rpartition(".")[2]
    everything = [*arguments, *words.values()]
    made = joined(*everything)
    made.tags = tags_from(made.tags, arguments)
    first = arguments[0] if arguments else None
    if name in _TRUE:
        return known(True)
    if last in ("getenv", "get") and ("environ" in name or last == "getenv"):
        key = constant(first) if first is not None else None
        default = arguments[1] if len(arguments) > 1 else words.get("default", known(None))
        return calls.setting(key, default, node.lineno) if isinstance(key, str) else joined(default)
    if last in _WRAPPERS:
        chosen = first or words.get("module") or words.get("model")
        return Outer("identity") if chosen is None else chosen
    if calls.frames and last.isidentifier() and _TOLD.search(last):
        calls.event("call", node, name=last)
    special = _SPECIAL.get(last)
    if special is not None:
        result = special(calls, node, name, arguments, words, made)
        if result is not None:
            return result
    if last == "Path" and isinstance(first, Known):
        parts = [text_of(one) for one in arguments]
        return Known(
            folding.joined_path(parts), tags=first.tags | folding.PATH, settings=made.settings
        )
    if name.endswith(("path.join", "path.normpath", "path.abspath", "path.expanduser")):
        parts = [text_of(one) for one in arguments]
        return known(folding.joined_path(parts), *arguments)
    if name.endswith(("path.basename", "path.dirname")) and isinstance(first, Known):
        head, _, tail = text_of(first).rpartition("/")
        return known(tail if last == "basename" else head, first)
    folded = folding.called(name, arguments)
    if folded is not None:
        return folded
    if last in ("tuple", "list", "sorted", "set", "reversed", "iter", "enumerate", "zip", "dict"):
        return _collected(last, arguments, made)
    if last in ("min", "max") and len(arguments) > 1 and "tokens" in made.tags:
        return Value(tags=made.tags, settings=made.settings)
    return tensor_call(calls, node, last, first, arguments, words, made)


def _collected(name: str, arguments: list[Value], made: Value) -> Value:
    first = arguments[0] if arguments else None
    if name in ("tuple", "list", "reversed", "iter") and isinstance(first, Many):
        return Many(list(first.items), first.open, tags=first.tags, settings=first.settings)
    if name in ("tuple", "list", "set") and first is None:
        return Many([])
    if name == "enumerate" and isinstance(first, Many):
        return Many([Many([Value(), one]) for one in first.items], True, tags=made.tags)
    if name in ("zip", "enumerate"):
        return Many([Many([joined(one) for one in arguments])], True, tags=made.tags)
    if name == "dict":
        return Table(tags=made.tags)
    return Value(tags=made.tags, settings=made.settings)


def method_call(
    calls: "Calls", node: ast.Call, owner: Value, name: str, arguments: list[Value],
    words: dict[str, Value],
) -> Value:  # fmt: skip
    """Call a method of something that is not of the script."""
    made = joined(owner, *arguments, *words.values())
    made.tags = tags_from(made.tags, arguments) - ({"model"} if arguments else set())
    if _TOLD.search(name):
        calls.event("call", node, name=name)
    first = arguments[0] if arguments else None
    if name == "load_state_dict":
        model = owner if isinstance(owner, Thing) else None
        strict = words.get("strict")
        loose = strict is not None and truth(strict) is False
        label = "loose" if loose else "strict"
        calls.event(
            "load", node, name=label, tags=first.tags if first else frozenset(), model=model
        )
        return Value()
    if name in _SAME and isinstance(owner, (Thing, Function)):
        return owner
    if isinstance(owner, Outer) and name in _SAME:
        return owner
    if isinstance(owner, Thing):
        weights = Value(tags=frozenset({"weights"}))
        return weights if name in ("parameters", "named_parameters", "state_dict") else joined(made)
    if isinstance(owner, Many) and name in ("append", "extend", "insert", "add", "update"):
        owner.tags = owner.tags | made.tags
        inside = calls.loops or not all(guard.sure for guard in calls.guards)
        if name == "append" and first is not None and not inside and len(owner.items) < 512:
            owner.items.append(first)
        else:
            owner.open = True
        return known(None)
    if isinstance(owner, Table):
        return _table_method(owner, name, arguments, made)
    if "parser" in owner.tags:
        return _argument(calls, node, name, arguments, words)
    path = isinstance(owner, Known) and "path" in owner.tags
    if path and name in ("write_bytes", "read_bytes", "open"):
        writes = name == "write_bytes" or "w" in text_of(first or known("r"))
        return opened(calls, node, owner, writes=writes)
    if path and name in ("resolve", "absolute", "expanduser", "as_posix", "with_name", "joinpath"):
        return owner
    if path and name == "with_suffix" and isinstance(owner, Known):
        return known(owner.value.rpartition(".")[0] + text_of(first or known("")), owner)
    if name == "decompress" and first is not None:
        decompressed(calls, node, first)
    if name == "requires_grad_" and not owner.tags & {"weights", "model"}:
        return Value(tags=owner.tags | {"delta"}, settings=owner.settings)
    if name in ("reshape", "view", "unflatten") and len(arguments) >= 2:
        calls.event("windows", node, name="rows", tags=owner.tags, value=arguments[-1])
    if name in _SAME:
        return owner
    return tensor_call(calls, node, name, first, arguments, words, made)


def _table_method(owner: Table, name: str, arguments: list[Value], made: Value) -> Value:
    key = constant(arguments[0]) if arguments else None
    if name in ("get", "pop", "setdefault") and isinstance(key, str | int | float):
        if key in owner.items:
            return owner.items[key]
        return arguments[1] if len(arguments) > 1 else joined(made)
    if name == "update" and arguments and isinstance(arguments[0], Table):
        owner.items.update(arguments[0].items)
    if name in ("items", "keys", "values") and owner.items:
        pairs: list[Value] = [Many([known(k), v]) for k, v in owner.items.items()]
        if name == "keys":
            pairs = [known(key) for key in owner.items]
        elif name == "values":
            pairs = list(owner.items.values())
        return Many(pairs, True, tags=owner.tags)
    return Value(tags=made.tags, settings=made.settings)


def _argument(
    calls: "Calls", node: ast.Call, name: str, arguments: list[Value], words: dict[str, Value]
) -> Value:
    """``argparse``: its options are settings too, named by their dashes."""
    if name == "add_argument" and arguments:
        options = [text_of(one) for one in arguments if isinstance(one, Known)]
        option = next(
            (one for one in options if one.startswith("--")), options[0] if options else ""
        )
        target = text_of(words["dest"]) if "dest" in words else option.lstrip("-").replace("-", "_")
        action = text_of(words.get("action", Value()))
        default = words.get(
            "default", known(action == "store_false" if "store_" in action else None)
        )
        if option.isprintable():
            given = next((one for one in options if one in calls.environment), option)
            value = calls.setting(given, default, node.lineno)
            if action.startswith("store_") and given in calls.environment:
                value = known(action == "store_true", value)
            kind = words.get("type")
            if isinstance(kind, Outer) and isinstance(constant(value), str):
                value = folding.called(kind.name, [value]) or value
            calls.arguments[target] = value
        return Value()
    if name in ("parse_args", "parse_known_args"):
        table = Table(dict(calls.arguments))
        return table if name == "parse_args" else Many([table, Value()])
    return Value(tags=frozenset({"parser"}))


def _program(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
             words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    if not name.startswith(("subprocess.", "os.system", "os.popen")) and name not in (
        "check_output", "Popen", "check_call",
    ):  # fmt: skip
        return None
    first = arguments[0] if arguments else words.get("args")
    if isinstance(first, Many) and first.items:
        texts = [text_of(one) for one in first.items[:8]]
        calls.event("program", node, name=" ".join(texts))
    elif first is not None:
        calls.event("program", node, name=text_of(first))
    return Value()


def _attribute_of(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
                  words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    key = constant(arguments[1]) if len(arguments) > 1 else None
    if not isinstance(key, str):
        return None
    owner = arguments[0]
    if isinstance(owner, Thing | Kind) and owner.find(key) is None and len(arguments) > 2:
        return arguments[2]
    return calls.attribute(owner, key)


def _set_attribute(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
                   words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    key = constant(arguments[1]) if len(arguments) > 2 else None
    if isinstance(key, str) and isinstance(arguments[0], Thing | Kind):
        arguments[0].attributes[key] = arguments[2]
    return known(None)


def _type_of(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
             words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    one = arguments[0] if arguments else None
    return one.kind if isinstance(one, Thing) else None


def _buffer(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
            words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    return Value(tags=made.tags | {"buffer"}, settings=made.settings)


def _parser(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
            words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    return Value(tags=frozenset({"parser"}))


def _field(calls: "Calls", node: ast.Call, name: str, arguments: list[Value],
           words: dict[str, Value], made: Value) -> Value | None:  # fmt: skip
    factory = words.get("default_factory")
    if isinstance(factory, Function):
        return calls.invoke(node, factory, [], {})
    return words.get("default")


_SPECIAL = {
    **FILE_CALLS,
    "run": _program,
    "check_output": _program,
    "check_call": _program,
    "Popen": _program,
    "call": _program,
    "system": _program,
    "getattr": _attribute_of,
    "setattr": _set_attribute,
    "type": _type_of,
    "BytesIO": _buffer,
    "ArgumentParser": _parser,
    "field": _field,
}
