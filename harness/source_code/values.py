"""What an expression of a script may be, as far as its text and its settings tell."""

import ast
from dataclasses import dataclass, field
from typing import Any

NOTHING: frozenset[str] = frozenset()
GAP = "\0"
"""Stands in a known text for a part that is not known."""
LONGEST_TEXT = 4096
_NO_TEXT = (bytes, range)


@dataclass(eq=False, slots=True, kw_only=True)
class Value:
    """Something that is not known; the base of what is.

    ``tags`` say what it was made of: ``val`` and ``train`` tokens, ``model``, ``nll``, and so on.
    ``settings`` are the variables of the environment that decide it.
    """

    tags: frozenset[str] = NOTHING
    settings: frozenset[str] = NOTHING


@dataclass(eq=False, slots=True)
class Known(Value):
    """A constant: number, text, bytes, None or a range; a text may have gaps."""

    value: Any

    @property
    def whole(self) -> bool:
        """Whether all of it is known."""
        return not (isinstance(self.value, str) and GAP in self.value)


@dataclass(eq=False, slots=True)
class Many(Value):
    """A list, tuple or set; ``open`` when more may have been added."""

    items: list[Value]
    open: bool = False


@dataclass(eq=False, slots=True)
class Table(Value):
    """A dictionary with the items that are known."""

    items: dict[Any, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Outer(Value):
    """Something of another package, or a builtin, by its dotted name."""

    name: str


@dataclass(eq=False, slots=True)
class Scope:
    """The names of one run of a function, or of a module."""

    names: dict[str, Value]
    outer: "Scope | None" = None
    module: "Scope | None" = None
    file: str = ""
    given: bool = False
    """Whether settings of a log stand for what is bound here: the body of a class."""
    shared: frozenset[str] = NOTHING
    """Names declared global or nonlocal."""

    def find(self, name: str) -> Value | None:
        """What a name is bound to, looked for outwards."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def bind(self, name: str, value: Value) -> None:
        """Bind a name here, or where it was declared to belong."""
        scope: Scope = self
        if name in self.shared:
            outer = self.outer
            while outer is not None and name not in outer.names:
                outer = outer.outer
            scope = outer or self.module or self
        scope.names[name] = value


Body = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class Function(Value):
    """A function of the script, with the names around it; ``owner`` when it is a bound method."""

    node: Body
    scope: Scope
    owner: "Thing | None" = None

    @property
    def name(self) -> str:
        """Its name; empty for a lambda."""
        return "" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(eq=False, slots=True)
class Kind(Value):
    """A class of the script."""

    node: ast.ClassDef
    scope: Scope
    attributes: dict[str, Value]
    bases: list[Value]

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    def find(self, name: str) -> Value | None:
        """An attribute, here or in a base."""
        if name in self.attributes:
            return self.attributes[name]
        return next((v for b in self.bases if isinstance(b, Kind) and (v := b.find(name))), None)

    @property
    def is_module(self) -> bool:
        """Whether it is a torch module."""
        return any(
            base.is_module
            if isinstance(base, Kind)
            else isinstance(base, Outer)
            and (base.name.endswith("nn.Module") or base.name.startswith("torch.nn."))
            for base in self.bases
        )


@dataclass(eq=False, slots=True)
class Thing(Value):
    """An object of a class of the script, with the attributes that were set."""

    kind: Kind
    attributes: dict[str, Value] = field(default_factory=dict)

    def find(self, name: str) -> Value | None:
        """An attribute; a function of its class comes bound."""
        if name in self.attributes:
            return self.attributes[name]
        found = self.kind.find(name)
        if isinstance(found, Function) and found.owner is None:
            return Function(found.node, found.scope, self, tags=found.tags)
        return found


def joined(*values: Value) -> Value:
    """Something unknown that was made of these."""
    tags, settings = NOTHING, NOTHING
    for value in values:
        if value.tags:
            tags = tags | value.tags
        if value.settings:
            settings = settings | value.settings
    return Value(tags=tags, settings=settings)


def known(value: Any, *sources: Value) -> Known:
    """A constant that was made of these."""
    of = joined(*sources)
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        value = value[:LONGEST_TEXT] + GAP
    return Known(value, tags=of.tags, settings=of.settings)


def constant(value: Value) -> Any:
    """The constant that a value is, or None."""
    return value.value if isinstance(value, Known) and value.whole else None


def truth(value: Value) -> bool | None:
    """Whether a condition holds, or None when it is not known."""
    if isinstance(value, Known):
        return bool(value.value) if value.whole or value.value.strip(GAP) else None
    if isinstance(value, Many):
        return True if value.items else (None if value.open else False)
    if isinstance(value, Table):
        return True if value.items else None
    if isinstance(value, Function | Kind | Thing):
        return True
    return None


def same_setting(text: str, value: object) -> bool:
    """Whether a variable's text is the value that a script makes of it: ``1`` and True are."""
    plain = str(int(value)) if isinstance(value, bool) else str(value)
    if text == plain:
        return True
    try:
        return float(text) == float(plain)
    except ValueError:
        return False


def text_of(value: Value) -> str:
    """How a value looks in a text that is put together; what is not known leaves a gap."""
    if "SEED" in value.settings and not isinstance(constant(value), str):
        return "{seed}"
    if isinstance(value, Known) and not isinstance(value.value, _NO_TEXT):
        return str(value.value)[:LONGEST_TEXT]
    return GAP
