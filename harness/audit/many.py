"""Finds many record folders below a directory and audits them in parallel, ordered by date.

Results are yielded one by one and not kept, so memory stays constant for thousands of folders.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.audit.findings import FolderAudit
from harness.audit.one import (
    Bar,
    judge,
    judge_again,
    read_folder,
    unreadable,
)
from harness.audit.policy import Policy, load_policy
from harness.audit.summary import date_of
from harness.contest.track import Track
from harness.errors import UsageError
from harness.upstream.claims import read_claims
from harness.upstream.folder import MANIFEST, RecordFolder
from harness.upstream.many import Task, find_folders, in_parallel, worker_count

COMPARED = ("strict", "readme", "practice")  # from the strictest to the most lenient
_AT_ONCE = 8  # folders handed to a worker at once
_WORTH_WORKERS = 24  # fewer folders than this are done before a worker has started


@dataclass(frozen=True)
class Order:
    """What every folder is audited with: track, policies and bar."""

    track: Track
    policies: tuple[Policy, ...]
    bar: Bar | None = None


@dataclass
class Standings:
    """The records seen so far, to find the best before a date."""

    seen: list[tuple[str, bool, Bar]] = field(default_factory=list)

    def best_before(self, date: str | None) -> Bar | None:
        """The best score of an earlier date; a score on another text only if there is no other."""
        earlier = [(sound, bar) for other, sound, bar in self.seen if _earlier(other, date)]
        bars = [bar for sound, bar in earlier if sound] or [bar for _, bar in earlier]
        return min(bars, key=lambda bar: bar.bpb, default=None)

    def add(self, audit: FolderAudit) -> None:
        """Add a record, if its claim has runs behind it."""
        bar = bar_of(audit)
        if audit.date and bar and audit.claim.kind != "unsupported":
            failed = {found.id for found in audit.checks if found.status == "fail"}
            self.seen.append((audit.date, "denominator" not in failed, bar))


def _earlier(one: str, other: str | None) -> bool:
    if other is None:
        return False
    length = min(len(one), len(other))  # a date without a time of day is compared as a whole day
    return one[:length] < other[:length]


def bar_of(audit: FolderAudit) -> Bar | None:
    """A record as the bar for the next one: the mean of its counted runs."""
    scores = [run.val_bpb for run in audit.runs if run.counted and run.val_bpb is not None]
    if not scores:
        return None
    return Bar(sum(scores) / len(scores), audit.name, audit.date, tuple(scores))


def order_of(track: Track, *, policies: str, compare: bool, against: str | None) -> Order:
    """Build an order from the user's options.

    Args:
        track: the rules.
        policies: names separated by commas; the first decides the exit code.
        compare: add all policies that come with the harness.
        against: see :func:`bar_named`.

    Raises:
        UsageError: there is no such policy or bar.
    """
    names = [name.strip() for name in policies.split(",") if name.strip()]
    if compare and len(names) == 1:
        names += [name for name in COMPARED if name != names[0]]
    if not names:
        raise UsageError("--policy: expected a name")
    loaded = tuple(load_policy(name) for name in dict.fromkeys(names))
    bar = bar_named(against, track, loaded[0]) if against else None
    return Order(track, loaded, bar)


def bar_named(text: str, track: Track, policy: Policy) -> Bar:
    """Read the bar that ``--against`` names: a score in BPB, or the folder of a record.

    Raises:
        UsageError: it is neither, or a record without a score.
    """
    try:
        bpb = float(text)
    except ValueError:
        bpb = math.nan
    if 0 < bpb < 100:
        return Bar(bpb, f"{bpb:g} as given")
    path = Path(text)
    if not path.is_dir():
        raise UsageError(f"--against {text[:200]}: expected a record's folder, or a score in BPB")
    bar = bar_of(judge(read_folder(path, track), policy))
    if bar is None:
        raise UsageError(f"--against {text[:200]}: no score in the logs of that folder")
    return bar


def find_records(paths: Sequence[Path]) -> list[Path]:
    """The record folders among ``paths`` and below them.

    Raises:
        UsageError: a path is no folder.
    """
    return find_folders(paths, marks=_marks)


def _marks(name: str) -> bool:
    return (
        name == MANIFEST
        or (name.startswith("submission") and name.endswith(".json"))
        or (name.startswith("train") and name.endswith(".py"))
        or name.endswith(".log")
    )


def audit_records(
    folders: Sequence[Path], order: Order, *, workers: int | None = None
) -> Iterator[tuple[FolderAudit, ...]]:
    """Audit each folder, once for each policy.

    Several folders are yielded in the order of their dates, and each is tested against the best one
    before it, unless ``order`` names a bar.

    Raises:
        UsageError: a folder cannot be read, or ``workers`` is less than 1.
        InfrastructureError: a worker died.
    """
    count = worker_count(workers)
    if len(folders) == 1:
        yield _audited(folders[0], order)
        return
    dated = sorted(folders, key=lambda folder: (_date(folder) or "9999", folder.name))
    standings = Standings()
    for audits in _all_audits(dated, order, count):
        if order.bar is None:
            bar = standings.best_before(audits[0].date)
            if bar:
                audits = tuple(  # noqa: PLW2901 - the same audits, with their tests
                    judge_again(audit, order.track, policy, bar)
                    for audit, policy in zip(audits, order.policies, strict=True)
                )
        standings.add(audits[0])
        yield audits


def _date(folder: Path) -> str | None:
    record = RecordFolder(folder)
    return date_of(folder, read_claims(record))


def _all_audits(
    folders: Sequence[Path], order: Order, count: int
) -> Iterator[tuple[FolderAudit, ...]]:
    if count == 1 or len(folders) < _WORTH_WORKERS:
        for folder in folders:
            yield _audited(folder, order)
        return
    batches = [folders[i : i + _AT_ONCE] for i in range(0, len(folders), _AT_ONCE)]
    tasks: list[Task[tuple[FolderAudit, ...]]] = [(_batch, (batch, order)) for batch in batches]
    yield from in_parallel(tasks, count, who="a worker of the audit")


def _batch(folders: Sequence[Path], order: Order) -> list[tuple[FolderAudit, ...]]:
    return [_audited(folder, order) for folder in folders]


def _audited(folder: Path, order: Order) -> tuple[FolderAudit, ...]:
    try:
        evidence = read_folder(folder, order.track)
        return tuple(judge(evidence, policy, order.bar) for policy in order.policies)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - one stranger's folder must not stop the others
        reason = f"{type(error).__name__}: {error}"[:300]
        return tuple(unreadable(folder, order.track, policy, reason) for policy in order.policies)
