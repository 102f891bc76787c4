"""Reads what two commits contain, from git objects alone, within bounds.

The repository's own configuration, hooks, attributes, grafts and replacements are controlled by
whoever made the clone. Revisions are looked up there once; everything else is read in a *clean
room*: an empty repository of ours that borrows the objects and nothing else.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError, UsageError
from harness.safeio.files import disk_errors
from harness.safeio.git_objects import (
    TREE,
    BeyondBoundsError,
    Entry,
    Objects,
    check_git,
    commit_named,
    git,
    open_objects,
)

MOST_TREES = 1000
MOST_ENTRIES = 5000
MOST_MERGE_BASES = 16


@dataclass(frozen=True)
class Change:
    """One changed name; ``mode`` is octal as git writes it, and empty for a removed name."""

    name: bytes
    mode: str


@dataclass(frozen=True)
class History:
    """A base, a head and all their merge bases (none: unrelated histories), as full commit ids.

    ``room`` is the clean room: git can be run in it, and may write there.
    """

    objects: Objects
    room: Path
    base: str
    head: str
    merge_bases: tuple[str, ...]

    def changes(self) -> list[Change]:
        """Names that the head itself changes; a rename counts as a removal and an addition.

        At these names it differs from one of the merge bases (so a merge from there would not
        simply keep the base's content) and from the base's tip.

        Raises:
            BeyondBoundsError: more than ``MOST_ENTRIES`` names, ``MOST_TREES`` folders or
                ``MOST_MERGE_BASES`` merge bases.
        """
        if len(self.merge_bases) > MOST_MERGE_BASES:
            raise BeyondBoundsError(
                f"it parted from the base in {len(self.merge_bases):,} places, at most "
                f"{MOST_MERGE_BASES} are looked at; rebase on the base branch"
            )
        found: dict[bytes, Change] = {}
        for merge_base in self.merge_bases:
            trees = (f"{commit}^{{tree}}" for commit in (merge_base, self.head, self.base))
            found |= {change.name: change for change in self._between(*trees)}
        return [found[name] for name in sorted(found)]

    def changes_to(self, tree: str) -> list[Change]:
        """Names at which a tree differs from the base's tip; raises as :meth:`changes` does."""
        tip = f"{self.base}^{{tree}}"
        return self._between(tip, tree, tip)

    def _between(self, before: str, after: str, tip: str) -> list[Change]:
        """Names at which ``after`` differs from both ``before`` and ``tip``, sorted.

        Trees are compared here, level by level: git's own comparison lists everything in memory
        before it says anything, and a few hundred bytes of trees can expand to any number of names.
        """
        changes: list[Change] = []
        start: tuple[str | None, ...] = (before, after, tip)
        waiting: list[tuple[bytes, tuple[str | None, ...]]] = [(b"", start)]
        trees = 0
        while waiting:
            place, three = waiting.pop()
            old, new, now = (self._inside(place, tree) for tree in three)
            trees += 1
            for name in old.keys() | new.keys() | now.keys():
                entries = [side.get(name, _NOTHING) for side in (old, new, now)]
                if entries[1] in (entries[0], entries[2]):
                    continue
                if any(entry.mode == TREE for entry in entries):
                    waiting.append((name, tuple(_tree_of(entry) for entry in entries)))
                was, will, stands = (_NOTHING if e.mode == TREE else e for e in entries)
                if will not in (was, stands):
                    changes.append(Change(name, will.mode))
            _bounded(trees, len(changes) + len(waiting), "changes")
        return sorted(changes, key=lambda change: change.name)

    def tree(self, start: str, parts: Sequence[bytes]) -> str | None:
        """The id of the tree at ``parts`` below a commit or a tree; None if there is none."""
        current = f"{start}^{{tree}}"
        for part in parts:
            inner = next((e for e in self.entries(current) if e.name == part), _NOTHING)
            if inner.mode != TREE:
                return None
            current = inner.id
        return current

    def entries(self, tree: str) -> list[Entry]:
        """The direct entries of a tree."""
        return self.objects.tree(tree)

    def files(self, tree: str) -> list[Entry]:
        """All entries below a tree that are no trees themselves, with names relative to it.

        Raises:
            BeyondBoundsError: there are more than ``MOST_ENTRIES`` of them, or more than
                ``MOST_TREES`` folders.
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
        """The entries of the tree at ``place``, by their names with ``place`` before them."""
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
        repository: a clone, or a folder in one; it is not modified.
        base: the revision that the pull request is to be merged into.
        head: the revision that it proposes.

    Raises:
        UsageError: there is no repository, or a revision does not name a commit in it.
        InfrastructureError: git is missing or too old, the clone is shallow, or objects are
            missing.
    """
    check_git()
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
        commit_named(repository, name, told=f"--{option} ")
        for option, name in (("base", base), ("head", head))
    ]
    with tempfile.TemporaryDirectory(prefix="pgolf-gate-") as place, disk_errors(Path(place)):
        room = Path(place) / "room.git"
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
        git(Path(place), *init, str(room), what="a clean room")
        alternates = room / "objects/info/alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_bytes(os.fsencode(objects) + b"\n")
        # Where a commit is missing and nothing marks the gap, merge-base would still give an
        # answer.
        git(room, "rev-list", "--count", *commits, what="what came before them")
        # All merge bases: which one git names first depends on dates that the author chooses.
        found = git(room, "merge-base", "--all", *commits, what="where they parted", codes=(0, 1))
        merge_bases = tuple(sorted(found.decode("ascii").split()))
        with open_objects(room) as borrowed:
            yield History(borrowed, room, commits[0], commits[1], merge_bases)
