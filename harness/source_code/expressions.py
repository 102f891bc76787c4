"""Expressions of a script, as far as text and settings tell what they are. Nothing is run."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from harness.source_code.operators import MOST_ITEMS, Operators, with_settings
from harness.source_code.values import (
    GAP,
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
    text_of,
)

MOST_NODES = 150_000
A_CALL = 40
"""What following a call costs, in nodes."""
DEEPEST = 220
_SAME = frozenset(["to", "cuda", "cpu", "bfloat16", "float", "half", "eval", "train", "module",
                   "_orig_mod", "requires_grad_", "double", "share_memory", "compile"])  # fmt: skip

# Of what is looked at for each of a hundred thousand expressions, once and for all.
_PLAIN = (str, int, float, bytes)
_KEYS = (str, int, float)
_OBJECTS = (Thing, Kind)


class TooMuchError(ValueError):
    """A script that takes longer to read than is allowed here."""


class Expressions(Operators):
    """Evaluates expressions; what is called is left to :class:`harness.source_code.flow.Flow`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.nodes = 0
        self.depth = 0
        self.read_settings: dict[str, tuple[int, Value]] = {}
        self._by_type: dict[type, Callable[[Any, Scope], Value]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self.call,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._bool,
            ast.Compare: self._compare,
            ast.IfExp: self._choice,
            ast.JoinedStr: self._joined,
            ast.Tuple: self._many,
            ast.List: self._many,
            ast.Set: self._many,
            ast.Dict: self._dict,
            ast.Subscript: self._subscript,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._dict_comprehension,
            ast.Lambda: self._lambda,
            ast.NamedExpr: self._named,
            ast.Await: lambda node, scope: self.value(node.value, scope),
            ast.Starred: lambda node, scope: self.value(node.value, scope),
            ast.Slice: self._slice,
        }

    def value(self, node: ast.expr | None, scope: Scope) -> Value:
        """What an expression is.

        Raises:
            TooMuchError: the script has taken too many steps.
        """
        if node is None:
            return Value()
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise TooMuchError("it takes too long to be read")
        evaluate = self._by_type.get(type(node))
        if evaluate is None:
            return Value()
        self.depth += 1
        try:
            return evaluate(node, scope) if self.depth < DEEPEST else Value()
        finally:
            self.depth -= 1

    def call(self, node: ast.Call, scope: Scope) -> Value:
        """A call; see :class:`harness.source_code.flow.Flow`."""
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Bind a target; see :class:`harness.source_code.flow.Flow`."""
        raise NotImplementedError

    def _constant(self, node: ast.Constant, scope: Scope) -> Value:
        value = node.value
        plain = value is None or isinstance(value, _PLAIN)
        return known(value) if plain else Value()

    def _name(self, node: ast.Name, scope: Scope) -> Value:
        found = scope.find(node.id)
        return Outer(node.id) if found is None else found

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Value:
        return self.attribute(self.value(node.value, scope), node.attr)

    def attribute(self, owner: Value, name: str) -> Value:
        """An attribute of a value."""
        if isinstance(owner, Outer):
            return Outer(f"{owner.name}.{name}", tags=owner.tags, settings=owner.settings)
        if isinstance(owner, _OBJECTS):
            found = owner.find(name)
            if found is not None:
                return found
            if name in _SAME:
                return owner
            return Value(tags=owner.tags - {"model"} | _named_tags(name))
        if isinstance(owner, Table) and name in owner.items:
            return owner.items[name]
        if isinstance(owner, Known) and "path" in owner.tags and isinstance(owner.value, str):
            return self._path_part(owner, name)
        if name in _SAME:
            return owner
        tags = owner.tags | _named_tags(name)
        if name == "shape" and "val" in tags:
            tags |= {"tokens"}
        return Value(tags=tags, settings=owner.settings)

    def _path_part(self, path: Known, name: str) -> Value:
        text = path.value.rstrip("/")
        base = text.rpartition("/")[2]
        stem, dot, suffix = base.rpartition(".")
        parts = {
            "name": base,
            "stem": stem if dot else base,
            "suffix": f".{suffix}" if dot else "",
            "parent": text.rpartition("/")[0] or ".",
        }
        return known(parts[name], path) if name in parts else joined(path)

    def _joined(self, node: ast.JoinedStr, scope: Scope) -> Value:
        pieces: list[str] = []
        seen: list[Value] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.value(part.value, scope)
                seen.append(Value(settings=value.settings))
                pieces.append(GAP if part.format_spec else text_of(value))
            elif isinstance(part, ast.Constant):
                pieces.append(str(part.value))
        return known("".join(pieces), *seen)

    def _many(self, node: ast.Tuple | ast.List | ast.Set, scope: Scope) -> Value:
        items: list[Value] = []
        for part in node.elts[:MOST_ITEMS]:
            value = self.value(part, scope)
            if isinstance(part, ast.Starred):
                items += value.items if isinstance(value, Many) else [value]
            else:
                items.append(value)
        made = joined(*items)
        return Many(items, tags=made.tags, settings=made.settings)

    def _dict(self, node: ast.Dict, scope: Scope) -> Value:
        items: dict[Any, Value] = {}
        for key, part in list(zip(node.keys, node.values, strict=True))[:MOST_ITEMS]:
            value = self.value(part, scope)
            if key is None:
                items.update(value.items if isinstance(value, Table) else {})
                continue
            name = constant(self.value(key, scope))
            if isinstance(name, _KEYS):
                items[name] = value
        made = joined(*items.values())
        return Table(items, tags=made.tags, settings=made.settings)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        box = self.value(node.value, scope)
        place = self.value(node.slice, scope)
        key = constant(place)
        if isinstance(box, Outer) and box.name == "os.environ" and isinstance(key, str):
            return self.setting(key, Value(), node.lineno)
        items = box.items if isinstance(box, Many) and not box.open else []
        if isinstance(key, int) and -len(items) <= key < len(items):
            return items[key]
        if isinstance(box, Table) and isinstance(key, _KEYS) and key in box.items:
            return with_settings(box.items[key], place, box.items[key])
        text = constant(box)
        if isinstance(text, str) and isinstance(key, int) and -len(text) <= key < len(text):
            return known(text[key], box, place)
        made = joined(box, place)
        if "probabilities" in box.tags and "val" in place.tags:
            made.tags |= {"target_probability"}
        if "tokens" in box.tags:
            made.tags = made.tags - {"tokens"}
        return made

    def _slice(self, node: ast.Slice, scope: Scope) -> Value:
        parts = [p for p in (node.lower, node.upper, node.step) if p is not None]
        made = joined(*(self.value(part, scope) for part in parts))
        return Value(settings=made.settings)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope
    ) -> Value:
        inner = self._comprehended(node.generators, scope)
        made = self.value(node.elt, inner)
        return Many([made], True, tags=made.tags, settings=made.settings)

    def _dict_comprehension(self, node: ast.DictComp, scope: Scope) -> Value:
        inner = self._comprehended(node.generators, scope)
        made = joined(self.value(node.key, inner), self.value(node.value, inner))
        return Table(tags=made.tags, settings=made.settings)

    def _comprehended(self, generators: list[ast.comprehension], scope: Scope) -> Scope:
        inner = Scope({}, scope, scope.module, scope.file)
        for generator in generators:
            source = self.value(generator.iter, inner)
            self.assign(generator.target, element(source), inner)
            for test in generator.ifs:
                self.value(test, inner)
        return inner

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Value:
        return Function(node, scope)

    def _named(self, node: ast.NamedExpr, scope: Scope) -> Value:
        value = self.value(node.value, scope)
        self.assign(node.target, value, scope)
        return value

    def setting(self, name: str, default: Value, line: int) -> Value:
        """What ``os.environ.get(name, default)`` gives in the run that is read."""
        of = frozenset({name})
        self.read_settings.setdefault(name, (line, default))
        given = self.environment.get(name)
        if given is not None:
            return Known(given, tags=default.tags, settings=of | default.settings)
        if isinstance(default, Known):
            return Known(default.value, tags=default.tags, settings=of | default.settings)
        return Value(tags=default.tags, settings=of | default.settings)


def element(source: Value) -> Value:
    """What a loop over a value binds: something made of it, never one certain item."""
    if isinstance(source, Many) and source.items:
        first = source.items[0]
        if isinstance(first, Many) and all(isinstance(one, Many) for one in source.items):
            tags = joined(*source.items)
            return Many([joined(one) for one in first.items], tags=tags.tags)
        if len(source.items) == 1 and isinstance(first, Thing | Function):
            return first
    made = joined(source)
    made.tags = made.tags - {"tokens"}
    return made


def _named_tags(name: str) -> frozenset[str]:
    """Tags that a name gives, for objects of which nothing else is known."""
    return frozenset({"val"}) if name.startswith("val_") and "token" in name else frozenset()
