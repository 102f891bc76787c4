"""How the logits of a script's model come: by a method, by what enters its loss, or as they are."""

import ast
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.source_code.roles import Scoring
from harness.source_code.shapes import Shapes
from harness.source_code.values import Function, Kind, Thing, Value

_TARGETS = re.compile(r"target|label|^y$|^tgt|^yb$|next_ids|^ys$", re.IGNORECASE)
_HIDDEN = re.compile(r"hidden|^h$|^feat|embed|logit|^states?$", re.IGNORECASE)
_EXACT = frozenset({"float", "float32", "double", "float64"})
_TEMPERATURE = re.compile(r"temp|(?:^|\.)t(?:au)?$", re.IGNORECASE)
_LOSSES = frozenset({"cross_entropy", "nll_loss", "log_softmax", "CrossEntropyLoss", "logsumexp"})
_CAPS = frozenset({"tanh", "softcap", "logit_softcap", "_softcap", "soft_cap"})


@dataclass(frozen=True)
class Way:
    """How a model gives logits; ``line`` is where it says so."""

    how: Literal["method", "loss", "forward"]
    method: str
    line: int
    result: int | None = None
    raw: bool = False


def way_to_logits(kind: Kind, shapes: Shapes, *, asked: frozenset[str]) -> Way | str:
    """How a model of this class is asked; a sentence where no way was found.

    Args:
        kind: the class of the model.
        shapes: the names in the script's functions.
        asked: the methods that the evaluation calls.
    """
    methods = _methods(kind)
    forward = methods.get("forward")
    chosen = [name for name in methods if _gives_logits(name, methods[name], forward)]
    chosen.sort(key=lambda name: (name != "forward_logits", name not in asked, len(name)))
    if chosen:
        name = chosen[0]
        node = methods[name]
        caps = _all_names(name, methods, shapes) & _CAPS
        raw = (
            not caps
            and forward is not None
            and bool(_all_names("forward", methods, shapes) & _CAPS)
        )
        return Way("method", name, node.lineno, _result(node), raw)
    if forward is None:
        return f"class {kind.name} has no forward"
    required, optional = _parameters(forward)
    names = _all_names("forward", methods, shapes)
    if len(required) == 2 and (_TARGETS.search(required[1]) or names & _LOSSES):
        if names & _LOSSES or any("cross_entropy" in name for name in names):
            return Way("loss", "", forward.lineno)
        return f"forward of {kind.name} gives a loss, but no cross-entropy that could be tapped"
    if len(required) == 1:
        targets = [name for name in optional if _TARGETS.search(name)]
        result = _result(forward) if targets else None
        return Way("forward", "", forward.lineno, result)
    return f"forward of {kind.name} wants {', '.join(required) or 'no tokens'}"


class Divisor(NamedTuple):
    """What logits are divided by: its name, the line, what it is, and whether they are raw then.

    The name is a parameter's, or one with attributes behind it: what the call of the evaluation
    tells, be it only known while the script runs. ``raw``: they are not made float32 before.
    """

    name: str
    line: int
    value: Value
    raw: bool


def divisor_of(scoring: Scoring) -> Divisor | None:
    """What an evaluation divides its logits by, if it does."""
    node, arguments = scoring.frame.node, scoring.frame.arguments
    for inner in ast.walk(node) if node is not None else ():
        if not isinstance(inner, ast.BinOp) or not isinstance(inner.op, ast.Div):
            continue
        by: ast.expr = inner.right
        names = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(inner.left)}
        path: list[str] = []
        while isinstance(by, ast.Attribute):
            path.insert(0, by.attr)
            by = by.value
        if not isinstance(by, ast.Name) or by.id not in arguments:
            continue
        name = ".".join([by.id, *path])
        if not _TEMPERATURE.search(name) or not any("logit" in each.lower() for each in names):
            continue
        value: Value | None = arguments[by.id]
        for part in path:
            value = value.find(part) if isinstance(value, Thing | Kind) else None
        return Divisor(name, inner.lineno, value or Value(), not names & _EXACT)
    return None


def _methods(kind: Kind) -> dict[str, ast.FunctionDef]:
    found: dict[str, ast.FunctionDef] = {}
    for base in reversed(kind.bases):
        if isinstance(base, Kind):
            found.update(_methods(base))
    for name, value in kind.attributes.items():
        if isinstance(value, Function) and isinstance(value.node, ast.FunctionDef):
            found[name] = value.node
    return found


def _parameters(node: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """The names of the parameters after ``self``: those that must be given, and the others."""
    spec = node.args
    names = [one.arg for one in [*spec.posonlyargs, *spec.args]]
    first_default = len(names) - len(spec.defaults)
    required = names[1:first_default] if first_default > 1 else []
    needed = [
        one.arg
        for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
        if not default
    ]
    return required + needed, names[max(first_default, 1) :]


def _gives_logits(name: str, node: ast.FunctionDef, forward: ast.FunctionDef | None) -> bool:
    """Whether a method turns tokens to logits, and not hidden states."""
    if "logit" not in name.lower() or "loss" in name.lower():
        return False
    required, _ = _parameters(node)
    if len(required) != 1 or _HIDDEN.search(required[0]) or _TARGETS.search(required[0]):
        return False
    if forward is None:
        return True
    tokens = [one.arg for one in forward.args.args[1:2]]
    for inner in ast.walk(forward):
        called = inner.func if isinstance(inner, ast.Call) and inner.args else None
        if isinstance(called, ast.Attribute) and called.attr == name:
            first = inner.args[0] if isinstance(inner, ast.Call) else None
            return isinstance(first, ast.Name) and [first.id] == tokens
    return True


def _all_names(name: str, methods: dict[str, ast.FunctionDef], shapes: Shapes) -> frozenset[str]:
    """The names in a method and in those of the same class that it mentions."""
    seen: set[str] = set()
    waiting, names = [name], set[str]()
    while waiting:
        one = waiting.pop()
        if one in seen or one not in methods:
            continue
        seen.add(one)
        inside = set(shapes.names(methods[one]))
        names |= inside
        waiting += [other for other in inside if other in methods and other != "forward"]
    return frozenset(names)


def _result(node: ast.FunctionDef) -> int | None:
    """Which of several results has the logits."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Tuple):
            for place, part in enumerate(inner.value.elts[:10]):
                if "logit" in ast.unparse(part)[:200]:
                    return place
            return 0
    return None
