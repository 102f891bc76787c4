"""Record folders of pull requests' heads, read from git's objects; nothing is checked out."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.adopt.adoption import Adoption
from harness.adopt.many import adopt_cached, read_in_parallel
from harness.errors import InfrastructureError
from harness.safeio.git_objects import (
    TREE,
    BeyondBoundsError,
    Entry,
    Objects,
    check_git,
    commit_named,
    open_objects,
)
from harness.upstream.folder import RecordFolder

RECORDS = "records"
_AT_ONCE = 6
_DEEPEST = 4
_MOST_FILES = 2000
_LARGEST_FILE_BYTES = 2 << 20
_MOST_BYTES = 48 << 20
_PLAIN_NAME = re.compile(rb"[^\0/]{1,255}")
_READ = (".py", ".md", ".sh", ".bash", ".slurm", ".sbatch", ".json", ".log", ".txt", ".out",
         ".err", ".logs")  # fmt: skip


def adopt_heads(
    repository: Path,
    references: Sequence[str],
    *,
    base: str = "HEAD",
    workers: int | None = None,
    cache: Path | None = None,
) -> Iterator[Adoption]:
    """Read the record folder that each head adds or changes, in their order.

    Args:
        repository: a clone with the objects of all heads.
        references: revisions, such as ``refs/pull/1/head``.
        base: what they are compared with: a folder that is the same there is not theirs.
        workers: processes; one a core when None.
        cache: a directory for what was read; nothing is kept when None.

    Raises:
        UsageError: a revision names no commit.
        InfrastructureError: git fails, or a worker died.
    """
    check_git()
    commits = [(name, commit_named(repository, name)) for name in references]
    base_commit = commit_named(repository, base)
    batches = [commits[i : i + _AT_ONCE] for i in range(0, len(commits), _AT_ONCE)]
    if len(batches) < 2:
        for batch in batches:
            yield from _read_heads(repository, batch, base_commit, cache)
        return
    tasks = [(_read_heads, (repository, batch, base_commit, cache)) for batch in batches]
    yield from read_in_parallel(tasks, workers)


def _read_heads(
    repository: Path, heads: Sequence[tuple[str, str]], base: str, cache: Path | None
) -> list[Adoption]:
    read = []
    with open_objects(repository) as objects:
        before = dict(_records(objects, base))
        for name, commit in heads:
            read.append(_read_head(objects, name, commit, before, cache))
    return read


def _read_head(
    objects: Objects, name: str, commit: str, before: dict[str, str], cache: Path | None
) -> Adoption:
    try:
        changed = [(p, i) for p, i in _records(objects, commit) if before.get(p) != i]
        if not changed:
            return _none(name, "no-record", "adds or changes no record folder")
        path, identity = _chosen(objects, changed, before)
        with tempfile.TemporaryDirectory(prefix="harness-adopt-") as room:
            place = Path(room) / (path.rpartition("/")[2].replace("\0", "") or "record")
            place.mkdir()
            _write(objects, identity, place, [0, 0], 0)
            return adopt_cached(RecordFolder(place), cache, origin=f"{name}:{path}")
    except BeyondBoundsError as error:
        return _none(name, "too-large", str(error))
    except OSError as error:
        raise InfrastructureError(f"cannot unpack a head: {error}") from error


def _none(name: str, reason: str, sentence: str) -> Adoption:
    return Adoption(name=name, adoption="none", reason=reason, reasons=(sentence,), origin=name)


def _records(objects: Objects, commit: str) -> Iterator[tuple[str, str]]:
    """The folders below ``records/`` that hold files, and the ids of their trees."""
    top = objects.tree(f"{commit}^{{tree}}")
    roots = [entry for entry in top if entry.name == RECORDS.encode() and entry.mode == TREE]
    waiting = [(RECORDS, entry.id, 0) for entry in roots]
    while waiting:
        path, identity, depth = waiting.pop()
        entries = objects.tree(identity)
        files = [entry for entry in entries if entry.mode != TREE and _marks(entry)]
        if files:
            yield path, identity
        elif depth < _DEEPEST:
            waiting += [
                (f"{path}/{entry.name.decode('utf-8', 'replace')}", entry.id, depth + 1)
                for entry in entries
                if entry.mode == TREE
            ]


def _marks(entry: Entry) -> bool:
    return entry.name.endswith(b".py") or entry.name in (b"submission.json", b"README.md")


def _chosen(
    objects: Objects, changed: list[tuple[str, str]], before: dict[str, str]
) -> tuple[str, str]:
    """The newest new folder with a script and claims; else the newest with a script."""

    def rank(one: tuple[str, str]) -> tuple[bool, bool, bool, str]:
        path, identity = one
        names = [entry.name for entry in objects.tree(identity)]
        script = any(name.endswith(b".py") for name in names)
        claims = any(name.startswith(b"submission") and name.endswith(b".json") for name in names)
        return script, claims, path not in before, path.rpartition("/")[2]

    return max(changed, key=rank)


def _write(objects: Objects, identity: str, place: Path, spent: list[int], depth: int) -> None:
    """Write the texts of a tree below a directory of ours: scripts, READMEs, claims, logs."""
    for entry in objects.tree(identity):
        name = entry.name
        plain = _PLAIN_NAME.fullmatch(name) and name not in (b".", b"..", b".git")
        if not plain or spent[0] >= _MOST_FILES:
            continue
        try:
            text = name.decode()
        except UnicodeDecodeError:
            continue
        if entry.mode == TREE and depth < _DEEPEST:
            (place / text).mkdir()
            _write(objects, entry.id, place / text, spent, depth + 1)
        elif entry.mode in ("100644", "100755") and text.lower().endswith(_READ):
            size = objects.size_bytes(entry.id)
            if size <= _LARGEST_FILE_BYTES and spent[1] + size <= _MOST_BYTES:
                content = objects.blob(entry.id, limit_bytes=_LARGEST_FILE_BYTES)
                (place / text).write_bytes(content)
                spent[0], spent[1] = spent[0] + 1, spent[1] + size
