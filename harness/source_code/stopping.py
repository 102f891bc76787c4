"""What keeps a script from training: settings that bound its loops, and where they are tested."""

import ast
import re
from dataclasses import dataclass, field

from harness.source_code.events import Event, Loop
from harness.source_code.roles import Roles
from harness.source_code.values import Known, Many

_CLOCKS = re.compile(r"WALLCLOCK|SECONDS|MINUTES|_TIME|TIME_|BUDGET", re.IGNORECASE)
_STEPS = re.compile(r"ITER|STEP|EPOCH|UPDATE", re.IGNORECASE)
FEW_STEPS = 64


@dataclass
class Stop:
    """One loop that learns: what stops it, at which line, and whether before its first step."""

    line: int
    settings: frozenset[str]
    at_once: bool
    steps: int | None = None
    chosen: str = ""


@dataclass
class Stops:
    """All loops that learn before the artifact is written."""

    loops: list[Stop] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The settings that stop them, at 0."""
        return {stop.chosen: "0" for stop in self.loops if stop.chosen}

    @property
    def missing(self) -> list[Stop]:
        """The loops that nothing stops and that take more than a few steps."""
        return [s for s in self.loops if not s.chosen and (s.steps is None or s.steps > FEW_STEPS)]


def stops_of(roles: Roles, until: int) -> Stops:
    """What stops each loop that learns before a place in the list of events."""
    stops = Stops()
    seen: set[int] = set()
    for place, event in enumerate(roles.events[: until if until >= 0 else None]):
        if event.doing != "backward" or not event.loops or "adapter" in event.tags:
            continue
        if any(s.begins <= place <= s.ends for s in roles.scorings):
            continue
        loop = event.loops[0]
        if id(loop.node) not in seen:
            seen.add(id(loop.node))
            stops.loops.append(_stop(roles, loop, event))
    return stops


def _stop(roles: Roles, loop: Loop, event: Event) -> Stop:
    line = getattr(loop.node, "lineno", 0)
    if isinstance(loop.node, ast.For | ast.AsyncFor):
        bound = loop.bound
        steps = None
        if isinstance(bound, Known) and isinstance(bound.value, range):
            steps = len(bound.value)
        elif isinstance(bound, Many) and not bound.open:
            steps = len(bound.items)
        stop = Stop(line, bound.settings, True, steps)
        if not bound.settings and steps is None:
            stop = _tested(roles, loop, event, line)
    elif isinstance(loop.node, ast.While):
        stop = Stop(line, loop.bound.settings, True)
        if not _step_settings(stop.settings):
            stop = _tested(roles, loop, event, line)
    else:
        stop = Stop(line, frozenset(), False)
    wanted = _step_settings(stop.settings) or _guarding(event)
    stop.chosen = wanted[0] if wanted else ""
    return stop


def _step_settings(settings: frozenset[str]) -> list[str]:
    """Those that count steps, the likeliest first; options of a command line are none."""
    named = [name for name in sorted(settings) if not _CLOCKS.search(name) and name.isidentifier()]
    named = [name for name in named if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    return sorted(named, key=lambda name: (name != "ITERATIONS", not _STEPS.search(name)))


def _guarding(event: Event) -> list[str]:
    """Settings of a condition around a loop that count steps, such as those of a warm-up."""
    settings = frozenset().union(*(guard.settings for guard in event.guards if guard.holds))
    return [name for name in _step_settings(settings) if _STEPS.search(name)]


def _tested(roles: Roles, loop: Loop, event: Event, line: int) -> Stop:
    """A loop that ends by a test inside of it: which settings it asks, and before which step."""
    learned = _line_in(loop, event)
    found: list[tuple[bool, frozenset[str], int]] = []
    for node in _own_statements(loop.node):
        if isinstance(node, ast.If) and any(
            isinstance(one, ast.Break | ast.Return) for one in node.body
        ):
            settings = roles.flow.value(node.test, loop.frame.scope).settings
            found.append((node.lineno <= learned, settings, node.lineno))
    for early, settings, _ in sorted(found, key=lambda one: not one[0]):
        if _step_settings(settings):
            return Stop(line, settings, early)
    return Stop(line, frozenset().union(*(one[1] for one in found)), bool(found))


def _own_statements(node: ast.AST) -> list[ast.stmt]:
    """The statements of a loop, not of loops and functions inside of it."""
    found: list[ast.stmt] = []
    waiting = list(getattr(node, "body", []))
    while waiting:
        one = waiting.pop(0)
        found.append(one)
        if isinstance(one, ast.If | ast.With | ast.Try):
            waiting += [*one.body, *getattr(one, "orelse", [])]
    return found


def _line_in(loop: Loop, event: Event) -> int:
    """The line of a loop at which an event below it happens."""
    for frame, inner in zip(event.frames, [*event.frames[1:], None], strict=True):
        if frame is loop.frame:
            return event.line if inner is None else inner.line
    return event.line
