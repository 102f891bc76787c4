"""What a pull request may change: one submission folder of ordinary files with ordinary names.

Changes are those that merging would make on the base; ``merging.py`` determines them.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from harness.gate.history import Change, History
from harness.gate.merging import merged
from harness.models import Finding
from harness.safeio.git_objects import Entry
from harness.safeio.text import folded, has_unseen

LARGEST_FILE_BYTES = 16_000_000
LARGEST_FOLDER_BYTES = 32 << 20
MOST_FILES = 500
MOST_OF_A_KIND = 20
_LONGEST_NAME_BYTES = 200
_CATCH_UP = "merge the base branch into it, or rebase on that"
_ORDINARY_MODES = ("100644", "100755")
_MODES = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a folder"}
_DEVICES = frozenset({"con", "prn", "aux", "nul"}) | {
    f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789"
}
# Characters that some file systems do not allow, or that a shell or a report would misread.
_REFUSED_CHARACTERS = frozenset('\\:*?"<>|')


@dataclass(frozen=True)
class Touched:
    """The submission folder that a pull request is about, and what is wrong with its changes.

    ``folder`` is relative to the repository, None if there is not exactly one. ``entries`` are its
    files at the head, with names relative to it; empty if something is wrong with them.
    """

    folder: str | None
    is_new: bool
    entries: tuple[Entry, ...]
    notes: tuple[Finding, ...]


@dataclass
class _Changes:
    """Changes, grouped by their place."""

    outside: list[Change] = field(default_factory=list)
    by_folder: dict[bytes, list[Change]] = field(default_factory=dict)


def touched(history: History, *, root: PurePosixPath) -> Touched | None:
    """Find the one submission folder below ``root`` that the head adds or changes.

    Returns:
        None if no file in such a folder is changed, whatever else is changed.

    Raises:
        BeyondBoundsError: there are too many changes to read.
        InfrastructureError: objects are missing, or git cannot merge.
    """
    changes = _sorted(history.changes(), _parts(root))
    posing = [change for change in changes.outside if _is_posing(change, _parts(root))]
    if posing:
        note = _fail(f"{_MODES[posing[0].mode]}, where a folder is expected", posing[0].name)
        return Touched(folder=None, is_new=False, entries=(), notes=(note,))
    if not changes.by_folder:
        return None
    notes = _outside(changes.outside, "is in no submission's folder")
    if len(changes.by_folder) > 1:
        notes.append(_several(history, changes.by_folder, root))
        return Touched(folder=None, is_new=False, entries=(), notes=tuple(notes))
    ((name, changed),) = changes.by_folder.items()
    folder = f"{root}/{_shown(name)}"
    parts = (*_parts(root), name)
    tree = history.tree(history.head, parts)
    before = {history.tree(merge_base, parts) for merge_base in history.merge_bases}
    is_new = before == {None}
    if tree is None:
        notes.append(_fail(f"removes {folder}: a submission may be added or changed"))
        return Touched(folder=folder, is_new=False, entries=(), notes=tuple(notes))
    if is_new:
        notes += _taken(history, name, root)
    elif before != {history.tree(history.base, parts)}:
        notes.append(_fail(f"{folder} has changed on the base since; rebase on it"))
    entries = history.files(tree)
    problems = [*_name_problems((name,), folder=None), *_examine(history, entries, folder)]
    if not notes and not problems:  # so the work of the merge is bounded
        notes += _merging(history, parts, tree)
    notes += [] if notes else [_agreed(folder, changed, is_new=is_new)]
    return Touched(
        folder=folder,
        is_new=is_new,
        entries=() if problems else tuple(entries),
        notes=(*notes, *problems),
    )


def _merging(history: History, parts: tuple[bytes, ...], tree: str) -> list[Finding]:
    """Reasons why the merge is not just the base's tip with the head's version of this folder."""
    result = merged(history)
    if result.tree is None:
        names = ", ".join(_shown(name) for name in result.conflicts[:5]) or "a renamed folder"
        more = f" and {len(result.conflicts) - 5:,} more" if len(result.conflicts) > 5 else ""
        return [_fail(f"cannot be merged, conflict in {names}{more}; {_CATCH_UP}")]
    changed = history.changes_to(result.tree)
    beside = [change for change in changed if tuple(change.name.split(b"/"))[: len(parts)] != parts]
    if beside:
        return _outside(beside, f"would be changed by merging ({_CATCH_UP})")
    if history.tree(result.tree, parts) != tree:
        folder = _shown(b"/".join(parts))
        return [_fail(f"{folder} would be merged otherwise than it is at the head; {_CATCH_UP}")]
    return []


def _outside(changes: Sequence[Change], what: str) -> list[Finding]:
    notes = [
        _fail(f"{what}; a submission may change only its own", change.name)
        for change in changes[:MOST_OF_A_KIND]
    ]
    if (left := len(changes) - len(notes)) > 0:
        notes.append(_fail(f"changes {left:,} more files outside of its own folder"))
    return notes


def _examine(history: History, entries: Sequence[Entry], folder: str) -> list[Finding]:
    """Why the files of a folder cannot be written out and read; empty for ordinary files."""
    if len(entries) > MOST_FILES:
        detail = f"{folder} holds {len(entries):,} files; at most {MOST_FILES} are looked at"
        return [Finding(id="size", status="fail", detail=detail)]
    notes = []
    total = 0
    for entry in entries:
        where = f"{folder}/{_shown(entry.name)}"
        if entry.mode not in _ORDINARY_MODES:
            what = _MODES.get(entry.mode, f"of mode {entry.mode}")
            detail = f"is {what}; expected a regular file: put the file itself there"
            notes.append(Finding(id="kind", status="fail", detail=detail, file=where))
            continue
        size = history.objects.size_bytes(entry.id)
        total += size
        if size > LARGEST_FILE_BYTES:
            detail = f"{size:,} bytes; no file may have more than {LARGEST_FILE_BYTES:,}, "
            detail += "and no artifact belongs into the repository"
            notes.append(Finding(id="size", status="fail", detail=detail, file=where))
    if not notes and total > LARGEST_FOLDER_BYTES:
        detail = f"{folder} holds {total:,} bytes; at most {LARGEST_FOLDER_BYTES:,} are read"
        notes.append(Finding(id="size", status="fail", detail=detail))
    notes += _name_problems([entry.name for entry in entries], folder=folder)
    return notes[:MOST_OF_A_KIND]


def _sorted(changes: Iterable[Change], root: tuple[bytes, ...]) -> _Changes:
    found = _Changes()
    for change in changes:
        parts = tuple(change.name.split(b"/"))
        if len(parts) > len(root) + 1 and parts[: len(root)] == root:
            found.by_folder.setdefault(parts[len(root)], []).append(change)
        else:
            found.outside.append(change)
    return found


def _is_posing(change: Change, root: tuple[bytes, ...]) -> bool:
    """Whether a link or a submodule is in the place of a submission's folder, or leads there."""
    parts = tuple(change.name.split(b"/"))
    return change.mode in _MODES and parts == root[: len(parts)] + parts[len(root) :]


def _several(history: History, folders: dict[bytes, list[Change]], root: PurePosixPath) -> Finding:
    names = sorted(folders)
    listed = ", ".join(f"{root}/{_shown(name)}" for name in names[:5])
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    gone = (
        [name for name in names if history.tree(history.head, (*_parts(root), name)) is None]
        if len(names) == 2
        else []
    )
    hint = "; a renamed folder counts as two: keep its name" if gone else ""
    return _fail(f"changes {len(names)} submission folders, expected one: {listed}{more}{hint}")


def _taken(history: History, name: bytes, root: PurePosixPath) -> list[Finding]:
    """Refuse a new folder that the base has by now, or whose name differs from one only by case."""
    tree = history.tree(history.base, _parts(root))
    siblings = history.entries(tree) if tree else []
    for sibling in siblings:
        if _folded(sibling.name) == _folded(name):
            taken = f"{root}/{_shown(sibling.name)}"
            return [_fail(f"{taken} exists on the base; choose another name, or rebase on it")]
    return []


def _agreed(folder: str, changed: Sequence[Change], *, is_new: bool) -> Finding:
    files = f"{len(changed):,} {'file' if len(changed) == 1 else 'files'}"
    if is_new:
        return Finding(
            id="scope", status="pass", detail=f"adds {folder}, {files}, and nothing else"
        )
    removed = sum(not change.mode for change in changed)
    detail = f"changes {files} of {folder}, which exists"
    detail += f" ({removed:,} of them removed)" if removed else ""
    detail += "; what was found of it before does not hold for it as it will be"
    return Finding(id="scope", status="unknown", detail=detail)


def _name_problems(names: Sequence[bytes], *, folder: str | None) -> list[Finding]:
    """Problems with names that some system cannot store, or that collide on some system."""
    notes = []
    seen: dict[str, bytes] = {}
    for name in names:
        where = f"{folder}/{_shown(name)}" if folder else None
        if problem := name_problem(name):
            detail = f"{_shown(name)}: the name {problem}"
            notes.append(Finding(id="name", status="fail", detail=detail, file=where))
            continue
        # Folders collide as files do: a/x and A/y lie in the same folder on some systems.
        parts = name.split(b"/")
        for depth in range(1, len(parts) + 1):
            path = b"/".join(parts[:depth])
            other = seen.setdefault(_folded(path), path)
            if other != path or (depth == len(parts) and names.count(name) > 1):
                detail = f"{_shown(path)} and {_shown(other)} are one name on some systems"
                notes.append(Finding(id="name", status="fail", detail=detail, file=where))
                break
    return notes


def name_problem(name: bytes) -> str | None:
    """Why no file or folder of a submission may have this name; None where it may."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8"
    refused = sorted(_REFUSED_CHARACTERS & set(text))
    problems = {
        f"is longer than {_LONGEST_NAME_BYTES} bytes": len(name) > _LONGEST_NAME_BYTES,
        "holds a character that cannot be seen": has_unseen(text),
        f"holds {' '.join(refused)}": bool(refused),
        "holds a part that is empty, or begins or ends oddly": any(
            not part or part[0] in "- " or part[-1] in ". " for part in text.split("/")
        ),
        "is that of a device on some systems": any(
            part.partition(".")[0].casefold() in _DEVICES for part in text.split("/")
        ),
        "is one that git itself would obey": any(
            part.casefold().startswith(".git") for part in text.split("/")
        ),
    }
    return next((problem for problem, found in problems.items() if found), None)


def _fail(detail: str, name: bytes | None = None) -> Finding:
    file = None if name is None else _shown(name)
    return Finding(id="scope", status="fail", detail=detail, file=file)


def _parts(path: PurePosixPath) -> tuple[bytes, ...]:
    return tuple(os.fsencode(part) for part in path.parts)


def _folded(name: bytes) -> str:
    return folded(name.decode("utf-8", "surrogateescape"))


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
