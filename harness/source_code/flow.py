"""A script read along its main line: its statements in order, its own functions followed.

Conditions are decided where settings decide them; where not, both branches are read. A loop is
read once. Nothing of the script is run: values are those of
:mod:`harness.source_code.values`, and what happens is a list of events.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from harness.source_code.calls import Calls
from harness.source_code.events import Guard, Loop
from harness.source_code.expressions import element
from harness.source_code.shapes import Shapes
from harness.source_code.values import (
    Function,
    Kind,
    Known,
    Many,
    Outer,
    Scope,
    Table,
    Thing,
    Value,
    constant,
    joined,
    known,
    same_setting,
    truth,
)

Ends = Literal["return", "break", "continue"] | None
UNROLLED = 6
_SEVERAL = (ast.Tuple, ast.List)
_OBJECTS = (Thing, Kind)


class Flow(Calls):
    """Reads a script; ``events`` has what it does."""

    def __init__(
        self,
        environment: Mapping[str, str],
        given: Mapping[str, str],
        shapes: Shapes | None = None,
    ) -> None:
        super().__init__(environment, shapes or Shapes())
        self.given = given
        self.told: dict[str, str] = {}
        """Variables whose values a log gives, under the name of what is made of each alone."""
        self.imports: list[tuple[str, int, str, bool]] = []
        self._trying = 0
        self._do: dict[type, Callable[[Any, Scope], Ends]] = {
            ast.Expr: self._expression,
            ast.Assign: self._assignment,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.If: self._if,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.While: self._while,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Try: self._try,
            ast.Return: self._return,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Raise: self._raise,
            ast.Break: lambda node, scope: "break",
            ast.Continue: lambda node, scope: "continue",
            ast.Delete: self._delete,
            ast.Match: self._match,
        }

    def run_module(self, tree: ast.Module, *, file: str, name: str = "__main__") -> Scope:
        """Read a file from its first statement to its last."""
        self.shapes.add(tree)
        scope = Scope({"__name__": known(name), "__file__": known(file)}, file=file)
        scope.module = scope
        self.files[file] = scope
        with self.frame("", None, scope, 0, {}):
            self.block(tree.body, scope)
        return scope

    def block(self, statements: Sequence[ast.stmt], scope: Scope) -> Ends:
        """Read statements; how they end, where that is certain."""
        for node in statements:
            do = self._do.get(type(node))
            if do is not None:
                self.line = node.lineno
                ends = do(node, scope)
                if ends is not None:
                    return ends
        return None

    def run_body(self, function: Function, scope: Scope) -> None:
        """Read the body of a function."""
        if isinstance(function.node, ast.Lambda):
            self.returned(self.value(function.node.body, scope))
            return
        names = frozenset(
            name
            for node in function.node.body
            if isinstance(node, ast.Global | ast.Nonlocal)
            for name in node.names
        )
        scope.shared = names
        self.block(function.node.body, scope)

    def _expression(self, node: ast.Expr, scope: Scope) -> Ends:
        self.value(node.value, scope)
        return None

    def _assignment(self, node: ast.Assign, scope: Scope) -> Ends:
        value = self.value(node.value, scope)
        for target in node.targets:
            self.assign(target, value, scope)
        return None

    def _annotated(self, node: ast.AnnAssign, scope: Scope) -> Ends:
        if node.value is not None:
            self.assign(node.target, self.value(node.value, scope), scope)
        return None

    def _augmented(self, node: ast.AugAssign, scope: Scope) -> Ends:
        before, by = self._target_value(node.target, scope), self.value(node.value, scope)
        self.assign(node.target, self.operated(node, node.op, before, by), scope)
        return None

    def _as_told(self, value: Value, text: str) -> Value:
        """A setting with the value that a log gives; whose variable it is, where that is plain."""
        new = as_given(value, text)
        [name] = value.settings if len(value.settings) == 1 else [""]
        if name and isinstance(value, Known) and isinstance(new, Known) and new is not value:
            raw = self.environment.get(name, constant(self.read_settings[name][1]))
            if same_setting(str(raw), value.value):
                number = new.value
                self.told[name] = str(int(number)) if isinstance(number, bool) else str(number)
        return new

    def _target_value(self, target: ast.expr, scope: Scope) -> Value:
        return self.value(target, scope)

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a name, an attribute, an item, or several of them."""
        if isinstance(target, ast.Name):
            given = self.given.get(target.id) if scope.given else None
            scope.bind(target.id, value if given is None else self._as_told(value, given))
        elif isinstance(target, _SEVERAL):
            items = value.items if isinstance(value, Many) and not value.open else []
            plain = len(items) == len(target.elts)
            for place, part in enumerate(target.elts):
                inner = part.value if isinstance(part, ast.Starred) else part
                self.assign(inner, items[place] if plain else joined(value), scope)
        elif isinstance(target, ast.Attribute):
            owner = self.value(target.value, scope)
            if isinstance(owner, _OBJECTS):
                owner.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            owner = self.value(target.value, scope)
            key = self.value(target.slice, scope)
            if isinstance(owner, Outer) and owner.name == "os.environ":
                if isinstance(key, Known) and isinstance(key.value, str):
                    self.environment[key.value] = str(getattr(value, "value", ""))
            elif isinstance(owner, Table) and isinstance(key, Known) and len(owner.items) < 2000:
                name = constant(key)
                owner.items.update({name: value} if isinstance(name, str | int | float) else {})
            owner.tags = owner.tags | value.tags

    @contextmanager
    def under(self, node: ast.expr, test: Value, *, holds: bool, sure: bool) -> Iterator[None]:
        """Read what stands under a condition."""
        line = node.lineno
        self.guards.append(Guard(node, test.settings, holds, sure, line))
        try:
            yield
        finally:
            self.guards.pop()

    def _if(self, node: ast.If, scope: Scope) -> Ends:
        test = self.value(node.test, scope)
        holds = truth(test)
        if holds is not None:
            taken, other = (node.body, node.orelse) if holds else (node.orelse, node.body)
            if other and test.settings:
                self.event("skip", node, settings=test.settings, of=other)
            with self.under(node.test, test, holds=holds, sure=True):
                return self.block(taken, scope)
        before = dict(scope.names)
        ends = []
        for branch, way in ((node.body, True), (node.orelse, False)):
            with self.under(node.test, test, holds=way, sure=False):
                ends.append(self.block(branch, scope))
        for name, value in scope.names.items():
            old = before.get(name)
            if old is None or old is value or not isinstance(value, Known):
                continue
            if not isinstance(old, Known) or old.value != value.value:
                scope.names[name] = joined(old, value)
        return "return" if node.orelse and ends == ["return", "return"] else None

    def _match(self, node: ast.Match, scope: Scope) -> Ends:
        subject = self.value(node.subject, scope)
        for case in node.cases:
            with self.under(node.subject, subject, holds=True, sure=False):
                self.block(case.body, scope)
        return None

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> Ends:
        source = self.value(node.iter, scope)
        if isinstance(source, Many) and not source.open and 0 < len(source.items) <= UNROLLED:
            plain = all(isinstance(one, Known | Function | Many) for one in source.items)
            if plain and not isinstance(node.iter, ast.ListComp):
                with self._loop(node, source, scope, forget=len(source.items) > 1):
                    for item in source.items:
                        self.assign(node.target, item, scope)
                        if self.block(node.body, scope) in ("return", "break"):
                            break
                return self._after(node, scope)
        if isinstance(source, Many) and not source.open and not source.items:
            return self._after(node, scope)
        with self._loop(node, source, scope):
            self.assign(node.target, element(source), scope)
            self.block(node.body, scope)
        return self._after(node, scope)

    def _after(self, node: ast.For | ast.AsyncFor | ast.While, scope: Scope) -> Ends:
        return self.block(node.orelse, scope) if node.orelse else None

    def _while(self, node: ast.While, scope: Scope) -> Ends:
        for name in self.shapes.assigned(node):
            self._forget(name, scope)
        test = self.value(node.test, scope)
        if truth(test) is False:
            if test.settings:
                self.event("skip", node, settings=test.settings, of=node.body)
            return self._after(node, scope)
        with self._loop(node, test, scope):
            ends = self.block(node.body, scope)
        return "return" if ends == "return" else self._after(node, scope)

    @contextmanager
    def _loop(
        self,
        node: ast.For | ast.AsyncFor | ast.While,
        bound: Value,
        scope: Scope,
        *,
        forget: bool = True,
    ) -> Iterator[None]:
        if forget:
            for name in self.shapes.assigned(node):
                self._forget(name, scope)
        self.loops.append(Loop(node, self.frames[-1], bound))
        try:
            yield
        finally:
            self.loops.pop()

    def _forget(self, name: str, scope: Scope) -> None:
        """A name that a loop binds has no certain value in it."""
        value = scope.names.get(name)
        if isinstance(value, Known):
            scope.names[name] = Value(tags=value.tags, settings=value.settings)
        elif isinstance(value, Many):
            value.open = True

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> Ends:
        for item in node.items:
            value = self.value(item.context_expr, scope)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, scope)
        return self.block(node.body, scope)

    def _try(self, node: ast.Try, scope: Scope) -> Ends:
        self._trying += bool(node.handlers)
        ends = self.block(node.body, scope)
        self._trying -= bool(node.handlers)
        for handler in node.handlers:
            if handler.name:
                scope.names.setdefault(handler.name, Value())
        if ends is None and node.orelse:
            ends = self.block(node.orelse, scope)
        return self.block(node.finalbody, scope) or ends

    def _return(self, node: ast.Return, scope: Scope) -> Ends:
        self.returned(self.value(node.value, scope) if node.value else known(None))
        return "return"

    def _raise(self, node: ast.Raise, scope: Scope) -> Ends:
        text = ast.unparse(node.exc)[:300] if node.exc is not None else ""
        if all(guard.sure for guard in self.guards):
            self.event("raise", node, name=text)
        return None  # where a condition was misread, what follows is still worth reading

    def _delete(self, node: ast.Delete, scope: Scope) -> Ends:
        return None

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Ends:
        scope.bind(node.name, Function(node, scope))
        return None

    def _class(self, node: ast.ClassDef, scope: Scope) -> Ends:
        bases = [self.value(base, scope) for base in node.bases]
        inner = Scope({}, scope, scope.module, scope.file, given=True)
        self.block(node.body, inner)
        scope.bind(node.name, Kind(node, scope, inner.names, bases))
        return None

    def _import(self, node: ast.Import, scope: Scope) -> Ends:
        for alias in node.names:
            self.imports.append((alias.name, node.lineno, scope.file, bool(self._trying)))
            own = self.own_file(alias.name)
            name = alias.asname or alias.name.partition(".")[0]
            scope.bind(name, own or Outer(alias.name if alias.asname else name))
        return None

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> Ends:
        module = node.module or ""
        self.imports.append((module, node.lineno, scope.file, bool(self._trying)))
        own = self.own_file(module)
        for alias in node.names:
            if alias.name == "*" and own is not None:
                scope.names.update(own.items)
                continue
            found = own.items.get(alias.name) if own is not None else None
            value = found or Outer(f"{module}.{alias.name}" if module else alias.name)
            scope.bind(alias.asname or alias.name, value)
        return None

    def own_file(self, module: str) -> Table | None:
        """The names of another file of the folder, read when it is first imported."""
        if module in self.modules:
            return self.modules[module]
        tree = self.sources(module) if module else None
        if tree is None:
            return None
        table = Table()
        self.modules[module] = table
        file = module.replace(".", "/") + ".py"
        table.items = dict(self.run_module(tree, file=file, name=module).names)
        return table


def as_given(value: Value, text: str) -> Value:
    """A setting with the value that a log gives for it, where that is of the same kind."""
    old = value.value if isinstance(value, Known) else None
    new: bool | int | float | str
    try:
        if isinstance(old, bool):
            new = {"True": True, "False": False, "1": True, "0": False}[text]
        elif isinstance(old, int):
            new = int(text.replace("_", "").replace(",", ""))
        elif isinstance(old, float):
            new = float(text)
        elif isinstance(old, str) and "/" not in text and "/" not in old:
            new = text.strip("'\"")
        else:
            return value
    except (ValueError, KeyError):
        return value
    return Known(new, tags=value.tags, settings=value.settings)
