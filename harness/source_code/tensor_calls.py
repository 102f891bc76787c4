"""What functions and methods of torch, numpy and math do to the tags of a value."""

import ast
import re
from typing import TYPE_CHECKING

from harness.source_code.values import Many, Outer, Value, text_of, truth

if TYPE_CHECKING:
    from harness.source_code.calls import Calls

_IDS = re.compile(r"int|long")


def tensor_call(
    calls: "Calls", node: ast.Call, name: str, first: Value | None, arguments: list[Value],
    words: dict[str, Value], made: Value,
) -> Value:  # fmt: skip
    """What torch, numpy and math do, as functions and as methods alike."""
    tags = made.tags
    if name in ("cross_entropy", "nll_loss", "CrossEntropyLoss"):
        calls.event("loss", node, name=text_of(words.get("reduction", Value())), value=made)
        tags = (tags | {"nll"}) - {"asked", "probabilities"}
    elif name == "log_softmax":
        tags = (tags | {"log_probabilities"}) - {"asked"}
    elif name in ("softmax", "Softmax"):
        tags = (tags | {"probabilities"}) - {"asked"}
    elif name in ("exp", "exp_") and tags & {"minus_nll", "target_log_probability"}:
        tags = (tags | {"target_probability"}) - {"nll", "minus_nll", "target_log_probability"}
    elif name in ("exp", "exp_") and "log_probabilities" in tags:
        tags = (tags | {"probabilities"}) - {"log_probabilities"}
    elif name == "neg" and "nll" in tags:
        tags = tags | {"minus_nll"}
    elif name in ("gather", "take_along_dim", "index_select", "take_along_axis", "take"):
        tags = _gathered(calls, node, made)
    elif name in ("log", "log2", "log1p", "log_") and "mixed" in tags:
        calls.event("mixed", node, value=made)
    elif name in ("log", "log2", "log1p", "log_") and "mixed_all" in tags:
        calls.event("mixed", node, name="all", value=made)
    elif name in ("logaddexp", "logsumexp") and tags & {
        "nll",
        "minus_nll",
        "target_log_probability",
    }:
        calls.event("mixed", node, value=made)
    elif name in ("lerp", "lerp_") and "target_probability" in tags:
        tags = tags | {"mixed"}
    elif name in ("grad", "backward"):
        calls.event("backward", node, value=made)
    elif name in ("range", "arange"):
        _starts(calls, node, arguments)
        tags = tags - {"tokens", "val", "train"}
    elif name in ("zeros", "empty", "full", "ones", "new_zeros", "new_empty", "new_full"):
        _windows(calls, node, arguments, words)
    elif name in ("autocast",):
        kind = words.get("dtype") or (arguments[1] if len(arguments) > 1 else None)
        off = words.get("enabled")
        if off is None or truth(off) is not False:
            calls.event("autocast", node, name=kind.name if isinstance(kind, Outer) else "")
    elif name in ("len", "numel", "size") and "val" in tags:
        plain = name != "len" or "tok" in ast.unparse(node.args[0]) if node.args else True
        tags = tags | {"tokens"} if plain else tags
    if _is_true(words.get("requires_grad")) or name == "Parameter":
        tags = tags | {"delta"}
    return Value(tags=tags, settings=made.settings)


def _is_true(value: Value | None) -> bool:
    return value is not None and truth(value) is True


def _gathered(calls: "Calls", node: ast.Call, made: Value) -> frozenset[str]:
    tags = made.tags
    if "log_probabilities" in tags:
        calls.event("loss", node, name="gather", value=made)
        return (tags | {"target_log_probability", "minus_nll"}) - {"log_probabilities"}
    if "probabilities" in tags:
        return (tags | {"target_probability"}) - {"probabilities"}
    return tags


def _starts(calls: "Calls", node: ast.Call, arguments: list[Value]) -> None:
    if len(arguments) > 2 and "tokens" in arguments[1].tags:
        calls.event("starts", node, value=arguments[2])


def _windows(
    calls: "Calls", node: ast.Call, arguments: list[Value], words: dict[str, Value]
) -> None:
    shape = arguments
    if arguments and isinstance(arguments[0], Many):
        shape = arguments[0].items
    kind = words.get("dtype")
    ids = isinstance(kind, Outer) and _IDS.search(kind.name.rpartition(".")[2])
    if len(shape) >= 2 and ids:
        calls.event("windows", node, name="ids", value=shape[1])
