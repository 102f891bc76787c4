"""The leaderboard: accepted verdicts in one file of the repository, and the bar that they set.

An entry is added under a lock and the file replaced whole, so that two maintainers (or two jobs)
who accept at the same moment both find their entry in it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from harness import REPOSITORY
from harness.contest.track import Track
from harness.errors import UsageError
from harness.evidence.facts import BarFacts
from harness.evidence.store import PLAN, VERDICT, Ledger
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import PublishedVerdict, read_verdict
from harness.models import Fact
from harness.safeio.files import disk_errors, write_atomically
from harness.safeio.parsing import parse_model, problems_of
from harness.safeio.reading import TooLargeError, read_named

FILE_NAME = "leaderboard.json"
LARGEST_BYTES = 16 << 20
MOST_ENTRIES = 10_000
_NAME_CHARACTERS = 200


def _dated(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time zone")
    return text


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(max_length=_NAME_CHARACTERS)]
Date = Annotated[str, Field(max_length=40), AfterValidator(_dated)]


class Record(Fact):
    """One accepted verdict. BPB, decimal bytes of the largest artifact and the code.

    ``verdict_sha256`` is that of the verdict's file, ``bar_bpb`` what it was verified against.
    """

    verdict_sha256: Digest
    date: Date
    track: Name
    edition: Name
    track_digest: Digest
    dataset: Name
    submission: Name
    author: Name
    submission_digest: Digest
    harness_digest: Digest
    mean_bpb: float = Field(gt=0, lt=100)
    sd_bpb: float = Field(ge=0)
    seeds: tuple[int, ...] = Field(min_length=2, max_length=100)
    p: float = Field(ge=0, le=1)
    bar_bpb: float = Field(gt=0, lt=100)
    bytes: int = Field(ge=0)


class Leaderboard(Fact):
    """Every accepted verdict, oldest first."""

    format: Literal[1] = 1
    records: tuple[Record, ...] = Field(default=(), max_length=MOST_ENTRIES)

    def of(self, track: Track) -> list[Record]:
        """The records on a track, of any edition of it that was scored on the same dataset."""
        wanted = (track.name, track.dataset.name)
        return [record for record in self.records if (record.track, record.dataset) == wanted]


def default_path() -> Path:
    """The leaderboard of the repository that this harness is run from."""
    return REPOSITORY / FILE_NAME


def load_leaderboard(path: Path) -> Leaderboard:
    """Read a leaderboard.

    Raises:
        UsageError: no such file, too large, or not a leaderboard.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_BYTES)
        board = parse_model(Leaderboard, content, limit_bytes=LARGEST_BYTES)
    except TooLargeError as error:
        raise UsageError(f"{path}: {error.strerror}; not a leaderboard") from error
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}; name a leaderboard with --leaderboard, "
            'or begin one: a file that holds {"format": 1, "records": []}',
            file=path,
        ) from error
    except ValidationError as error:
        problems = "; ".join(problems_of(error)[:5])
        raise UsageError(f"{path}: not a leaderboard: {problems}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not a leaderboard: {error}") from error
    digests = [record.verdict_sha256 for record in board.records]
    if len(set(digests)) != len(digests) or list(board.records) != _in_order(board.records):
        raise UsageError("a verdict is in it twice, or they are not in order of date", file=path)
    return board


def bar_of(track: Track, path: Path) -> BarFacts | None:
    """What is to be beaten on a track at this moment; None where the track alone says so.

    Raises:
        UsageError: the track takes its bar from the leaderboard, and that cannot be read.
    """
    if not track.bar.leaderboard or track.bar.bpb is None:
        return None
    records = load_leaderboard(path).of(track)
    best = min(records, key=lambda record: record.mean_bpb, default=None)
    if best is None or best.mean_bpb >= track.bar.bpb:
        return BarFacts(bpb=track.bar.bpb, source=track.bar.source)
    return BarFacts(
        bpb=best.mean_bpb,
        source=f"leaderboard: {best.submission} by {best.author}, verified on {best.date[:10]}, "
        f"mean of {len(best.seeds)} seeds",
        verdict_sha256=best.verdict_sha256,
    )


def load_accepted(path: Path) -> PublishedVerdict:
    """A verdict to accept: a file, or better the directory of its evidence, judged again.

    Raises:
        UsageError: it cannot be read, contradicts itself, or does not follow from its evidence.
        InfrastructureError: a file beside the evidence is not what the evidence speaks of.
    """
    if not path.is_dir():
        return read_verdict(path)
    from harness.judge.stored import judge_ledger

    ledger = Ledger.open(path)
    plan = ledger.verification
    if plan.track_digest != plan.track.digest:
        # Judging looks past this, for the sake of evidence that is older than a rule of today's.
        raise UsageError(
            f"not the rules whose digest stands beside them ({plan.track_digest[:12]}); it was "
            "changed, or begun with another edition's harness",
            file=path / PLAN,
            field="track",
        )
    kept = read_verdict(path / VERDICT)
    if _without_place(judge_ledger(ledger)) != _without_place(kept.verdict):
        raise UsageError(
            "not what follows from the evidence beside it under today's rules; look at "
            "`harness judge` of it",
            file=path / VERDICT,
        )
    return kept


def accept(path: Path, published: PublishedVerdict, *, track: Track) -> Record | None:
    """Add a verified verdict to a leaderboard.

    Args:
        path: the leaderboard; it exists.
        published: the verdict, read within bounds.
        track: the rules that it must have been given under.

    Returns:
        The new record, or None when this very verdict is in the leaderboard already.

    Raises:
        UsageError: not VERIFIED, given under other rules, or the same submission is in it.
    """
    record = _record(published, track)
    path = Path(os.path.realpath(path))
    with _locked(path):
        board = load_leaderboard(path)
        for other in board.records:
            if other.verdict_sha256 == record.verdict_sha256:
                return None
            if (other.track, other.submission_digest) == (record.track, record.submission_digest):
                raise UsageError(
                    f"this submission was accepted on track {record.track} by the verdict "
                    f"{other.verdict_sha256[:12]} of {other.date[:10]}; one verdict each",
                    file=path,
                )
        records = _in_order((*board.records, record))
        write_atomically(path, leaderboard_json(Leaderboard(records=tuple(records))))
    return record


def leaderboard_json(board: Leaderboard) -> bytes:
    """A leaderboard as it is kept: one record a line, so that a diff shows what was added."""
    lines = ",\n".join(f"  {record.model_dump_json()}" for record in board.records)
    body = f"\n{lines}\n" if lines else ""
    text = f'{{"format": {board.format}, "records": [{body}]}}\n'
    return text.encode()


def _record(published: PublishedVerdict, track: Track) -> Record:
    from harness.evidence.integrity import lies_ahead

    verdict = published.verdict
    if verdict.verdict != "VERIFIED":
        raise UsageError(
            f"the verdict is {verdict.verdict} ({verdict.reason[:200]}); "
            "only a VERIFIED one can be accepted"
        )
    if verdict.digests.track != track.digest:
        raise UsageError(
            f"the verdict was given under other rules than track {track.name}, edition "
            f"{track.edition} (digest {verdict.digests.track[:12]}, not {track.digest[:12]}); "
            "name the file of those rules with --track if they are the contest's"
        )
    statistics = verdict.statistics
    if track.bar.bpb is not None and statistics.bar_bpb > track.bar.bpb:
        raise UsageError(
            f"the verdict was given against a bar of {statistics.bar_bpb:g} BPB, which is easier "
            f"than the {track.bar.bpb:g} of track {track.name}"
        )
    sizes = [seed.artifact_bytes for seed in verdict.seeds if seed.artifact_bytes is not None]
    try:
        record = Record.model_validate(
            {
                "verdict_sha256": published.sha256,
                "date": verdict.created_at,
                "track": verdict.track,
                "edition": verdict.edition,
                "track_digest": verdict.digests.track,
                "dataset": verdict.dataset,
                "submission": verdict.submission,
                "author": verdict.author,
                "submission_digest": verdict.digests.submission,
                "harness_digest": verdict.digests.harness,
                "mean_bpb": statistics.mean_bpb,
                "sd_bpb": statistics.sd_bpb,
                "seeds": tuple(seed.seed for seed in verdict.seeds),
                "p": statistics.p,
                "bar_bpb": statistics.bar_bpb,
                "bytes": max(sizes, default=0) + max(s.code_bytes for s in verdict.seeds),
            }
        )
    except ValidationError as error:
        problems = problems_of(error)
        raise UsageError("the verdict does not make a record", problems=problems) from error
    if lies_ahead(record.date):
        raise UsageError(f"the verdict does not make a record: {record.date} lies in the future")
    return record


def _in_order(records: tuple[Record, ...]) -> list[Record]:
    return sorted(records, key=lambda r: (datetime.fromisoformat(r.date), r.verdict_sha256))


def _without_place(verdict: Verdict) -> Verdict:
    """A verdict but for where its evidence lay, which may have been moved since."""
    seeds = tuple(seed.model_copy(update={"artifact": None}) for seed in verdict.seeds)
    return verdict.model_copy(update={"evidence": "", "seeds": seeds})


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
