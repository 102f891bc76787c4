"""One script read with the settings of its run: what is asked of it, and by which function."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from harness.source_code.events import Event
from harness.source_code.expressions import TooMuchError
from harness.source_code.flow import Flow
from harness.source_code.grammar import BrokenSourceError, parse
from harness.source_code.roles import Artifact, Roles, Scoring, first_reading, read_roles
from harness.source_code.shapes import Shapes
from harness.upstream.entry import LARGEST_SOURCE_BYTES, Entry
from harness.upstream.folder import BrokenFileError, RecordFolder
from harness.upstream.settings import AsRun

_STARTED = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
# What the referee gives each run a name of its own; in a path it stands for that name.
_OURS = {"RUN_ID": "{run_id}"}
_OPTION = re.compile(r"-|--?[A-Za-z][\w-]{0,79}")
_MOST_TRIES = 3
_TEST_TIME = re.compile(r"(?<![A-Za-z])TTT(?![A-Za-z])|test[- ]time training", re.IGNORECASE)
# A script that prints all of its settings, and one that prints some of them, each by its name.
_DUMPS = re.compile(r"\bvars\(|\basdict\(|__dict__")
_SHOWN = re.compile(r"\b([a-z]\w{0,79})\s?[:=]\s?\{(?:int\()?\w{1,40}\.([a-z]\w{0,79})\s?[}:!)]")


@dataclass
class Reading:
    """A script and what it does. ``env`` is the environment that it was read with."""

    source: "Source"

    entry: Entry
    run: AsRun
    roles: Roles
    env: dict[str, str]
    logged: dict[str, str]
    notes: list[str] = field(default_factory=list)

    @property
    def flow(self) -> Flow:
        """The script, read."""
        return self.roles.flow

    @property
    def artifact(self) -> Artifact | None:
        """The file that is written, read back and unpacked."""
        return self.roles.artifact()

    @property
    def after(self) -> int:
        """The place at which the artifact is first read back; -1 where it never is."""
        artifact = self.artifact
        return first_reading(artifact) if artifact is not None else -1

    @property
    def scorings(self) -> list[Scoring]:
        """The evaluations after the artifact was read back; all of them where there is none."""
        after = self.after
        return [s for s in self.roles.scorings if s.begins > after]

    @property
    def claimed(self) -> Scoring | None:
        """The evaluation that the claim rests on: the last one that runs."""
        return self.scorings[-1] if self.scorings else None

    def place(self, line: int) -> str:
        """A line of the script, for a person."""
        return self.entry.script.place(line)

    def at(self, event: Event) -> str:
        """Where something happens, for a person."""
        own = event.file in ("", self.entry.script.name)
        return self.place(event.line) if own else f"{event.file}:{event.line}"


class UnreadableError(ValueError):
    """A script that cannot be read within bounds; the message says why."""


def read(folder: RecordFolder, entry: Entry, run: AsRun) -> Reading:
    """Read a script as it was run; where its log shows another last score, with that one on or off.

    Raises:
        UnreadableError: it is nested too deeply, or takes too long.
    """
    source = Source(folder, entry)
    env, logged = dict(run.env), _printed(entry, run)
    reading = read_once(source, run, env=env, logged=logged)
    for _ in range(_MOST_TRIES):
        change = _change(reading)
        if change is None:
            break
        name, value, why = change
        env = {**env, name: value}
        again = read_once(source, run, env=env, logged=logged)
        again.notes = [*reading.notes, why]
        reading = again
    return reading


def read_once(
    source: "Source", run: AsRun, *, env: Mapping[str, str], logged: Mapping[str, str]
) -> Reading:
    """Read a script with an environment.

    Raises:
        UnreadableError: see :func:`read`.
    """
    entry = source.entry
    flow = Flow({**_STARTED, **_options(entry), **env, **_OURS}, logged, source.shapes)
    flow.sources = source.module
    try:
        flow.run_module(entry.script.tree, file=entry.script.name)
        roles = read_roles(flow)
    except (TooMuchError, RecursionError, MemoryError) as error:
        problem = str(error) or "nested too deeply"
        raise UnreadableError(f"{entry.script.name}: {problem}") from error
    return Reading(source, entry, run, roles, dict(env), dict(logged))


def _options(entry: Entry) -> dict[str, str]:
    """The options of the command, by their dashes; one without a value is on."""
    words = entry.command.arguments if entry.command is not None else ()
    found: dict[str, str] = {}
    for word, after in zip_longest(words, words[1:], fillvalue="-"):
        name, equals, value = word.partition("=")
        if _OPTION.fullmatch(name):
            found[name] = value if equals else "True" if _OPTION.fullmatch(after) else after
    return found


class Source:
    """A script and the files beside it, parsed once."""

    def __init__(self, folder: RecordFolder, entry: Entry) -> None:
        self.folder, self.entry = folder, entry
        self.shapes = Shapes()
        self._base = entry.script.name.rpartition("/")[0]
        self._trees: dict[str, ast.Module | None] = {}

    def module(self, name: str) -> ast.Module | None:
        """The tree of another file of the folder, by the name of its module."""
        if name not in self._trees:
            self._trees[name] = self._parsed(name)
        return self._trees[name]

    def _parsed(self, module: str) -> ast.Module | None:
        path = module.replace(".", "/")
        for name in (f"{path}.py", f"{path}/__init__.py"):
            full = f"{self._base}/{name}" if self._base else name
            file = self.folder.files.get(full)
            if file is None or not file.here or file.bytes > LARGEST_SOURCE_BYTES:
                continue
            try:
                return parse(self.folder.read(full, LARGEST_SOURCE_BYTES))
            except (BrokenFileError, BrokenSourceError):
                return None
        return None


def _printed(entry: Entry, run: AsRun) -> dict[str, str]:
    """What a log prints of settings, as far as the script prints the setting under that name."""
    text, logged = entry.script.text, run.logged
    if _DUMPS.search(text) or not run.scores:
        return dict(logged)
    shown = {found[1] for found in _SHOWN.finditer(text) if found[1] == found[2]}
    return {name: value for name, value in logged.items() if name in shown}


def _change(reading: Reading) -> tuple[str, str, str] | None:
    """The setting to change, so that the evaluation that runs last is the log's last score."""
    scores = [name for name in reading.run.scores if name]
    if reading.claimed is None:
        return None
    if not scores:
        return _told(reading)
    last = scores[-1]
    if _said(reading.claimed, last):
        return None
    for event in reading.flow.events:
        if event.doing != "skip" or not isinstance(event.node, list):
            continue
        if not any(last in _texts(statement) for statement in event.node):
            continue
        for name in sorted(event.settings):
            if name not in reading.env and name.isidentifier() and is_off(reading, name):
                why = f"the log ends with {last}, which is printed under {name} alone"
                return name, (reading.run.stride or "64") if "STRIDE" in name else "1", why
    ran = [s for s in reading.scorings if any(_said(s, name) for name in scores)]
    if ran and not any(_said(reading.claimed, name) for name in scores):
        for guard in reversed(reading.claimed.guards):
            for name in sorted(guard.settings):
                if guard.holds and name.isidentifier() and name not in reading.env:
                    why = f"no score of {reading.claimed.name} is in the log: {name} was off"
                    return name, "0", why
    return None


def _told(reading: Reading) -> tuple[str, str, str] | None:
    """A switch that what the folder says of itself turns on, where no log tells more."""
    if not _TEST_TIME.search(reading.run.prose):
        return None
    for event in reading.flow.events:
        for name in sorted(event.settings) if event.doing == "skip" else ():
            switch = "TTT" in name and name.endswith(("ENABLED", "ENABLE", "TTT"))
            if switch and name not in reading.env and is_off(reading, name):
                return name, "1", f"the folder speaks of test-time training: {name} was on"
    return None


def is_off(reading: Reading, name: str) -> bool:
    """Whether a switch is off by default."""
    _, default = reading.flow.read_settings.get(name, (0, None))
    value = getattr(default, "value", None)
    return str(value) in ("0", "False", "", "None", "0.0")


def _said(scoring: Scoring, score: str) -> bool:
    """Whether a score that a log names is one that an evaluation prints."""
    words = score.replace("_exact", "")
    return any(score in label or words in label for label in scoring.labels)


def _texts(node: ast.stmt) -> str:
    return " ".join(
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    )
