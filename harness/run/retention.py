"""What is kept and no longer needed: found first, and removed only when somebody says so.

Three things take the room: sealed artifacts of entries that were rejected; what tries left that do
not count, because our side lost them; and datasets made with entries' own tokenizers, which are
made again when they are wanted. Plans, evidence, logs and code always stay, so whatever was judged
can be judged again. Instead of a removed artifact lies a note (:data:`PRUNED`), without which its
absence would be damage.

A verification stays whole if a leaderboard holds a record of the same submission on the same track,
retracted or not; if it is not finished; if it is being scored again; or if its verdict is any but
REJECTED, since all others can be resumed, confirmed or accepted. So does a try that waits to go on
on another machine, and one that was scored and then lost while none was made in its place, whose
score will count beside, unless the entry was rejected. A draw that somebody is at work on is left
alone.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, InfrastructureError
from harness.evidence.draws import Draw
from harness.evidence.places import EVIDENCE, PRUNED, VERDICT, is_run_directory
from harness.evidence.steps import STEPS
from harness.evidence.store import RunDirectory
from harness.judge.verdict_file import read_verdict
from harness.ledger.chain import Leaderboard
from harness.run.derived import Kept, clear, derived, kept
from harness.safeio.files import disk_errors, write_atomically

Why = Literal[
    "artifact of a rejected entry", "left by a try that does not count", "derived dataset"
]
_SECONDS_A_DAY = 86_400
_SEALED = ("artifact", "checkpoint")


@dataclass(frozen=True)
class Needless:
    """Files that can go.

    Attributes:
        why: what they are.
        path: a try's directory, or that of a dataset.
        files: in a try, the files that go; empty where the whole dataset does.
        bytes: of all of them.
        used_at: when they were last of use, in seconds since 1970.
        noted: whether a note must say that they were there.
    """

    why: Why
    path: Path
    files: tuple[Path, ...]
    bytes: int
    used_at: float
    noted: bool = False


def needless(
    runs: Path, data: Path, board: Leaderboard, *, older_than_days: float, now: float | None = None
) -> list[Needless]:
    """Everything that can go, the largest first; changes nothing.

    Directories that cannot be read are passed over: whoever judges them is told why.

    Args:
        runs: the directory of the verifications; it need not exist.
        data: that of the datasets.
        board: whose records keep what they rest on.
        older_than_days: since it was judged, or a dataset was last used.
        now: in seconds since 1970; the clock's time if None.
    """
    before = (time.time() if now is None else now) - older_than_days * _SECONDS_A_DAY
    found = [_dataset(each) for each in kept(derived(data)) if not each.in_use]
    directories = _verifications(runs)
    copied = {
        each.plan.copies.directory
        for each in directories
        if each.plan.copies and not (each.path / VERDICT).is_file()
    }
    for directory in directories:
        if directory.path.name not in copied:  # else it is being scored again
            with contextlib.suppress(HarnessError):
                found += _of_verification(directory, board)
    return sorted(
        (each for each in found if each.used_at < before), key=lambda each: (-each.bytes, each.path)
    )


def _verifications(runs: Path) -> list[RunDirectory]:
    found = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        with contextlib.suppress(HarnessError):
            if path.is_dir() and not path.is_symlink() and is_run_directory(path):
                found.append(RunDirectory.open(path))
    return found


def remove(found: Sequence[Needless], *, data: Path) -> int:
    """Remove what was found; the bytes that were won. What is in use by now stays.

    Raises:
        InfrastructureError: the disk does not let us.
    """
    won = 0
    for each in found:
        if each.files:
            won += _remove_files(each)
        else:
            gone, _ = clear(derived(data), [each.path.name])
            won += sum(dataset.bytes for dataset in gone)
    return won


def _remove_files(each: Needless) -> int:
    directory = RunDirectory.open(each.path.parents[1])
    draw = next(d for d in directory.plan.draws if directory.draw_directory(d) == each.path.parent)
    try:
        with directory.lock(), directory.hold(draw), disk_errors(each.path):
            if _used_at(directory, draw) != each.used_at:  # somebody was at work on it meanwhile
                return 0
            if each.noted:
                when = datetime.now(UTC).isoformat(timespec="seconds")
                write_atomically(each.path / PRUNED, f'{{"at": "{when}"}}\n'.encode())
            for file in each.files:
                file.unlink(missing_ok=True)
    except InfrastructureError:
        if any(file.exists() for file in each.files):  # somebody is at work on it
            return 0
        raise
    return each.bytes


def _dataset(each: Kept) -> Needless:
    return Needless("derived dataset", each.directory, (), each.bytes, each.used_at)


def _of_verification(directory: RunDirectory, board: Leaderboard) -> Iterator[Needless]:
    place = directory.path / VERDICT
    if not place.is_file() or _is_a_records(directory, board):
        return
    rejected = read_verdict(place).verdict.verdict == "REJECTED"
    for draw in directory.plan.draws:
        if directory.is_held(draw):
            continue
        needed = _counting(directory, draw)
        used_at = _used_at(directory, draw)
        waiting = directory.waiting(draw)
        for attempt in range(1, directory.attempts(draw) + 1):
            path = directory.try_directory(draw, attempt)
            counts = attempt in needed
            waits = waiting is not None and attempt == waiting.attempt
            if waits and not rejected:
                continue
            noted = counts and rejected
            why: Why = (
                "artifact of a rejected entry" if noted else "left by a try that does not count"
            )
            files = tuple(_left(path, sealed=rejected or not counts))
            if files:
                size = sum(file.lstat().st_size for file in files)
                yield Needless(why, path, files, size, used_at, noted=noted)


def _counting(directory: RunDirectory, draw: Draw) -> set[int]:
    """The tries of a draw whose scores count, or will once a further one is made."""
    counted = directory.counted(draw)
    runs = [] if counted is None else [counted, *directory.beside(counted)]
    if counted is None or counted.lost:
        runs += [run for run in directory.tries(draw) if run.scores is not None]
    return {run.attempt for run in runs}


def _used_at(directory: RunDirectory, draw: Draw) -> float:
    """When a verification was judged, or evidence of a draw was written, whichever was later."""
    tries = range(1, directory.attempts(draw) + 1)
    files = [directory.try_directory(draw, attempt) / EVIDENCE for attempt in tries]
    return max(
        file.stat().st_mtime for file in [directory.path / VERDICT, *files] if file.is_file()
    )


def _is_a_records(directory: RunDirectory, board: Leaderboard) -> bool:
    """Whether a record stands, or stood, for the same submission on the same track."""
    plan = directory.plan
    records = [*board.records, *(record for record, _ in board.retracted)]
    return any(
        record.submission_digest == plan.entry.digest and record.track_digest == plan.track_digest
        for record in records
    )


def _left(path: Path, *, sealed: bool) -> Iterator[Path]:
    """Answers that a try left, and what it sealed; links and folders are not ours, and stay."""
    files = [path / step.answers_file for step in STEPS]
    for name in _SEALED if sealed else ():
        folder = path / name
        if folder.is_dir() and not folder.is_symlink():
            files += sorted(folder.iterdir())
    yield from (file for file in files if file.is_file() and not file.is_symlink())
