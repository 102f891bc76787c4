"""The scripts of a record: which files they are, whether they compile, what else they need."""

import ast
import re
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.source_code.grammar import BrokenSourceError, decoded, parse, readable_by_311
from harness.source_code.imports import LARGEST_PARSED_BYTES
from harness.source_code.unpacking import MOST_LAYERS, OpaqueError, unpack
from harness.upstream.claims import Claims
from harness.upstream.folder import BrokenFileError, Listed, RecordFolder

_NAME = re.compile(r"train\w*\.py", re.IGNORECASE)
_HELPER_ENDINGS = frozenset(
    [
        "py",
        "pyx",
        "pyi",
        "cpp",
        "cc",
        "cxx",
        "c",
        "cu",
        "cuh",
        "h",
        "hpp",
        "so",
        "rs",
        "go",
        "js",
        "npz",
        "npy",
        "bin",
        "pt",
        "pth",
        "ptz",
        "pkl",
        "safetensors",
        "xz",
        "lzma",
        "zst",
        "zip",
        "tar",
        "dat",
    ]
)
# Verbs with which an author states that the score depends on a file.
_SAYS_NEEDED = re.compile(
    r"\b(?:imported|imports|at eval|loaded (?:at|by)|at run ?time|needed (?:at|for|by)|dlopen)",
    re.I,
)
# Tools that make the data before the clock starts; a README mentions what they load, too.
_PREPARES = re.compile(
    r"prepare|download|tokeniz|dataset|data(?![a-z])|setup|install|plot|bench", re.I
)
_MOST_HELPERS = 200
# Of Python 3.12 and later: quotes inside of f-strings, type statements and parameters, bare
# exception lists, template strings.
_NEWER_GRAMMAR = re.compile(
    r"(?<!\w)(?:[rR]?[fFtT][rR]?)[\"']|^\s{0,99}(?:type\s+\w|(?:async\s+)?def\s+\w+\s?\["
    r"|class\s+\w+\s?\[|except\b[^#:]{0,200},)"
)
_RUNS_TEXT = re.compile(rb"(?<![\w.])(?:exec|eval)\s?\(")  # not model.eval()


@dataclass(frozen=True)
class Script:
    """One script: its file, and what its text says if the file is here.

    ``sources`` is its own text and every source unpacked from it. ``fault`` is a syntax error
    as (line, message), ``unsure`` says why its syntax cannot be judged.
    """

    file: Listed
    sources: tuple[bytes, ...] = ()
    fault: tuple[int | None, str] | None = None
    unsure: str = ""
    wrapped: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether the file is here, and holds no statement: nothing, or comments alone."""
        if self.file.bytes == 0:
            return True
        return self.file.here and not self.fault and not self.unsure and not _any(self.sources)


@dataclass(frozen=True)
class Scripts:
    """All scripts of a folder, and the other files that the score needs.

    ``needed`` maps a helper to the reason why it is needed; ``possible`` lists helpers of which it
    is unknown whether the score needs them.
    """

    scripts: tuple[Script, ...] = ()
    needed: dict[str, str] = field(default_factory=dict)
    possible: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of the shipped scripts in bytes."""
        return sum(script.file.bytes for script in self.scripts)


def read_scripts(
    folder: RecordFolder, claims: Claims, *, python: Sequence[str], prose: str
) -> Scripts:
    """Find and read the scripts.

    Args:
        folder: the record.
        claims: its claims; their texts may say which helpers are needed.
        python: the versions of Python that the logs name.
        prose: the README's text.
    """
    top = [file for name, file in sorted(folder.files.items()) if "/" not in name]
    found = [file for file in top if _NAME.fullmatch(file.base)]
    if not found:
        lone = [file for file in top if file.base.endswith(".py")]
        found = lone if len(lone) == 1 else []
    scripts = tuple(_read(folder, file, python) for file in found)
    helpers = [
        file
        for name, file in sorted(folder.files.items())
        if file not in found and file.base.rpartition(".")[2].lower() in _HELPER_ENDINGS
    ][:_MOST_HELPERS]
    needed: dict[str, str] = {}
    sources = [(s.file.name, source) for s in scripts for source in s.sources]
    while sources:
        name, source = sources.pop()
        for helper in helpers:
            if helper.name in needed or helper.name == name:
                continue
            if _names(source, helper.name):
                needed[helper.name] = f"{name} names it"
                if helper.here and helper.base.endswith(".py"):
                    sources.append((helper.name, _content(folder, helper)))
    for text, file in ((claims.prose, claims.file or ""), (prose, "the README")):
        for helper in helpers:
            if helper.name not in needed and _says_needed(text, helper):
                needed[helper.name] = f"{file} says that it is used"
    told = bool(scripts) and all(script.sources and not script.unsure for script in scripts)
    possible = () if told else tuple(h.name for h in helpers if h.name not in needed)
    return Scripts(scripts, needed, possible)


def _any(sources: Sequence[bytes]) -> bool:
    """Whether a source has a statement other than its docstring."""
    try:
        bodies = [parse(source).body for source in sources]
    except BrokenSourceError:
        return True
    return any(
        not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for body in bodies
        for each in body
    )


def _content(folder: RecordFolder, file: Listed) -> bytes:
    try:
        return folder.read(file.name, LARGEST_PARSED_BYTES)
    except BrokenFileError:
        return b""


def _read(folder: RecordFolder, file: Listed, python: Sequence[str]) -> Script:
    if not file.here:
        return Script(file, unsure="listed, not here")
    try:
        content = folder.read(file.name, LARGEST_PARSED_BYTES)
    except BrokenFileError as error:
        return Script(file, unsure=str(error))
    if len(content) > LARGEST_PARSED_BYTES:
        return Script(file, unsure=f"larger than {LARGEST_PARSED_BYTES:,} bytes: not parsed")
    sources, layer = [content], [content]
    for _ in range(MOST_LAYERS):
        inner: list[bytes] = []
        for source in layer:
            fault = _fault(source) or _too_new(source, python)
            if fault:
                wrapped = source is not content
                return _with_fault(file, tuple(sources), fault, python, wrapped=wrapped)
            if _RUNS_TEXT.search(source):
                try:
                    inner += _unpacked(source)
                except OpaqueError as error:
                    if source is content and _packed(source):
                        return Script(file, tuple(sources), unsure=str(error), wrapped=True)
        sources += inner
        layer = inner
        if not layer:
            break
    return Script(file, tuple(sources), wrapped=len(sources) > 1)


def _packed(source: bytes) -> bool:
    """Whether most of a script is one long string, which holds the packed code that it runs."""
    return max(map(len, source.split(b"\n")), default=0) * 2 > len(source) > 2000


def _unpacked(source: bytes) -> list[bytes]:
    try:
        found = unpack(parse(source))
    except BrokenSourceError as error:
        raise OpaqueError(str(error)) from error
    if any(len(inner) > LARGEST_PARSED_BYTES for inner in found):
        raise OpaqueError(f"unpacks to more than {LARGEST_PARSED_BYTES:,} bytes: not parsed")
    return found


def _for_this_python(source: bytes) -> str | bytes:
    """A source without what only newer grammars have; as it is where that cannot be told."""
    try:
        return readable_by_311(decoded(source))
    except ValueError:
        return source  # the compiler says what is wrong with it


@dataclass(frozen=True)
class _Fault:
    line: int | None
    message: str
    newer: bool = False  # looks like the grammar of a newer Python than this one


def _fault(source: bytes) -> _Fault | None:
    """The first syntax error, found by compiling without running."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(_for_this_python(source), "<script>", "exec", dont_inherit=True)
        except SyntaxError as error:
            message = error.msg or "syntax error"
            lines = source.split(b"\n")
            at = (error.lineno or 1) - 1
            text = lines[at][:2000].decode("utf-8", "replace") if at < len(lines) else ""
            newer = "f-string" in message or _NEWER_GRAMMAR.search(text) is not None
            return _Fault(error.lineno, message, newer)
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            return _Fault(None, str(error) or type(error).__name__)
    return None


def _too_new(source: bytes, python: Sequence[str]) -> _Fault | None:
    """A script in a newer grammar than that of every Python that its logs ran."""
    if not python or any(_minor(version) >= (3, 12) for version in python):
        return None
    ours = _for_this_python(source)
    theirs = decoded(source) if isinstance(ours, str) else ""
    if ours in (theirs, source):
        return None
    pairs = zip(theirs.split("\n"), str(ours).split("\n"), strict=False)
    line = next((n for n, (one, other) in enumerate(pairs, start=1) if one != other), None)
    return _Fault(line, f"the grammar of Python 3.12; the log ran {python[0]}")


def _with_fault(
    file: Listed,
    sources: tuple[bytes, ...],
    fault: _Fault,
    python: Sequence[str],
    *,
    wrapped: bool,
) -> Script:
    """Add a fault, unless it may be the grammar of a newer Python than this one."""
    here = sys.version_info[:2]
    newer = [version for version in python if _minor(version) > here]
    if fault.newer and (newer or not python):
        ran = f"the log ran Python {newer[0]}" if newer else "newer ones may read it"
        told = f"line {fault.line}: {fault.message}"
        return Script(file, sources, unsure=f"not Python {here[0]}.{here[1]} ({told}); {ran}")
    return Script(file, sources, fault=(fault.line, fault.message), wrapped=wrapped)


def _minor(version: str) -> tuple[int, int]:
    parts = version.split(".")
    return int(parts[0]), int(parts[1])


def _names(source: bytes, name: str) -> bool:
    """Whether a source imports a file or names it in quotes."""
    base = name.rpartition("/")[2].encode()
    stem = base.rpartition(b".")[0]
    if base not in source and stem not in source:
        return False
    if base.endswith(b".py"):
        module = name.partition("/")[0].removesuffix(".py").encode()
        for head in {module, stem}:
            if re.search(
                rb"^[ \t]{0,80}(?:import|from)[ \t]+(?:[\w.]{1,80}\.)?" + re.escape(head) + rb"\b",
                source,
                re.MULTILINE,
            ):
                return True
    return (
        re.search(rb"[\"'](?:[^\"'\n]{0,200}/)?" + re.escape(base) + rb"[\"']", source) is not None
    )


def _says_needed(text: str, helper: Listed) -> bool:
    at = text.find(helper.base)
    if at < 0 or _PREPARES.search(helper.base):
        return False
    around = text[max(at - 160, 0) : at + len(helper.base) + 160]
    return _SAYS_NEEDED.search(around) is not None
