"""Reads git objects with a git that inherits no configuration and is stopped at fixed limits.

No untrusted file name ever becomes an argument of git: objects are read by their ids.
"""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.safeio.text import is_plain

GIT_SECONDS = 120
OLDEST_GIT = (2, 38)
_NEW_GIT = f"install git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer"
LARGEST_TREE_BYTES = 1 << 20
LARGEST_ANSWER_BYTES = 1 << 20
TREE = "040000"
_KINDS = frozenset({"blob", "tree", "commit", "tag"})
_LONGEST_REVISION = 200
_OBJECT_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_MODE = re.compile(rb"[0-7]{5,6}")
_VERSION = re.compile(rb"git version (\d{1,4})\.(\d{1,4})\b")
_NO_NAMES = frozenset({b"", b".", b".."})
# A clone that somebody else owns may be read, because nothing in its configuration is run. A commit
# graph states ancestry a second time, and lies among the objects that are borrowed.
_SETTINGS = (
    *("safe.directory=*", "core.fsmonitor=false", f"core.hooksPath={os.devnull}"),
    "core.commitGraph=false",
)
_COMMAND = (
    *("git", "--no-pager", "--no-replace-objects"),
    *(word for setting in _SETTINGS for word in ("-c", setting)),
)


class BeyondBoundsError(HarnessError):
    """The history exceeds the limits of what is read: too many changes or too large objects."""


class BrokenTreeError(BeyondBoundsError):
    """A tree that git itself would not write: the fault is its author's, not the clone's."""


@dataclass(frozen=True)
class Entry:
    """One name in a tree; ``mode`` is octal in six digits, ``id`` is the id of the object."""

    name: bytes
    mode: str
    id: str


class Objects:
    """The objects of one repository by id, read through one long-running git process."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        self._questions, self._answers = questions, answers

    def size_bytes(self, identity: str) -> int:
        """The size of a blob in bytes, without reading it.

        Raises:
            BrokenTreeError: the object is no blob, although a tree lists it as one.
        """
        return self._header("info", identity, "blob")

    def blob(self, identity: str, *, limit_bytes: int) -> bytes:
        """A blob's content.

        Raises:
            BeyondBoundsError: it is larger than ``limit_bytes``.
            BrokenTreeError: the object is no blob.
        """
        if self.size_bytes(identity) > limit_bytes:
            raise BeyondBoundsError(f"a file of more than {limit_bytes:,} bytes")
        return self._content(self._header("contents", identity, "blob"))

    def tree(self, identity: str) -> list[Entry]:
        """The entries of a tree; each name occurs once, and none leads out of the tree.

        Args:
            identity: the id of a tree, or of a commit followed by ``^{tree}``.

        Raises:
            BeyondBoundsError: it is larger than ``LARGEST_TREE_BYTES``.
            BrokenTreeError: it is no tree, or not one that git would write.
        """
        if self._header("info", identity, "tree") > LARGEST_TREE_BYTES:
            raise BeyondBoundsError(f"a folder that takes more than {LARGEST_TREE_BYTES:,} bytes")
        raw = self._content(self._header("contents", identity, "tree"))
        id_bytes = 32 if len(identity.partition("^")[0]) == 64 else 20
        entries = []
        while raw:
            mode, _, rest = raw.partition(b" ")
            name, _, rest = rest.partition(b"\0")
            if not _MODE.fullmatch(mode) or len(rest) < id_bytes:
                raise BrokenTreeError(f"folder {identity} is broken: git would not end it so")
            octal = mode.decode("ascii").rjust(6, "0")
            entries.append(Entry(name=name, mode=octal, id=rest[:id_bytes].hex()))
            raw = rest[id_bytes:]
        # Git compares trees by walking both in order: it reads an unsorted tree differently than we
        # do.
        order = [entry.name + b"/" * (entry.mode == TREE) for entry in entries]
        if order != sorted(order):
            raise BrokenTreeError(f"folder {identity} is broken: git would put it in order")
        names = {entry.name for entry in entries}
        if len(names) < len(entries) or any(n in _NO_NAMES or b"/" in n for n in names):
            raise BrokenTreeError(f"folder {identity} is broken: git would not make such names")
        return entries

    def _header(self, command: str, identity: str, kind: str) -> int:
        """Request an object; return its size once it is known to exist and to be of this kind."""
        try:
            self._questions.write(f"{command} {identity}\n".encode("ascii"))
            self._questions.flush()
            answer = self._answers.readline(500).decode("ascii", "replace").split()
        except BrokenPipeError:
            answer = []
        if len(answer) == 3 and answer[1] in _KINDS and answer[1] != kind:
            raise BrokenTreeError(f"{identity} is listed as a {kind}, and is a {answer[1]}")
        if len(answer) != 3 or answer[1] != kind:
            raise InfrastructureError(
                f"git has no {kind} {identity}: {' '.join(answer[1:]) or 'it ended'}",
                remedy="fetch both commits with all their history, without --filter",
            )
        return int(answer[2])

    def _content(self, size_bytes: int) -> bytes:
        content = self._answers.read(size_bytes + 1)
        if len(content) != size_bytes + 1:
            raise InfrastructureError("git ended, or was stopped, within an object")
        return content[:-1]


def check_git() -> None:
    """Check that this machine's git has the commands we need.

    ``merge-tree --write-tree`` came with git 2.38, ``cat-file --batch-command`` with 2.36.

    Raises:
        InfrastructureError: there is no git, it is older, or it does not tell its version.
    """
    said = git(Path(os.sep), "version", what="its version")
    found = _VERSION.match(said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        version = " ".join(said[:60].decode("ascii", "replace").split()) or "no version told"
        raise InfrastructureError(f"git is too old: {version}", remedy=_NEW_GIT)


@contextlib.contextmanager
def open_objects(repository: Path) -> Iterator[Objects]:
    """Keep a git process running that serves the objects of a repository.

    Raises:
        InfrastructureError: it was still in use after ``GIT_SECONDS``.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(
            repository, ("cat-file", "--batch-command"), stdin=subprocess.PIPE, stderr=errors
        )
        alarm = threading.Timer(GIT_SECONDS, process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes
            yield Objects(process.stdin, process.stdout)
        finally:
            alarm.cancel()
            process.kill()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    if stream is not None:
                        stream.close()
            process.wait()


def git(
    directory: Path,
    *arguments: str,
    what: str,
    codes: tuple[int, ...] = (0,),
    problem: HarnessError | None = None,
) -> bytes:
    """Run git and return what it printed; see :func:`git_answer`."""
    return git_answer(directory, *arguments, what=what, codes=codes, problem=problem)[1]


def commit_named(repository: Path, name: str, *, told: str = "") -> str:
    """The id of the commit that a revision names, which git never reads as an option.

    ``told`` stands before the name in the error.

    Raises:
        UsageError: it names none.
    """
    shown = f"{told}{name[:_LONGEST_REVISION]!r}: names no commit in {repository}; "
    problem = UsageError(shown + "expected a branch or the id of a commit that has been fetched")
    if not name or name.startswith("-") or not is_plain(name, _LONGEST_REVISION):
        raise problem
    found = git(
        repository,
        *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
        what="a revision",
        problem=problem,
    ).strip()
    if not _OBJECT_ID.fullmatch(found):
        raise problem
    return found.decode("ascii")


def git_answer(
    directory: Path,
    *arguments: str,
    what: str,
    codes: tuple[int, ...] = (0,),
    problem: HarnessError | None = None,
) -> tuple[int, bytes]:
    """Run git and return its exit code and what it printed.

    Args:
        directory: where to run it.
        arguments: arguments of git; none that a stranger chose, except after ``--end-of-options``.
        what: what is wanted, as an error message would name it.
        codes: exit codes that count as an answer.
        problem: raised at any other exit code.

    Raises:
        InfrastructureError: another exit code where no ``problem`` was given, more than
            ``LARGEST_ANSWER_BYTES`` of output, or more than ``GIT_SECONDS`` of run time.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(directory, arguments, stdin=subprocess.DEVNULL, stderr=errors)
        alarm = threading.Timer(GIT_SECONDS, process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            output = process.stdout.read(LARGEST_ANSWER_BYTES + 1)
            if len(output) > LARGEST_ANSWER_BYTES:
                process.kill()
            process.stdout.close()
            code = process.wait()
        finally:
            alarm.cancel()
            process.kill()
        if code in codes:
            return code, output
        if problem is not None:
            raise problem
        errors.seek(0)
        said = " ".join(errors.read(2000).decode("utf-8", "replace").split())
    raise InfrastructureError(
        f"git cannot tell {what}: {said or f'exit code {code}'}",
        remedy="fetch both commits with all their history, without --filter",
    )


def _start(
    directory: Path, arguments: tuple[str, ...], *, stdin: int, stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [*_COMMAND, *arguments],
            cwd=directory,
            env=_environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    except FileNotFoundError as error:
        raise InfrastructureError("git: not found", remedy=_NEW_GIT) from error


def _environment() -> dict[str, str]:
    """Our ``PATH`` alone; no configuration, no prompt, no network and no replaced objects."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks
    }
