"""What a script does along its main line, in order, as a reading of it finds."""

import ast
from dataclasses import dataclass, field
from typing import Literal

from harness.source_code.values import Scope, Thing, Value

Doing = Literal[
    "write", "read", "decompress", "load", "enter", "leave", "ask", "backward", "step", "loss",
    "mixed", "say", "raise", "skip", "program", "autocast", "windows", "starts", "delta",
    "call",
]  # fmt: skip


@dataclass(eq=False, slots=True)
class Frame:
    """One run of a function: the call, the names inside, the guards under which it was called."""

    function: str
    node: ast.AST | None
    scope: Scope
    line: int
    file: str
    number: int = 0
    arguments: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Loop:
    """A loop in which something happens: what bounds it, and the run of the function it is in."""

    node: ast.For | ast.AsyncFor | ast.While | ast.AST
    frame: Frame
    bound: Value


@dataclass(eq=False, slots=True)
class Guard:
    """A condition under which something happens, with the variables that decide it."""

    test: ast.expr
    settings: frozenset[str]
    holds: bool
    sure: bool
    line: int


@dataclass(eq=False, slots=True)
class Event:
    """One thing that a script does; which fields are filled depends on ``doing``.

    ``name`` is a path, a method, a label or a program. ``sure`` is false under a condition that
    is not known.
    """

    doing: Doing
    line: int
    file: str
    frames: tuple[Frame, ...]
    loops: tuple[Loop, ...]
    guards: tuple[Guard, ...]
    sure: bool
    name: str = ""
    tags: frozenset[str] = frozenset()
    value: Value | None = None
    model: Thing | None = None
    node: ast.AST | None = None
    settings: frozenset[str] = frozenset()

    def within(self, frame: Frame) -> bool:
        """Whether it happens in this run of a function, or below it."""
        return any(one is frame for one in self.frames)
