"""Reads many folders in parallel; what was read once, by the same code, is kept in a cache."""

import gc
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from harness.adopt.adoption import Adoption
from harness.adopt.find_bridge import adopt
from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.safeio.files import write_atomically
from harness.safeio.reading import read_named
from harness.upstream.folder import LARGEST_TEXT_BYTES, BrokenFileError, RecordFolder
from harness.upstream.logs.runs import log_names
from harness.upstream.many import Task, in_parallel, worker_count
from harness.upstream.settings import MOST_LOGS

_AT_ONCE = 8  # folders handed to a worker at once
_WORTH_WORKERS = 12  # fewer folders than this are done before a worker has started
# What a reading depends on: its result is kept until one of these changes.
_READING_CODE = ("adopt", "source_code", "upstream", "inside/upstream", "contest/bridge.py")
_READ = (".py", ".md", ".sh", ".bash", ".slurm", ".sbatch", ".json")
_LARGEST_KEPT_BYTES = 1 << 20


def marks(name: str) -> bool:
    """Whether a file of that name makes a folder one to read."""
    return name.endswith(".py") or (name.startswith("submission") and name.endswith(".json"))


def adopt_many(
    folders: Sequence[Path], *, workers: int | None = None, cache: Path | None = None
) -> Iterator[Adoption]:
    """Read folders, in their order.

    Args:
        folders: record folders.
        workers: processes; one a core when None.
        cache: a directory for what was read; nothing is kept when None.

    Raises:
        UsageError: a folder cannot be read, or ``workers`` is less than 1.
        InfrastructureError: a worker died.
    """
    batches = [folders[i : i + _AT_ONCE] for i in range(0, len(folders), _AT_ONCE)]
    if worker_count(workers) == 1 or len(folders) < _WORTH_WORKERS:
        for folder in folders:
            yield adopt_cached(RecordFolder(folder), cache)
        return
    yield from read_in_parallel([(_batch, (batch, cache)) for batch in batches], workers)


def read_in_parallel(tasks: Sequence[Task[Adoption]], workers: int | None) -> Iterator[Adoption]:
    """What tasks read, in their order; raises InfrastructureError when a worker died."""
    yield from in_parallel(tasks, workers, who="a worker that read scripts", begins=_quiet)


def _quiet() -> None:
    """Syntax trees are many objects without circles: collecting as they grow is for nothing."""
    gc.set_threshold(200_000, 50, 100)


def _batch(folders: Sequence[Path], cache: Path | None) -> list[Adoption]:
    return [adopt_cached(RecordFolder(folder), cache) for folder in folders]


def adopt_cached(folder: RecordFolder, cache: Path | None, origin: str | None = None) -> Adoption:
    """Read a folder, or take what was read of the same files by the same code."""
    if cache is None:
        return _from(adopt(folder), origin)
    kept = cache / f"{_digest(folder)}.json"
    try:
        content = read_named(kept, limit_bytes=_LARGEST_KEPT_BYTES)
        found = Adoption.model_validate_json(content)
        return _from(found.model_copy(update={"name": folder.path.name}), origin)
    except (OSError, ValidationError):
        adoption = adopt(folder)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, adoption.model_dump_json().encode())
    except (OSError, InfrastructureError) as error:
        raise InfrastructureError(
            f"cannot keep what was read: {error}", file=cache, remedy="name another --cache"
        ) from error
    return _from(adoption, origin)


def _from(adoption: Adoption, origin: str | None) -> Adoption:
    return adoption.model_copy(update={"origin": origin}) if origin else adoption


@lru_cache(maxsize=1)
def _code_digest() -> bytes:
    digest = hashlib.sha256()
    for place in _READING_CODE:
        path = PACKAGE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = str(file.relative_to(PACKAGE.parent))
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.digest()


def _digest(folder: RecordFolder) -> str:
    """Of the reading code, of all names, and of the files that a reading looks at."""
    digest = hashlib.sha256(_code_digest())
    logs = set(log_names(folder)[:MOST_LOGS])
    for name, file in sorted(folder.files.items()):
        digest.update(f"{name}\0{file.bytes}\0{file.here}\0".encode("utf-8", "surrogatepass"))
        if file.here and (name.lower().endswith(_READ) or name in logs):
            try:
                digest.update(hashlib.sha256(folder.read(name, LARGEST_TEXT_BYTES)).digest())
            except BrokenFileError:
                continue
    return digest.hexdigest()


@dataclass
class Tally:
    """How many folders have which class, and for which reason."""

    classes: Counter[str]
    reasons: Counter[tuple[str, str]]

    @classmethod
    def empty(cls) -> "Tally":
        """Of no folders."""
        return cls(Counter(), Counter())

    def add(self, adoption: Adoption) -> None:
        """Count a folder."""
        self.classes[adoption.adoption] += 1
        self.reasons[adoption.adoption, adoption.reason] += 1

    @property
    def total(self) -> int:
        """All folders."""
        return sum(self.classes.values())
