"""The windows of an evaluation: how long, how far apart, and which of their targets count."""

import ast
from dataclasses import dataclass
from typing import Literal

from harness.source_code.roles import Scoring, local, most_frequent, named_in

SHORTEST = 8
_CONTEXTS = ("seq_len", "eval_seq_len", "sl", "seqlen", "ctx_len", "context_len", "context", "T",
             "window", "window_size", "block_size", "max_seq_len", "ctx")  # fmt: skip
_STRIDES = ("stride", "eval_stride", "step", "S")
_CHUNKS = ("ttt_chunk", "chunk_size", "chunk_tokens", "ttt_chunk_tokens", "ttt_chunk_size", "chunk",
           "cs", "chunk_len", "seg_len")  # fmt: skip


@dataclass(frozen=True)
class FoundWindows:
    """Windows in tokens; what could not be told is None."""

    context: int | None
    stride: int | None
    first: Literal["all", "tail"]
    tail: Literal["scored", "dropped", "repeated", "cut"]


def windows_of(scoring: Scoring) -> FoundWindows:
    """The windows of an evaluation, by the shapes that it makes of validation tokens."""
    context = _context(scoring)
    starts = [event for event in scoring.events if event.doing == "starts"]
    stride = most_frequent(scoring, "starts") or local(scoring, *_STRIDES)
    if context is not None and (stride is None or stride >= context):
        return FoundWindows(context, context, "all", "dropped")
    node = scoring.frame.node
    first: Literal["all", "tail"] = "all" if node is None or _first_differs(node) else "tail"
    short = [event.node for event in starts if _stops_short(event.node)]
    if short or not starts:
        cut = any(_stops_before_the_end(each, node) for each in short)
        return FoundWindows(context, stride, first, "cut" if cut else "dropped")
    repeated = node is not None and _clamps(node)
    return FoundWindows(context, stride, first, "repeated" if repeated else "scored")


def chunk_of(scoring: Scoring) -> int | None:
    """The chunk in tokens after which an evaluation learns, by its name there or below it."""
    found = local(scoring, *_CHUNKS)
    learns = next((event for event in scoring.events if event.doing == "backward"), None)
    for frame in reversed(learns.frames if learns is not None else ()):
        if found is not None or frame is scoring.frame:
            break
        found = named_in(frame.scope, *_CHUNKS)
    return found


def _context(scoring: Scoring) -> int | None:
    ids = most_frequent(scoring, "windows", label="ids")
    if ids is not None and ids >= SHORTEST:
        return ids
    named = local(scoring, *_CONTEXTS)
    if named is not None and named >= SHORTEST:
        return named
    rows = most_frequent(scoring, "windows", label="rows")
    return rows if rows is not None and rows >= SHORTEST else None


def _first_differs(node: ast.AST) -> bool:
    """Whether the first window is told from the others: one of them counts from 0 on.

    By a comparison of its start with 0, or a choice between 0 and a difference of lengths.
    """
    for inner in ast.walk(node):
        ways = _two_ways(inner)
        if ways is not None and (_from_zero(*ways) or _from_zero(*reversed(ways))):
            return True
        if isinstance(inner, ast.IfExp | ast.If) and isinstance(inner.test, ast.Compare):
            compared = [inner.test.left, *inner.test.comparators]
            zero = any(isinstance(part, ast.Constant) and part.value == 0 for part in compared)
            if zero and any(isinstance(op, ast.Eq | ast.Gt | ast.NotEq) for op in inner.test.ops):
                names = {part.id for part in compared if isinstance(part, ast.Name)}
                if isinstance(inner, ast.IfExp) and names and not names & {"rank", "world_size"}:
                    return True
    return False


def _two_ways(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """What a name is bound to, one way or the other, by a comparison."""
    if not isinstance(node, ast.IfExp | ast.If) or not isinstance(node.test, ast.Compare):
        return None
    if isinstance(node, ast.IfExp):
        return node.body, node.orelse
    one, other = _bound_alone(node.body), _bound_alone(node.orelse)
    same = one is not None and other is not None and one[0] == other[0]
    return (one[1], other[1]) if one and other and same else None


def _from_zero(one: ast.expr, other: ast.expr) -> bool:
    """Whether one way is 0, and the other a difference of lengths."""
    zero = isinstance(one, ast.Constant) and one.value == 0 and not isinstance(one.value, bool)
    return zero and any(
        isinstance(part, ast.BinOp)
        and isinstance(part.op, ast.Sub)
        and not isinstance(part.left, ast.Constant)
        for part in ast.walk(other)
    )


def _bound_alone(body: list[ast.stmt]) -> tuple[str, ast.expr] | None:
    """The name that a branch binds, where it does nothing else, and to what."""
    node = body[0] if len(body) == 1 else None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return (target.id, node.value) if isinstance(target, ast.Name) else None
    return None


def _stops_short(node: ast.AST | None) -> bool:
    """Whether starts end a window before the end of the tokens."""
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return False
    stop = node.args[1]
    inner = stop.args[-1] if isinstance(stop, ast.Call) and stop.args else stop
    while isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add):
        inner = inner.left
    return (
        isinstance(inner, ast.BinOp)
        and isinstance(inner.op, ast.Sub)
        and not (isinstance(inner.right, ast.Constant))
    )


def _stops_before_the_end(starts: ast.AST | None, function: ast.AST | None) -> bool:
    """Whether the last start is before that of the window which ends with the last target.

    ``range(0, targets - length, stride)`` leaves that one out, ``targets - length + 1`` does not,
    and neither does ``tokens - length``, for there is one token more.
    """
    stop = starts.args[1] if isinstance(starts, ast.Call) and len(starts.args) > 1 else None
    if not isinstance(stop, ast.BinOp) or not isinstance(stop.op, ast.Sub):
        return False
    if not isinstance(stop.left, ast.Name):
        return _one_less(stop.left)
    bound = [
        node.value
        for node in (ast.walk(function) if function is not None else ())
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id == stop.left.id
    ]
    return bool(bound) and all(map(_one_less, bound))


def _one_less(node: ast.expr) -> bool:
    """Whether an expression is something less 1."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub):
        return False
    return isinstance(node.right, ast.Constant) and node.right.value == 1


def _clamps(node: ast.AST) -> bool:
    """Whether a short window scores its last targets: those of the window before it, again."""
    return any(
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Name)
        and inner.func.id == "max"
        and any(isinstance(part, ast.Constant) and part.value == 0 for part in inner.args)
        and any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Sub) for part in inner.args)
        for inner in ast.walk(node)
    )
