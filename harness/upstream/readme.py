"""The commands that a README or a shell script gives: which script, with which environment."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_COMMANDS = 200
_MOST_LINES = 20_000
_LONGEST_COMMAND = 8000
_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,79}")
_ASSIGNED = re.compile(r"([A-Z_][A-Z0-9_]{0,79})=(.*)", re.DOTALL)
_DEFAULT = re.compile(r"\$\{[A-Za-z_]\w{0,79}:?-([^{}]{0,200})\}")
_SIGNS = re.compile(r"[$`<>]|\.\.\.")
_PROGRAMS = re.compile(r"(?:.*/)?(torchrun|python[\d.]*|accelerate|deepspeed|uv)$")
_FLAGS_WITH_VALUES = frozenset({"-m", "--nproc_per_node", "--nproc-per-node", "--nnodes",
                                "--master_port", "--master-port", "--rdzv-endpoint"})  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command: the base name of its script, its environment, and where it stands."""

    script: str
    torchrun: bool
    file: str
    line: int
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    nodes: int = 1


def commands_in(text: str, file: str) -> list[Command]:
    """The commands of a text that start a Python script, in order; at most ``MOST_COMMANDS``."""
    found: list[Command] = []
    exported: dict[str, str] = {}
    for line, logical in _logical_lines(text):
        if logical.startswith("```"):
            exported = {}
            continue
        words = _words(logical)
        if words and words[0] in ("export", "set", "declare"):
            exported.update(dict(_assignments(words[1:])))
            continue
        command = _command(words, file, line, exported)
        if command is not None:
            found.append(command)
        elif words and all(_ASSIGNED.fullmatch(word) for word in words):
            exported.update(dict(_assignments(words)))
        if len(found) >= MOST_COMMANDS:
            break
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that a backslash continues, and the number of the first of them."""
    pending, first = "", 0
    for number, raw in enumerate(text.splitlines()[:_MOST_LINES], start=1):
        line = raw.strip()
        if not pending:
            first = number
            line = line.removeprefix("$ ").strip()
        if line.startswith("#") and not pending:
            continue
        # A list of settings, one a line, is often given with commas.
        continued = line.endswith("\\")
        pending += line.rstrip("\\").strip() + " "
        if continued and len(pending) < _LONGEST_COMMAND:
            continue
        yield first, pending.strip()[:_LONGEST_COMMAND]
        pending = ""
    if pending:
        yield first, pending.strip()[:_LONGEST_COMMAND]


def _words(line: str) -> list[str]:
    inline = re.search(r"`([^`]{3,4000}\.py[^`]{0,400})`", line)
    text = inline[1] if inline and not line.startswith("```") else line
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _assignments(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        found = _ASSIGNED.fullmatch(word)
        if found:
            value = _DEFAULT.sub(r"\1", found[2]).rstrip(",;").strip()
            if not _SIGNS.search(value) and len(value) <= 400 and "\0" not in value:
                yield found[1], value


def _command(words: list[str], file: str, line: int, exported: dict[str, str]) -> Command | None:
    starts = [place for place, word in enumerate(words) if _PROGRAMS.match(word)]
    if not starts:
        return None
    start = starts[0]
    scripts = [
        place
        for place in range(start + 1, len(words))
        if words[place].strip(";,").endswith(".py") and not words[place].startswith("-")
    ]
    if not scripts:
        return None
    at = scripts[0]
    env = {**exported, **dict(_assignments(words[:start]))}
    script = words[at].strip(";,").rpartition("/")[2]
    arguments = []
    for word in words[at + 1 :]:
        if word in ("|", "||", "&&", ";", "&", ">", "2>&1", ">>") or word.startswith((">", "2>")):
            break
        arguments.append(word)
    launcher = words[start:at]
    torchrun = any(word.endswith("torchrun") or "torch.distributed" in word for word in launcher)
    return Command(script, torchrun, file, line, env, tuple(arguments[:50]), _nodes(launcher))


def _nodes(launcher: list[str]) -> int:
    for place, word in enumerate(launcher):
        name, equals, value = word.partition("=")
        if name == "--nnodes":
            text = value if equals else "".join(launcher[place + 1 : place + 2])
            return int(text) if text.isdecimal() and len(text) < 4 else 1
    return 1
