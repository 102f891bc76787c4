"""Which script of a record folder is run: its source unpacked, and the files that it reads."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from harness.source_code.grammar import BrokenSourceError, Parsed, decoded, parsed
from harness.source_code.unpacking import MOST_LAYERS, OpaqueError, unpack
from harness.upstream.folder import BrokenFileError, Listed, RecordFolder
from harness.upstream.readme import Command, commands_in

LARGEST_SCRIPT_BYTES = 1 << 20
LARGEST_SOURCE_BYTES = 400 << 10
_MOST_CANDIDATES = 40
_SHELL = (".sh", ".bash", ".slurm", ".sbatch")
_RUNS_TEXT = re.compile(rb"(?<![\w.])(?:exec|eval|runpy)\b|run_path")
_HELPER = re.compile(
    r"prepare|download|tokeniz|dataset|setup|plot|bench|lossless|test_|_test|analy|sweep|export"
    r"|caps|convert|patch|launch|utils?\.py|requirements",
    re.IGNORECASE,
)


class NoEntryError(ValueError):
    """There is no script that could be run; the message says why."""


@dataclass(frozen=True)
class Script:
    """A source, unpacked: the name of the file, its text, and which layer of it this is."""

    name: str
    text: str
    layers: int = 0
    beside: str = ""
    """The file whose text it runs, where that is another one of the folder."""

    @cached_property
    def _parsed(self) -> Parsed:
        return parsed(self.text)

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return self._parsed.tree

    @property
    def newer(self) -> bool:
        """Whether its grammar is newer than that of Python 3.11."""
        return self._parsed.newer

    def place(self, line: int) -> str:
        """A line, as a person finds it."""
        name = self.beside or self.name
        return f"{name}:{line}" if not self.layers else f"{name}, unpacked, line {line}"


@dataclass(frozen=True)
class Entry:
    """The script that is run, why it is this one, and the command that runs it, if one is told."""

    script: Script
    why: str
    command: Command | None
    commands: tuple[Command, ...] = ()
    candidates: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def find_entry(folder: RecordFolder) -> Entry:
    """The script that a folder's README names, or ``train_gpt.py``, or the likeliest other one.

    Raises:
        NoEntryError: there is none, or none that can be read.
    """
    commands = tuple(_commands(folder))
    python = [file for file in folder.files.values() if file.base.endswith(".py")]
    here = [file for file in python if file.here]
    if not python:
        raise NoEntryError("the folder holds no Python file")
    if not here:
        raise NoEntryError("its scripts are only listed in the manifest; add the files themselves")
    problems: list[str] = []
    for file, why, command in _in_order(here, commands):
        try:
            script = read_script(folder, file.name)
        except NoEntryError as error:
            problems.append(str(error))
            continue
        others = tuple(sorted(one.name for one in here if one.name != file.name))
        return Entry(script, why, command, commands, others, tuple(problems))
    raise NoEntryError("; ".join(problems[:4]) or "none of its Python files is a training script")


def _commands(folder: RecordFolder) -> Iterator[Command]:
    names = [folder.readme_name] if folder.readme_name else []
    names += sorted(
        name
        for name, file in folder.files.items()
        if file.here
        and (name.endswith(_SHELL) or name.lower().endswith(".md"))
        and name != folder.readme_name
    )[:20]
    for name in names:
        if folder.files[name].here:
            try:
                yield from commands_in(folder.text(name), name)
            except BrokenFileError:
                continue


def _in_order(
    here: list[Listed], commands: tuple[Command, ...]
) -> Iterator[tuple[Listed, str, Command | None]]:
    """Scripts, the likeliest first, each once."""
    seen: set[str] = set()
    by_base: dict[str, Listed] = {}
    for file in sorted(here, key=lambda one: (one.name.count("/"), one.name), reverse=True):
        by_base[file.base] = file

    def command_for(file: Listed) -> Command | None:
        return next((one for one in commands if one.script == file.base), None)

    for command in commands:
        named = by_base.get(command.script)
        if named is not None and named.name not in seen and not _HELPER.search(named.base):
            seen.add(named.name)
            yield named, f"{command.file}:{command.line} runs it", command
    ranked = sorted(
        (file for file in here if file.name not in seen),
        key=lambda file: (
            file.base != "train_gpt.py",
            not file.base.startswith("train"),
            _HELPER.search(file.base) is not None,
            file.name.count("/"),
            -file.bytes,
            file.name,
        ),
    )
    for file in ranked[:_MOST_CANDIDATES]:
        usual = file.base == "train_gpt.py"
        why = "the usual name" if usual else "the likeliest of its Python files"
        yield file, why, command_for(file)


def read_script(folder: RecordFolder, name: str) -> Script:
    """A script with what it unpacks, up to ``MOST_LAYERS`` layers; nothing is run.

    Raises:
        NoEntryError: it is empty, too large, no Python, or hides its source.
    """
    content = _content(folder, name)
    beside = ""
    for layer in range(MOST_LAYERS + 1):
        place = name if not layer else f"{name}, unpacked"
        if not content.strip():
            raise NoEntryError(f"{place}: empty")
        if len(content) > LARGEST_SOURCE_BYTES and layer:
            raise NoEntryError(f"{place}: more than {LARGEST_SOURCE_BYTES:,} bytes, not parsed")
        try:
            text = decoded(content)
            script = Script(name, text, layer if not beside else 0, beside)
            inner = _inner(folder, script, content)
        except BrokenSourceError as error:
            at = f":{error.line}" if error.line else ""
            raise NoEntryError(f"{place}{at}: not valid Python: {error.problem}") from error
        except OpaqueError as error:
            raise NoEntryError(
                f"{place}: runs a text that only running would tell: {error}"
            ) from error
        if inner is None:
            return script
        content, beside = inner
    raise NoEntryError(f"{name}: packed more than {MOST_LAYERS} times")


def _content(folder: RecordFolder, name: str) -> bytes:
    try:
        content = folder.read(name, LARGEST_SCRIPT_BYTES)
    except BrokenFileError as error:
        raise NoEntryError(f"{name}: {error}") from error
    if len(content) > LARGEST_SCRIPT_BYTES:
        raise NoEntryError(f"{name}: more than {LARGEST_SCRIPT_BYTES:,} bytes, not parsed")
    return content


def _inner(folder: RecordFolder, script: Script, content: bytes) -> tuple[bytes, str] | None:
    """The source that a script does nothing but run, and the file it is in; None for others."""
    tree = script.tree
    if not _RUNS_TEXT.search(content):
        return None
    defined = sum(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
    if defined > 3:
        return None
    for node in ast.walk(tree):
        other = _file_beside(folder, script.name, node)
        if other is not None:
            return _content(folder, other), other
    try:
        found = unpack(tree)
    except OpaqueError:
        if defined or not any(_is_exec(node) for node in ast.walk(tree)):
            return None
        raise
    largest = max(found, key=len, default=b"")
    return (largest, "") if len(largest) > 200 else None


def _is_exec(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "exec"


def _file_beside(folder: RecordFolder, name: str, node: ast.AST) -> str | None:
    """The file of the folder that a call runs: ``exec(open(...).read())``, ``runpy.run_path``."""
    if not isinstance(node, ast.Call) or not node.args:
        return None
    function = node.func
    called = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if called not in ("exec", "run_path", "run_module"):
        return None
    texts = [
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    for text in texts:
        base = text.rpartition("/")[2]
        for candidate in (base, base + ".py"):
            there = folder.files.get(candidate)
            if there and there.here and candidate != name and candidate.endswith(".py"):
                return candidate
    return None
