"""Calls in a script: functions of its own are followed, those of torch known by what they do."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.source_code import folding, outer_calls
from harness.source_code.events import Doing, Event, Frame, Guard, Loop
from harness.source_code.expressions import A_CALL, Expressions
from harness.source_code.file_calls import tags_from
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
    text_of,
)

_OBJECTS = (Thing, Kind)
MOST_EVENTS = 60_000
DEEPEST_CALLS = 24
_SAYS = re.compile(r"_?(?:log|print|report)(?:\d|_?rank\w*|_?once|_?info|_?msg)?$|print\d$", re.I)


class Calls(Expressions):
    """Follows calls and notes what happens."""

    def __init__(self, environment: Mapping[str, str], shapes: Shapes) -> None:
        super().__init__(environment)
        self.shapes = shapes
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        self.loops: list[Loop] = []
        self.guards: list[Guard] = []
        self.files: dict[str, Scope] = {}
        self.modules: dict[str, Table] = {}
        self.sources: Callable[[str], ast.Module | None] = lambda module: None
        self.built: list[tuple[Thing, list[Value], dict[str, Value], int]] = []
        self.arguments: dict[str, Value] = {}
        self.line = 0
        self._returned: list[list[tuple[bool, Value]]] = []
        self._frames_made = 0

    def run_body(self, function: Function, scope: Scope) -> None:
        """Read the body of a function; see :class:`harness.source_code.flow.Flow`."""
        raise NotImplementedError

    def event(
        self,
        doing: Doing,
        node: ast.AST,
        *,
        name: str = "",
        value: Value | None = None,
        tags: frozenset[str] = frozenset(),
        settings: frozenset[str] = frozenset(),
        model: Thing | None = None,
        of: Any = None,
    ) -> None:
        """Note that something happens here."""
        if len(self.events) >= MOST_EVENTS:
            return
        self.events.append(
            Event(
                doing,
                getattr(node, "lineno", self.line),
                self.frames[-1].file if self.frames else "",
                tuple(self.frames),
                tuple(self.loops),
                tuple(self.guards),
                all(guard.sure for guard in self.guards),
                name,
                tags if value is None else tags | value.tags,
                value,
                model,
                of if of is not None else node,
                settings,
            )
        )

    @contextmanager
    def frame(
        self,
        function: str,
        node: ast.AST | None,
        scope: Scope,
        line: int,
        arguments: dict[str, Value],
    ) -> Iterator[Frame]:
        """A run of a function."""
        self._frames_made += 1
        frame = Frame(function, node, scope, line, scope.file, self._frames_made, arguments)
        self.frames.append(frame)
        self.event("enter", node or ast.Pass(lineno=line), name=function)
        self._returned.append([])
        try:
            yield frame
        finally:
            self.event("leave", node or ast.Pass(lineno=line), name=function)
            self.frames.pop()
            self._returned.pop()

    def returned(self, value: Value) -> None:
        """Note what a function returns, if it returns here."""
        base = self.frames[-1]
        sure = all(guard.sure for guard in self.guards[self._guards_at(base) :])
        self._returned[-1].append((sure, value))

    def _guards_at(self, frame: Frame) -> int:
        return self._guard_depths.get(frame.number, 0)

    @property
    def _guard_depths(self) -> dict[int, int]:
        depths: dict[int, int] = self.__dict__.setdefault("_depths", {})
        return depths

    def call(self, node: ast.Call, scope: Scope) -> Value:
        """What a call gives; what it does is noted."""
        arguments, words = self._arguments(node, scope)
        self._labels(node, arguments, words)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, scope)
            if not isinstance(owner, Outer):
                return self._method(node, owner, node.func.attr, arguments, words)
            function = self.attribute(owner, node.func.attr)
        else:
            function = self.value(node.func, scope)
        return self.applied(node, function, arguments, words)

    def _arguments(self, node: ast.Call, scope: Scope) -> tuple[list[Value], dict[str, Value]]:
        arguments: list[Value] = []
        for part in node.args:
            value = self.value(part, scope)
            if isinstance(part, ast.Starred) and isinstance(value, Many):
                arguments += value.items
            else:
                arguments.append(value)
        words: dict[str, Value] = {}
        for word in node.keywords:
            value = self.value(word.value, scope)
            if word.arg is not None:
                words[word.arg] = value
            elif isinstance(value, Table):
                words.update({k: v for k, v in value.items.items() if isinstance(k, str)})
        return arguments, words

    def _labels(self, node: ast.Call, arguments: list[Value], words: dict[str, Value]) -> None:
        """Texts with a score, and labels passed along with a function, name what is scored."""
        passes = any(isinstance(one, Function) for one in arguments)
        for value in [*arguments, *words.values()]:
            if isinstance(value, Known) and isinstance(value.value, str):
                text = value.value
                if passes or "bpb" in text or "val_loss" in text:
                    tags = frozenset({"label"} if passes else ())
                    self.event("say", node, name=text[:300], tags=tags)

    def applied(
        self, node: ast.Call, function: Value, arguments: list[Value], words: dict[str, Value]
    ) -> Value:
        """Call a value."""
        if isinstance(function, Outer):
            return outer_calls.outer_call(self, node, function, arguments, words)
        if isinstance(function, Function):
            return self.invoke(node, function, arguments, words)
        if isinstance(function, Kind):
            return self.built_from(node, function, arguments, words)
        if isinstance(function, Thing):
            own = function.find("__call__")
            if isinstance(own, Function) and not function.kind.is_module:
                return self.invoke(node, own, arguments, words)
            if function.kind.is_module:
                return self.asked(node, function, "forward", arguments, words)
        made = joined(function, *arguments, *words.values())
        if "model" in function.tags:
            self.event("ask", node, name="", value=made)
        return made

    def asked(
        self, node: ast.AST, model: Thing, method: str, arguments: Sequence[Value],
        words: Mapping[str, Value],
    ) -> Value:  # fmt: skip
        """A model is asked: its method is not followed."""
        made = joined(*arguments, *words.values())
        self.event("ask", node, name=method, value=made, model=model)
        tags = (made.tags | {"asked"}) - {"nll", "tokens"}
        if model.tags & {"adapter"}:
            tags |= {"adapter"}
        return Value(tags=tags, settings=made.settings)

    def invoke(
        self, node: ast.Call, function: Function, arguments: Sequence[Value],
        words: Mapping[str, Value],
    ) -> Value:  # fmt: skip
        """Follow a function of the script."""
        owner = function.owner
        if owner is not None and owner.kind.is_module and function.name != "__init__":
            return self.asked(node, owner, function.name, arguments, words)
        same = sum(frame.node is function.node for frame in self.frames)
        worth = isinstance(function.node, ast.Lambda) or self.shapes.worth(function.node)
        worth = worth and not _SAYS.match(function.name)
        if same > 1 or len(self.frames) > DEEPEST_CALLS or not worth:
            self.event("call", node, name=function.name)
            made = joined(*arguments, *words.values(), *([owner] if owner else []))
            made.tags = tags_from(made.tags, arguments)
            return made
        self.nodes += A_CALL
        scope = Scope({}, function.scope, function.scope.module, function.scope.file)
        bound = self._bound(function, arguments, words, scope)
        with self.frame(function.name, function.node, scope, node.lineno, bound) as frame:
            self._guard_depths[frame.number] = len(self.guards)
            line = self.line
            self.run_body(function, scope)
            self.line = line
            returns = self._returned[-1]
        for sure, value in returns:
            if sure:
                return value
        return returns[-1][1] if returns else known(None)

    def _bound(
        self, function: Function, arguments: Sequence[Value], words: Mapping[str, Value],
        scope: Scope,
    ) -> dict[str, Value]:  # fmt: skip
        spec = function.node.args
        parameters = [*spec.posonlyargs, *spec.args]
        given = [function.owner, *arguments] if function.owner is not None else list(arguments)
        if function.owner is not None and _is_static(function.node):
            given = given[1:]
        defaults = spec.defaults
        first = len(parameters) - len(defaults)
        bound: dict[str, Value] = {}
        for place, parameter in enumerate(parameters):
            if place < len(given) and given[place] is not None:
                bound[parameter.arg] = given[place] or Value()
            elif parameter.arg in words:
                bound[parameter.arg] = words[parameter.arg]
            elif place >= first:
                bound[parameter.arg] = self.value(defaults[place - first], function.scope)
            else:
                bound[parameter.arg] = Value()
        for parameter, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            word = words.get(parameter.arg)
            bound[parameter.arg] = word or self.value(default, function.scope)
        scope.names.update(bound)
        if spec.vararg is not None:
            rest = [one for one in given[len(parameters) :] if one is not None]
            scope.names[spec.vararg.arg] = Many(rest, tags=joined(*rest).tags)
        if spec.kwarg is not None:
            named = {name: value for name, value in words.items() if name not in bound}
            scope.names[spec.kwarg.arg] = Table(dict(named))
        return bound

    def built_from(
        self, node: ast.Call, kind: Kind, arguments: list[Value], words: dict[str, Value]
    ) -> Value:
        """An object of a class of the script."""
        thing = Thing(kind)
        self.event("call", node, name=kind.name)
        if kind.is_module:
            lora = "lora" in kind.name.lower() or "adapter" in kind.name.lower()
            thing.tags = frozenset({"adapter"} if lora else {"model"})
            self.built.append((thing, arguments, words, node.lineno))
            return thing
        start = kind.find("__init__")
        if isinstance(start, Function):
            own = Function(start.node, start.scope, thing)
            self.invoke(node, own, arguments, words)
        else:
            thing.attributes.update(words)
            made = joined(*arguments)
            thing.tags = made.tags - {"model"}
        return thing

    def _method(
        self, node: ast.Call, owner: Value, name: str, arguments: list[Value],
        words: dict[str, Value],
    ) -> Value:  # fmt: skip
        if isinstance(owner, _OBJECTS):
            found = owner.find(name)
            if isinstance(found, Function):
                if isinstance(owner, Kind):
                    return self.invoke(node, found, [Value(), *arguments], words)
                return self.invoke(node, found, arguments, words)
            if found is not None:
                return self.applied(node, found, arguments, words)
        if isinstance(owner, Table) and name in owner.items:
            found = owner.items[name]
            if isinstance(found, Function | Kind | Thing | Outer):
                return self.applied(node, found, arguments, words)
        if isinstance(owner, Known) and isinstance(owner.value, str) and "path" not in owner.tags:
            result = folding.text_method(owner, name, arguments, words)
            if result is not None:
                return result
        return outer_calls.method_call(self, node, owner, name, arguments, words)

    def mixed(self, node: ast.BinOp, left: Value, right: Value) -> frozenset[str]:
        """Tags of a sum in which the probability of a target meets another one."""
        if not isinstance(node.op, ast.Add | ast.Sub):
            return frozenset()
        for tag, mix in (("target_probability", "mixed"), ("probabilities", "mixed_all")):
            one, other = tag in left.tags, tag in right.tags
            plain = isinstance(right, Known) if one else isinstance(left, Known)
            if one != other and not plain:
                return frozenset({mix})
        return frozenset()


def _is_static(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in decorators)


def path_of(value: Value) -> str:
    """A path as a script names it, without ``./``; empty when it is not known."""
    text = text_of(value) if isinstance(value, Known) else ""
    if constant(value) is None and not text.strip("\0"):
        return ""
    return text.removeprefix("./")
