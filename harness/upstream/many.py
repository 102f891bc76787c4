"""Many folders in upstream's layout: where they are, and how their reading is spread over cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import TypeVar

from harness.errors import InfrastructureError, UsageError
from harness.safeio.reading import no_folder
from harness.upstream.folder import AN_ENTRY

_DEEPEST = 4
_MOST_FOLDERS = 100_000
Read = TypeVar("Read")
Task = tuple[Callable[..., list[Read]], tuple[object, ...]]
"""A function of a module, and its arguments."""


def find_folders(paths: Sequence[Path], *, marks: Callable[[str], bool]) -> list[Path]:
    """The folders among ``paths`` and below them that hold a file whose name marks them.

    Raises:
        UsageError: a path is no folder.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            is_folder = path.is_dir()
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
        if not is_folder:
            raise UsageError(no_folder(path, expected=AN_ENTRY), file=path)
        below = list(islice(_marked(path, 0, marks), _MOST_FOLDERS))
        found.update(dict.fromkeys(below or [path]))
    return list(found)


def _marked(path: Path, depth: int, marks: Callable[[str], bool]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        return
    if any(marks(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)):
        yield path
        return
    if depth < _DEEPEST:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _marked(path / entry.name, depth + 1, marks)


def worker_count(workers: int | None) -> int:
    """How many processes: as many as asked for, else one a core.

    Raises:
        UsageError: less than 1 was asked for.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: expected 1 or more")
    return workers or len(os.sched_getaffinity(0))


def in_parallel(
    tasks: Sequence[Task[Read]],
    workers: int | None,
    *,
    who: str,
    begins: Callable[[], None] | None = None,
) -> Iterator[Read]:
    """What tasks give, in their order.

    Args:
        tasks: what is done.
        workers: see :func:`worker_count`.
        who: what a worker is called in an error.
        begins: called once in each worker.

    Raises:
        InfrastructureError: a worker died.
    """
    count = worker_count(workers)
    waiting: list[Future[list[Read]]] = []
    with ProcessPoolExecutor(count, initializer=begins) as pool:
        try:
            for function, arguments in tasks:
                waiting.append(pool.submit(function, *arguments))
                if len(waiting) >= 2 * count:  # no more results than these are ever kept
                    yield from waiting.pop(0).result()
            for done in waiting:
                yield from done.result()
        except BrokenProcessPool as error:
            raise InfrastructureError(f"{who} died", remedy="try again with --workers 1") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
