"""The leaderboard: accepted verdicts in one file of the repository, and the bar that they set.

It is a chain of events (``chain.py``). An event is added under a lock and the file replaced whole,
so that two maintainers (or two jobs) who accept at the same moment both find theirs in it.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.integrity import lies_ahead
from harness.evidence.plan import Bar
from harness.judge.check_figures import sizes_of
from harness.ledger.candidate import Candidate, check_under
from harness.ledger.chain import (
    Accepted,
    Leaderboard,
    Record,
    Retracted,
    broken_link,
    leaderboard_json,
)
from harness.models import Fact
from harness.package import REPOSITORY
from harness.safeio.files import disk_errors, write_atomically
from harness.safeio.parsing import parse_model, problems_of
from harness.safeio.reading import TooLargeError, read_named

FILE_NAME = "leaderboard.json"
LARGEST_BYTES = 16 << 20
FEWEST_DIGITS = 12


Made = TypeVar("Made", Accepted, Retracted)


class _Format1(Fact):
    """What a leaderboard was before it was a chain."""

    format: Literal[1]
    records: tuple[Any, ...]


def default_path() -> Path:
    """The leaderboard of the repository that this harness is run from."""
    return REPOSITORY / FILE_NAME


def load_leaderboard(path: Path) -> Leaderboard:
    """Read a leaderboard; an empty one of format 1 is an empty chain.

    Raises:
        UsageError: no such file, too large, not a leaderboard, or its chain is broken.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_BYTES)
        board = parse_model(Leaderboard, content, limit_bytes=LARGEST_BYTES)
    except TooLargeError as error:
        raise UsageError(f"{path}: {error.strerror}; not a leaderboard") from error
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror or error}; name a leaderboard with "
            '--leaderboard, or begin one: a file that holds {"format": 2, "events": []}'
        ) from error
    except ValidationError as error:
        if _is_empty_format_1(path, content):
            return Leaderboard()
        raise UsageError("not a leaderboard", file=path, problems=problems_of(error)) from error
    except ValueError as error:
        raise UsageError(f"{path}: not a leaderboard: {error}") from error
    if broken := broken_link(board):
        raise UsageError(f"{path}: a broken chain: {broken}; restore the file from git's history")
    return board


def _is_empty_format_1(path: Path, content: bytes) -> bool:
    try:
        earlier = _Format1.model_validate_json(content)
    except ValidationError:
        return False
    if earlier.records:
        raise UsageError(
            f"{path}: a leaderboard of format 1 with {len(earlier.records)} records, which names "
            'nobody who accepted them: begin a new file, {"format": 2, "events": []}, and accept '
            "their verdicts again"
        )
    return True


def bar_of(track: Track, path: Path) -> Bar | None:
    """What is to be beaten on a track at this moment; None where the track alone says so.

    Raises:
        UsageError: the track takes its bar from the leaderboard, and that cannot be read.
    """
    own = track.bar
    if own is None or not own.leaderboard or own.bpb is None:
        return None
    records = load_leaderboard(path).of(track)
    best = min(records, key=lambda record: record.mean_bpb, default=None)
    if best is None or best.mean_bpb >= own.bpb:
        return Bar(bpb=own.bpb, source=own.source)
    return Bar(
        bpb=best.mean_bpb,
        source=f"leaderboard: {best.submission} by {best.author}, verified on {best.date[:10]}, "
        f"mean of {len(best.seeds)} seeds",
        verdict_sha256=best.verdict_sha256,
        seeds=best.scores,
        brought_bytes=best.brought_bytes,
    )


def accept(
    path: Path,
    candidate: Candidate,
    *,
    track: Track,
    by: str,
    pull_request: str = "",
    commit: str = "",
    evidence: str = "",
) -> Record | None:
    """Add a verified verdict to a leaderboard.

    Args:
        path: the leaderboard; it exists.
        candidate: the verdict, and what was looked at.
        track: the rules that it must have been given under.
        by: who accepts it.
        pull_request: which one entered it.
        commit: of the entry.
        evidence: where its evidence lies.

    Returns:
        The new record, or None when this very verdict stands in the leaderboard already.

    Raises:
        UsageError: not VERIFIED, given under other rules, or the same submission stands in it.
    """
    record = _record(candidate, track)

    def event(board: Leaderboard) -> Accepted | None:
        for other in board.records:
            if other.verdict_sha256 == record.verdict_sha256:
                return None
            if (other.track, other.submission_digest) == (record.track, record.submission_digest):
                raise UsageError(
                    f"{path}: this submission was accepted on track {record.track} by the verdict "
                    f"{other.verdict_sha256[:12]} of {other.date[:10]}; one verdict each"
                )
        return _made(
            Accepted,
            before=board.head,
            by=by,
            pull_request=pull_request,
            commit=commit,
            evidence=evidence or candidate.published.verdict.evidence[:200],
            seen=candidate.seen,
            record=record,
        )

    return record if _append(path, event) else None


def retract(path: Path, digest: str, *, why: str, by: str) -> Record | None:
    """Take back an accepted verdict; it stays in the chain, and sets no bar any more.

    Args:
        path: the leaderboard.
        digest: SHA-256 of the verdict's file, or its first 12 digits or more.
        why: for people.
        by: who retracts it.

    Returns:
        The record that does not stand any more, or None when it was retracted already.

    Raises:
        UsageError: no such verdict was accepted, or several begin like that.
    """
    found: list[Record] = []

    def event(board: Leaderboard) -> Retracted | None:
        standing = _beginning(digest, board.records)
        if not standing and _beginning(digest, [record for record, _ in board.retracted]):
            return None
        if len(standing) != 1:
            raise UsageError(
                f"{path}: {digest[:64]}: {len(standing)} accepted verdicts begin like that; "
                f"expected the SHA-256 of one, or its first {FEWEST_DIGITS} digits or more"
            )
        found.extend(standing)
        return _made(
            Retracted, before=board.head, by=by, why=why, verdict_sha256=standing[0].verdict_sha256
        )

    return found[0] if _append(path, event) else None


def _beginning(digest: str, records: list[Record]) -> list[Record]:
    if len(digest) < FEWEST_DIGITS:
        return []
    return [record for record in records if record.verdict_sha256.startswith(digest)]


def _made(kind: type[Made], **fields: object) -> Made:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        return kind.model_validate({"at": now, **fields})
    except ValidationError as error:
        raise UsageError("not an event", problems=problems_of(error)) from error


def _append(path: Path, event: Callable[[Leaderboard], Accepted | Retracted | None]) -> bool:
    """Add the event that a leaderboard asks for, if any; whether it was added."""
    path = Path(os.path.realpath(path))
    with _locked(path):
        board = load_leaderboard(path)
        made = event(board)
        if made is not None:
            write_atomically(path, leaderboard_json(board.plus(made)))
    return made is not None


def _record(candidate: Candidate, track: Track) -> Record:
    verdict = candidate.published.verdict
    check_under(verdict, track)
    statistics, fresh = verdict.statistics, verdict.confirmation
    try:
        record = Record.model_validate(
            {
                "verdict_sha256": candidate.published.sha256,
                "date": verdict.created_at,
                "track": verdict.track,
                "edition": verdict.edition,
                "track_digest": verdict.digests.track,
                "dataset": verdict.dataset,
                "submission": verdict.submission,
                "author": verdict.author,
                "submission_digest": verdict.digests.submission,
                "harness_digest": verdict.digests.harness,
                "rules_digest": verdict.digests.rules,
                "mean_bpb": verdict.score_bpb,
                "sd_bpb": fresh.sd_bpb if fresh else statistics.sd_bpb,
                "seeds": tuple(seed.seed for seed in verdict.scored_seeds),
                "scores": tuple(seed.counted_bpb for seed in verdict.scored_seeds),
                "p": fresh.p if fresh else statistics.p,
                "bar_bpb": statistics.bar_bpb,
                "bytes": max(sizes_of(verdict), default=0),
                "brought_bytes": verdict.brought.counted_bytes if verdict.brought else None,
            }
        )
    except ValidationError as error:
        raise UsageError(
            "the verdict does not make a record", problems=problems_of(error)
        ) from error
    if lies_ahead(record.date):
        raise UsageError(f"the verdict does not make a record: {record.date} lies in the future")
    return record


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder, not the file: the file is replaced while it is held."""
    with disk_errors(path):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with disk_errors(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
