"""What the parts of a script do, told by the order in which it does things.

The artifact is what is written, read back and unpacked; the evaluations are the functions that ask
the model about validation tokens afterwards; the training loop is what is learned in before. Names
count only where nothing else tells.
"""

import re
from dataclasses import dataclass, field

from harness.source_code.events import Event, Frame, Guard
from harness.source_code.flow import Flow
from harness.source_code.values import Function, Known, Scope, Thing, Value

_NO_EVALUATION = re.compile(
    r"_?(?:main|train|find|calib|collect|timed|adapt|finetune|generate|warm|fit|load|build|make"
    r"|serialize|quantize|gptq)",
    re.IGNORECASE,
)
_EVALUATION = re.compile(r"eval|valid|score|bpb|ttt|sliding", re.IGNORECASE)
_BITS = re.compile(r"bpb|log2|bits_per|_loss_bpb", re.IGNORECASE)


@dataclass
class Scoring:
    """One evaluation: the run of a function that asks the model about validation tokens.

    ``begins`` and ``ends`` are places in the list of events. ``labels`` are what the script says
    of its result.
    """

    frame: Frame
    begins: int
    ends: int
    sure: bool
    guards: tuple[Guard, ...]
    events: list[Event] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.frame.function

    @property
    def line(self) -> int:
        """Where the function is defined."""
        return getattr(self.frame.node, "lineno", 0)

    def has(self, *doing: str) -> bool:
        """Whether one of these happens in it."""
        return any(event.doing in doing for event in self.events)


@dataclass
class Artifact:
    """A file that is written, and what becomes of it. Places are in the list of events."""

    name: str
    written: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    unpacked: list[int] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)


@dataclass
class Roles:
    """The parts of a script, in the order in which they run."""

    flow: Flow
    scorings: list[Scoring]
    files: dict[str, Artifact]

    @property
    def events(self) -> list[Event]:
        """All that the script does."""
        return self.flow.events

    def line(self, place: int) -> int:
        """The line of an event."""
        return self.events[place].line

    def artifact(self) -> Artifact | None:
        """The file that is written, read back later, and unpacked: the last one of these."""
        back = [file for file in self.files.values() if _read_back(file)]
        unpacked = [file for file in back if file.unpacked]
        loaded = [file for file in back if file.loaded]
        chosen = unpacked or loaded
        return max(chosen, key=_first_back, default=None)

    def loaded_together(self) -> list[str]:
        """Files that are written and read back, and become one state of the model, if several."""
        own = {name for name, file in self.files.items() if _read_back(file)}
        for event in self.events:
            if event.doing == "load" and event.name in ("strict", "loose"):
                found = {tag[5:] for tag in event.tags if tag.startswith("from:")} & own
                if len(found) > 1:
                    return sorted(found)
        return []


def _read_back(file: Artifact) -> bool:
    return bool(file.written and file.read) and _first_back(file) >= 0


def _first_back(file: Artifact) -> int:
    """The first reading after the first writing; -1 where there is none."""
    after = [place for place in file.read if file.written and place > file.written[0]]
    return min(after, default=-1)


def first_reading(file: Artifact) -> int:
    """The place of the first reading of a file after it was written."""
    return _first_back(file)


def read_roles(flow: Flow) -> Roles:
    """The parts of a script that was read."""
    scorings = _scorings(flow)
    return Roles(flow, scorings, _files(flow.events))


def _files(events: list[Event]) -> dict[str, Artifact]:
    files: dict[str, Artifact] = {}
    for place, event in enumerate(events):
        kinds = {"write": "written", "read": "read", "decompress": "unpacked", "load": "loaded"}
        kind = kinds.get(event.doing)
        if kind is None or not event.name or event.name in ("strict", "loose"):
            continue
        file = files.setdefault(event.name, Artifact(event.name))
        getattr(file, kind).append(place)
    return files


def _scorings(flow: Flow) -> list[Scoring]:
    entered: dict[int, int] = {}
    left: dict[int, int] = {}
    asked: dict[int, list[Event]] = {}
    frames: dict[int, Frame] = {}
    training = {
        frame.number
        for event in flow.events
        if event.doing == "backward" and "train" in event.tags and "val" not in event.tags
        for frame in event.frames
    }
    for place, event in enumerate(flow.events):
        if event.doing == "enter":
            entered[event.frames[-1].number] = place
        elif event.doing == "leave":
            left[event.frames[-1].number] = place
        elif event.doing in ("ask", "loss") and "val" in event.tags:
            frame = _scoring_frame(flow, event, training)
            if frame is not None:
                asked.setdefault(frame.number, []).append(event)
                frames[frame.number] = frame
    found = []
    for number in asked:
        begins, ends = entered[number], left.get(number, len(flow.events))
        start = flow.events[begins]
        scoring = Scoring(frames[number], begins, ends, start.sure, start.guards)
        scoring.events = flow.events[begins : ends + 1]
        found.append(scoring)
    found.sort(key=lambda scoring: scoring.begins)
    _label(flow.events, found)
    return found


def _scoring_frame(flow: Flow, event: Event, training: set[int]) -> Frame | None:
    """The innermost function around an event that scores: it loops, and reckons in bits.

    One that gives nothing back only adds to the sums of another: of that, where it is one.
    """
    inner: Frame | None = None
    for frame in reversed(event.frames):
        node = frame.node
        if node is None or frame.number in training or not flow.shapes.has_loop(node):
            continue
        if _NO_EVALUATION.match(frame.function):
            continue
        bits = any(_BITS.search(name) for name in flow.shapes.names(node))
        named = _EVALUATION.search(frame.function) and "backward" not in flow.shapes.names(node)
        if (bits or named) and (inner is None or frame.arguments):
            if frame.node is not None and flow.shapes.returns(frame.node):
                return frame
            inner = inner or frame
    return inner


def _label(events: list[Event], scorings: list[Scoring]) -> None:
    """Give each evaluation what is said of it: a label passed along, or the line printed after."""
    for number, scoring in enumerate(scorings):
        before = scorings[number - 1].ends if number else 0
        after = scorings[number + 1].begins if number + 1 < len(scorings) else len(events)
        passed = [e.name for e in events[before : scoring.begins] if "label" in e.tags]
        said = [
            event.name
            for event in events[scoring.ends : after]
            if event.doing == "say" and "label" not in event.tags and "bpb" in event.name
        ]
        scoring.labels = passed[-1:] + said


def model_of(scoring: Scoring) -> tuple[str, Thing | None]:
    """The parameter of an evaluation that is its model, and the model as far as it is known."""
    arguments = scoring.frame.arguments
    asked = [event.model for event in scoring.events if event.doing == "ask" and event.model]
    main = [model for model in asked if "adapter" not in model.tags]
    for name, value in arguments.items():
        if isinstance(value, Thing) and any(value is model for model in main):
            return name, value
    for name, value in arguments.items():
        if isinstance(value, Thing) and value.kind.is_module and "adapter" not in value.tags:
            return name, value
    for name, value in arguments.items():
        if isinstance(value, Function) and value.owner is not None:
            return name, value.owner
    for name, value in arguments.items():
        if "model" in value.tags or name in ("model", "base_model", "eval_model", "net"):
            return name, main[0] if main else None
    return "", main[0] if main else None


def local(scoring: Scoring, *names: str) -> int | None:
    """A whole number by its name inside of an evaluation, the first of these that has one."""
    return named_in(scoring.frame.scope, *names)


def named_in(scope: Scope, *names: str) -> int | None:
    """A whole number by its name in a scope, the first of these that has one."""
    for name in names:
        value = scope.names.get(name)
        number = _whole(value)
        if number is not None:
            return number
    return None


def _whole(value: Value | None) -> int | None:
    if isinstance(value, Known) and isinstance(value.value, int):
        return None if isinstance(value.value, bool) or value.value < 1 else value.value
    return None


def most_frequent(scoring: Scoring, doing: str, *, label: str = "") -> int | None:
    """The whole number that most events of this kind in an evaluation name."""
    counts: dict[int, int] = {}
    for event in scoring.events:
        number = _whole(event.value) if event.doing == doing else None
        if number is not None and (not label or event.name == label):
            counts[number] = counts.get(number, 0) + 1
    return max(counts, key=lambda number: counts[number]) if counts else None
