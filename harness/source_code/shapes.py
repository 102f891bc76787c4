"""Which functions of a script are worth following, by the names in them."""

import ast
from collections.abc import Iterable

FOLLOWED_LINES = 8
"""A function this short is always followed: settings are read by such."""
_WORTH = frozenset(
    [
        "open", "write_bytes", "read_bytes", "save", "savez", "load", "dump", "backward", "grad",
        "cross_entropy", "nll_loss", "log_softmax", "softmax", "decompress", "environ", "getenv",
        "load_state_dict", "fromfile", "memmap", "glob", "exp", "logaddexp", "Popen", "system",
        "check_output", "add_argument", "parse_args", "autocast", "from_numpy", "numel",
        "subprocess", "add_at", "requires_grad_",
    ]
)  # fmt: skip
_LOOP = "for"
_LEAVES = frozenset({ast.Constant, ast.Load, ast.Store, ast.Del})
Defined = ast.FunctionDef | ast.AsyncFunctionDef
_NESTS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def _is_log_of_two(node: ast.AST) -> bool:
    """Whether nats are turned to bits here."""
    arguments = node.args if isinstance(node, ast.Call) else []
    first = arguments[0] if len(arguments) == 1 else None
    if not isinstance(first, ast.Constant) or first.value != 2 or not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", "")) == "log"


class Shapes:
    """The functions of one or more files: names in them, and which of them are worth it."""

    def __init__(self) -> None:
        self._names: dict[ast.AST, set[str]] = {}
        self._by_name: dict[str, list[ast.AST]] = {}
        self._worth: set[ast.AST] | None = None
        self._assigned: dict[ast.AST, frozenset[str]] = {}
        self._returns: dict[ast.AST, bool] = {}
        self._trees: set[ast.Module] = set()
        self.identifiers: set[str] = set()

    def add(self, tree: ast.Module) -> None:
        """Take in all functions of a file."""
        if tree in self._trees:
            return
        self._trees.add(tree)
        self._worth = None
        waiting: list[tuple[ast.AST, set[str]]] = [(tree, self.identifiers)]
        within: list[tuple[set[str], set[str]]] = []
        while waiting:
            node, inside = waiting.pop()
            kind = type(node)
            if kind is ast.Name:
                inside.add(node.id)  # type: ignore[attr-defined]
                continue
            if kind is ast.Attribute:
                inside.add(node.attr)  # type: ignore[attr-defined]
            elif kind is ast.FunctionDef or kind is ast.ClassDef or kind is ast.AsyncFunctionDef:
                name: str = node.name  # type: ignore[attr-defined]
                self._by_name.setdefault(name, []).append(node)
                own = self._names[node] = {name}
                within.append((own, inside))
                inside = own
            elif kind is ast.Call and _is_log_of_two(node):
                inside.add("log2")
            elif kind is ast.For or kind is ast.While or kind is ast.AsyncFor:
                inside.add(_LOOP)
            for field in node._fields:
                child = getattr(node, field)
                if isinstance(child, list):
                    waiting += [(one, inside) for one in child if isinstance(one, ast.AST)]
                elif isinstance(child, ast.AST) and type(child) not in _LEAVES:
                    waiting.append((child, inside))
        for own, around in reversed(within):
            around.update(own if _LOOP in around else own - {_LOOP})  # a loop is the innermost's

    def names(self, node: ast.AST) -> Iterable[str]:
        """The names in a function or class, its own included."""
        return self._names.get(node, ())

    def has_loop(self, node: ast.AST) -> bool:
        """Whether a function has a loop of its own."""
        return _LOOP in self._names.get(node, ())

    def returns(self, node: ast.AST) -> bool:
        """Whether a function gives something back; one inside of it does not count."""
        if node not in self._returns:
            waiting: list[ast.AST] = list(getattr(node, "body", []))
            found = False
            while waiting and not found:
                one = waiting.pop()
                found = isinstance(one, ast.Return) and one.value is not None
                if not isinstance(one, Defined | ast.ClassDef | ast.Lambda | ast.expr):
                    waiting += ast.iter_child_nodes(one)
            self._returns[node] = found
        return self._returns[node]

    def worth(self, node: ast.AST) -> bool:
        """Whether a function, or one that it calls, does what a reading wants to know."""
        if self._worth is None:
            self._worth = self._all_worth()
        return node in self._worth or (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno <= FOLLOWED_LINES
        )

    def _all_worth(self) -> set[ast.AST]:
        worth = {node for node, names in self._names.items() if names & _WORTH}
        callers: dict[str, list[ast.AST]] = {}
        for node, names in self._names.items():
            for name in names & self._by_name.keys():
                callers.setdefault(name, []).append(node)
        waiting = list(worth)
        while waiting:
            node = waiting.pop()
            name = node.name if isinstance(node, Defined | ast.ClassDef) else ""
            for caller in callers.get(name, ()):
                if caller not in worth:
                    worth.add(caller)
                    waiting.append(caller)
        return worth

    def assigned(self, loop: ast.For | ast.AsyncFor | ast.While) -> frozenset[str]:
        """The names that a loop binds."""
        if loop not in self._assigned:
            found: set[str] = set()
            waiting: list[ast.AST] = [*loop.body, *loop.orelse]
            while waiting:
                node = waiting.pop()
                kind = type(node)
                if kind is ast.Name:
                    if type(node.ctx) is ast.Store:  # type: ignore[attr-defined]
                        found.add(node.id)  # type: ignore[attr-defined]
                    continue
                if isinstance(node, _NESTS):
                    continue
                if isinstance(node, _LOOPS):
                    found |= self.assigned(node)
                    if isinstance(node, ast.While):
                        waiting.append(node.test)
                    else:
                        waiting += [node.target, node.iter]
                    continue
                for field in node._fields:
                    child = getattr(node, field)
                    if isinstance(child, list):
                        waiting += [one for one in child if isinstance(one, ast.AST)]
                    elif isinstance(child, ast.AST) and type(child) not in _LEAVES:
                        waiting.append(child)
            self._assigned[loop] = frozenset(found)
        return self._assigned[loop]
