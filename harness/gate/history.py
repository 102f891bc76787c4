"""What two commits hold, read from git's objects alone, within bounds.

The repository's own configuration, hooks, attributes, grafts and replacements are whoever made the
clone's. Revisions are looked up there once; everything else is read in a *clean room*: an empty
repository of ours that borrows the objects and nothing else.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, UsageError
from harness.safeio.files import disk_errors
from harness.safeio.git_objects import TREE, BeyondBoundsError, Entry, Objects, git, open_objects
from harness.safeio.text import is_plain

MOST_TREES = 1000
MOST_ENTRIES = 5000
_LONGEST_REVISION = 200
_OBJECT_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class Change:
    """One name that differs; modes are octal as git writes them, empty where it is absent."""

    name: bytes
    old_mode: str
    new_mode: str


@dataclass(frozen=True)
class History:
    """A base, a head and where they parted; ids of commits, in full."""

    objects: Objects
    base: str
    head: str
    merge_base: str | None

    def changes(self) -> list[Change]:
        """Names that differ from the merge base to the head, renames as removed and added.

        Trees are compared here, level by level: git's own comparison lists everything in memory
        before it says anything, and a few hundred bytes of trees can unfold into any number.

        Raises:
            BeyondBoundsError: more than ``MOST_ENTRIES`` names or ``MOST_TREES`` folders differ.
        """
        if self.merge_base is None:
            return []
        changes: list[Change] = []
        start = (b"", f"{self.merge_base}^{{tree}}", f"{self.head}^{{tree}}")
        waiting: list[tuple[bytes, str | None, str | None]] = [start]
        trees = 0
        while waiting:
            place, old_tree, new_tree = waiting.pop()
            old, new = self._inside(place, old_tree), self._inside(place, new_tree)
            trees += 1
            for name in old.keys() | new.keys():
                before, after = old.get(name, _NOTHING), new.get(name, _NOTHING)
                if before == after:
                    continue
                if TREE in (before.mode, after.mode):
                    waiting.append((name, _tree_of(before), _tree_of(after)))
                modes = ["" if side.mode == TREE else side.mode for side in (before, after)]
                if any(modes):
                    changes.append(Change(name, *modes))
            _bounded(trees, len(changes) + len(waiting), "changes")
        return sorted(changes, key=lambda change: change.name)

    def tree(self, commit: str, parts: Sequence[bytes]) -> str | None:
        """Id of the tree that lies at ``parts`` below the root of a commit; None without one."""
        current = f"{commit}^{{tree}}"
        for part in parts:
            inner = next((e for e in self.entries(current) if e.name == part), _NOTHING)
            if inner.mode != TREE:
                return None
            current = inner.id
        return current

    def entries(self, tree: str) -> list[Entry]:
        """What a tree holds itself."""
        return self.objects.tree(tree)

    def files(self, tree: str) -> list[Entry]:
        """Everything below a tree that is not a tree, with names relative to it.

        Raises:
            BeyondBoundsError: more than ``MOST_ENTRIES`` of them, or than ``MOST_TREES`` folders.
        """
        found: list[Entry] = []
        waiting = [Entry(b"", TREE, tree)]
        trees = 0
        while waiting:
            folder = waiting.pop()
            trees += 1
            for entry in self._inside(folder.name, folder.id).values():
                (waiting if entry.mode == TREE else found).append(entry)
            _bounded(trees, len(found) + len(waiting), "files")
        return sorted(found, key=lambda entry: entry.name)

    def _inside(self, place: bytes, tree: str | None) -> dict[bytes, Entry]:
        """What a tree holds by its name from the root, or from wherever ``place`` begins."""
        prefix = place + b"/" if place else b""
        entries = self.entries(tree) if tree else []
        return {prefix + e.name: Entry(prefix + e.name, e.mode, e.id) for e in entries}


_NOTHING = Entry(b"", "", "")


def _tree_of(entry: Entry) -> str | None:
    return entry.id if entry.mode == TREE else None


def _bounded(trees: int, entries: int, what: str) -> None:
    if trees > MOST_TREES or entries > MOST_ENTRIES:
        raise BeyondBoundsError(
            f"more than {MOST_ENTRIES:,} {what}, or {what} in more than {MOST_TREES:,} folders"
        )


@contextlib.contextmanager
def open_history(repository: Path, *, base: str, head: str) -> Iterator[History]:
    """Look two revisions up in a repository, and open a clean room on its objects.

    Args:
        repository: a clone, or a folder in one; nothing in it is changed.
        base: the revision that the pull request is to be merged into.
        head: the revision that it proposes.

    Raises:
        UsageError: no repository there, or a revision that does not name a commit in it.
        InfrastructureError: no git, a shallow clone, or missing objects.
    """
    if not repository.is_dir():
        raise UsageError(f"{repository}: no such folder; expected a clone of the repository")
    inside = git(
        repository,
        *("rev-parse", "--path-format=absolute", "--git-path", "objects"),
        *("--is-shallow-repository", "--show-object-format"),
        what="the repository",
        problem=UsageError(f"{repository}: not a git repository; name one with --repository"),
    )
    objects, shallow, object_format = os.fsdecode(inside.removesuffix(b"\n")).rsplit("\n", 2)
    if shallow != "false":
        raise InfrastructureError(
            f"{repository}: a shallow clone, in which it cannot be told where two commits parted",
            remedy="git fetch --unshallow, or actions/checkout with fetch-depth: 0",
        )
    commits = [
        _commit(repository, option, name) for option, name in (("base", base), ("head", head))
    ]
    with tempfile.TemporaryDirectory(prefix="pgolf-gate-") as place, disk_errors(Path(place)):
        room = Path(place) / "room.git"
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
        git(Path(place), *init, str(room), what="a clean room")
        alternates = room / "objects/info/alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_bytes(os.fsencode(objects) + b"\n")
        # Of several best common ancestors any one does: against it at least what the head changes
        # is listed, and what the base changed beside it counts against the pull request.
        found = git(room, "merge-base", *commits, what="where they parted", codes=(0, 1))
        merge_base = found.decode("ascii").strip() or None
        with open_objects(room) as borrowed:
            yield History(borrowed, commits[0], commits[1], merge_base)


def _commit(repository: Path, option: str, name: str) -> str:
    """The id of the commit that a revision names; never an option of git's."""
    told = f"--{option} {name[:_LONGEST_REVISION]!r}: names no commit in {repository}; "
    problem = UsageError(told + "expected a branch or the id of a commit that has been fetched")
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
