"""What a site is made of: the leaderboard, the verdicts that it accepted, and audits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.audit.findings import FolderAudit
from harness.contest.track import Track, load_track, track_names
from harness.errors import UsageError
from harness.evidence.places import VERDICT
from harness.judge.rejudge import find_runs
from harness.judge.verdict_file import LARGEST_VERDICT_BYTES
from harness.ledger.chain import Leaderboard, is_on
from harness.ledger.events import Accepted, Record, Retracted, Tried
from harness.ledger.file import load_leaderboard
from harness.report.site.history import Course, Step, history, prior_in
from harness.safeio.files import sha256_of_bytes
from harness.safeio.looking import is_there
from harness.safeio.parsing import problems_of
from harness.safeio.reading import TooLargeError, read_named

LARGEST_AUDITS_BYTES = 256 << 20
MOST_AUDITS = 20_000
_DIGITS = 16


@dataclass(frozen=True)
class Entry:
    """One accepted verdict.

    ``name`` is what its pages are called. ``verdict`` is the verdict's file and ``run`` the run
    directory that it lies in, None where they are not at hand; ``retracted``: it does not stand.
    """

    name: str
    record: Record
    accepted: Accepted | None
    retracted: Retracted | None
    verdict: Path | None
    run: Path | None

    @property
    def date(self) -> str:
        """Of the verification, to the day."""
        return self.record.date[:10]


@dataclass(frozen=True)
class Source:
    """Everything that is shown; ``entries`` in order of date, the newest first.

    ``unknown`` are verdicts that were given and that nobody accepted: they are not shown.
    ``tracks`` are the rules at hand, by their digest.
    """

    board: Leaderboard
    entries: tuple[Entry, ...]
    steps: dict[Course, tuple[Step, ...]]
    tries: tuple[Tried, ...]
    audits: tuple[FolderAudit, ...]
    unknown: tuple[Path, ...]
    tracks: dict[str, Track]

    def track_of(self, record: Record) -> Track | None:
        """The rules that a record was accepted under, or today's of the same track and text."""
        if (exact := self.tracks.get(record.track_digest)) is not None:
            return exact
        named = (each for each in self.tracks.values() if is_on(record, each))
        return next(named, None)

    def entry_of(self, record: Record) -> Entry:
        """The entry of a record."""
        return self._by_digest[record.verdict_sha256]

    @cached_property
    def _by_digest(self) -> dict[str, Entry]:
        return {each.record.verdict_sha256: each for each in self.entries}

    @cached_property
    def best(self) -> dict[Course, Entry]:
        """The record that stands on each course."""
        return {course: self.entry_of(steps[-1].record) for course, steps in self.steps.items()}

    @cached_property
    def fell(self) -> dict[str, Step]:
        """The steps, by the name of their entry."""
        return {
            self.entry_of(step.record).name: step for steps in self.steps.values() for step in steps
        }


def gather(
    leaderboard: Path,
    verdicts: Sequence[Path] = (),
    audits: Sequence[Path] = (),
    tracks: Sequence[Track] = (),
) -> Source:
    """Read all of it.

    Args:
        leaderboard: its file.
        verdicts: files of verdicts, folders of them, run directories, folders of those.
        audits: files that ``harness audit --json`` wrote.
        tracks: rules of other editions, beside those that come with the harness.

    Raises:
        UsageError: one of them is not what it should be.
    """
    board = load_leaderboard(leaderboard)
    files = _by_digest(_files_in(verdicts))
    retracted = dict(_retracted(board))
    accepted = {
        event.record.verdict_sha256: event for event in board.events if isinstance(event, Accepted)
    }
    entries = []
    for record in _records(board):
        digest = record.verdict_sha256
        path = files.pop(digest, None)
        entries.append(
            Entry(
                name=digest[:_DIGITS],
                record=record,
                accepted=accepted.get(digest),
                retracted=retracted.get(digest),
                verdict=path,
                run=path.parent if path is not None and path.name == VERDICT else None,
            )
        )
    every = [*(load_track(name) for name in track_names()), *tracks]
    source = Source(
        board=board,
        entries=tuple(reversed(entries)),
        steps={},
        tries=tuple(event for event in board.events if isinstance(event, Tried)),
        audits=tuple(each for path in audits for each in read_audits(path)),
        unknown=tuple(files.values()),
        tracks={track.digest: track for track in every},
    )
    steps = history(board.records, prior_of=lambda record: prior_in(source.track_of(record)))
    return replace(source, steps=steps)


def _records(board: Leaderboard) -> list[Record]:
    """All that was ever accepted, in order of date."""
    every = [*board.records, *(record for record, _ in board.retracted)]
    return sorted(every, key=lambda record: (record.date, record.verdict_sha256))


def _retracted(board: Leaderboard) -> Iterable[tuple[str, Retracted]]:
    for record, event in board.retracted:
        yield record.verdict_sha256, event


def _files_in(paths: Sequence[Path]) -> list[Path]:
    """Files of verdicts, in their order and by name."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            runs = [run / VERDICT for run in find_runs([path]) if is_there(run / VERDICT)]
            found.update(dict.fromkeys(runs or sorted(path.glob("*.json"))))
        else:
            found[path] = None
    return list(found)


def _by_digest(files: Sequence[Path]) -> dict[str, Path]:
    digests: dict[str, Path] = {}
    for path in files:
        try:
            content = read_named(path, limit_bytes=LARGEST_VERDICT_BYTES)
        except TooLargeError as error:
            raise UsageError(f"{error.strerror}; not a verdict", file=path) from error
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
        digests.setdefault(sha256_of_bytes(content), path)
    return digests


_ONE = TypeAdapter(FolderAudit)
_MANY = TypeAdapter(list[FolderAudit])


def read_audits(path: Path) -> list[FolderAudit]:
    """Audits as ``harness audit --json`` writes them: one, or a list.

    Raises:
        UsageError: no such file, too large, or something else.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_AUDITS_BYTES)
        many = content.lstrip()[:1] == b"["
        found = _MANY.validate_json(content) if many else [_ONE.validate_json(content)]
    except TooLargeError as error:
        raise UsageError(f"{error.strerror}; not audits", file=path) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
    except ValidationError as error:
        raise UsageError(
            "not audits: expected what `harness audit --json` writes",
            file=path,
            problems=problems_of(error),
        ) from error
    if len(found) > MOST_AUDITS:
        raise UsageError(f"{len(found):,} audits: expected at most {MOST_AUDITS:,}", file=path)
    return found
