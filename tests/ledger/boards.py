"""Verdicts to accept, and leaderboards on which some were."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

from harness.contest.brought_along import brought_along
from harness.contest.loading import load_submission
from harness.contest.track import Bar as TrackBar
from harness.contest.track import Track
from harness.evidence.places import VERDICT
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.ledger.candidate import load_candidate
from harness.ledger.chain import NOTHING_BEFORE, Leaderboard, leaderboard_json
from harness.ledger.events import Accepted, Event, Joined, Parted, Record, Retracted, Tried
from harness.ledger.leaderboard import accept
from harness.ledger.sketch import Sketch
from tests.factories.plans import CODE, entry, plan, strict_track
from tests.factories.playground import harness, write_submission
from tests.factories.runs import Parts, good_runs, verdict_of
from tests.factories.stored import store

EMPTY = leaderboard_json(Leaderboard()).decode()


# As the command runs in these tests: a verdict is read by the constants that it was made with.
RELAXED = {
    "harness.judge.rules.seed_spread.SMALLEST_SPREAD_BPB": 1e-9,
}


CONTEST = strict_track(bar=TrackBar(bpb=3.0, source="as published", leaderboard=True))


def planned(number: int = 1, track: Track | None = None, **changes: Any) -> Plan:
    """A plan of the ``number``-th entry, a day after the one before it."""
    files = {**CODE, "number.py": str(number).encode()}
    fields: dict[str, Any] = {
        "entry": entry(files, name=f"Entry {number}"),
        "created_at": f"2025-11-{number:02d}T12:00:00.000+00:00",
    }
    return plan(track or strict_track(), **(fields | changes))


def write_verdict(
    folder: Path, number: int = 1, runs: Sequence[Run] | None = None, **changes: Any
) -> Path:
    """The file of a verdict, VERIFIED unless something is changed."""
    made = planned(number, **changes)
    verdict = verdict_of(made, runs if runs is not None else good_runs(made))
    path = folder / f"verdict-{number}.json"
    path.write_text(verdict.model_dump_json(indent=2) + "\n")
    return path


def accepted(board: Path, path: Path, *, track: Track | None = None, **words: str) -> Record | None:
    """Accept a verdict's file."""
    options: dict[str, Any] = {"by": "R. Referee"} | words
    return accept(board, load_candidate(path), track=track or strict_track(), **options)


def kept_run(
    tmp_path: Path, track: Track | None = None, *, code: int = 0, **parts: Unpack[Parts]
) -> RunDirectory:
    """A verification with every file that its evidence speaks of, and its verdict; moved since."""
    submission = load_submission(write_submission(tmp_path / "submission"))
    entered = submission.entry("strict")
    brought = brought_along(entered, submission.contents)
    made = planned(track=track, entry=entered, brought=brought)
    run = store(
        tmp_path / "runs" / "run", made, good_runs(made, **parts), files=submission.contents
    )
    assert harness("judge", run.path, "--json", run.path / VERDICT).code == code
    run.path.parent.rename(tmp_path / "moved")
    return RunDirectory.open(tmp_path / "moved" / "run")


def record(mean_bpb: float, **changes: object) -> Record:
    made = Record(
        verdict_sha256="b" * 64,
        date="2026-11-21T12:00:00+00:00",
        track="strict",
        edition="2026-11",
        track_digest="c" * 64,
        dataset="demo_sp1024",
        submission="Best",
        author="A. Author",
        submission_digest="d" * 64,
        harness_digest="e" * 64,
        rules_digest="f" * 64,
        mean_bpb=mean_bpb,
        sd_bpb=0.001,
        seeds=(1, 2, 3),
        scores=(mean_bpb,) * 3,
        p=0.001,
        bar_bpb=3.0,
        bytes=1000,
    )
    return made.model_copy(update=changes)


def listed(board: Path, *means: float, **changes: object) -> Path:
    """A leaderboard on which verdicts with these means were accepted, one after the other."""
    chain = Leaderboard()
    for index, mean in enumerate(means):
        event = Accepted(
            before=chain.head,
            at="2026-11-22T12:00:00+00:00",
            by="R. Referee",
            seen="evidence",
            record=record(mean, verdict_sha256=f"{index:064x}", **changes),
        )
        chain = chain.plus(event)
    board.write_bytes(leaderboard_json(chain))
    return board


# -- Who tried what.

SPENDING = strict_track(
    bar=TrackBar(bpb=3.0, source="as published", leaderboard=True),
    significance=strict_track().significance.model_copy(update={"spending": True}),
)
NO_LINES = Sketch(lines=0, smallest="")


def tried(number: int = 1, account: str = "@author", **changes: Any) -> Tried:
    """The ``number``-th try, a day after the one before it."""
    fields: dict[str, Any] = {
        "before": NOTHING_BEFORE,
        "at": "2026-11-22T12:00:00+00:00",
        "by": "R. Referee",
        "account": account,
        "track": SPENDING.name,
        "dataset": SPENDING.dataset.name,
        "track_digest": SPENDING.digest,
        "submission": f"Entry {number}",
        "submission_digest": f"{number:064x}",
        "first_seed": number,
        "date": (datetime(2025, 11, 1, 12, tzinfo=UTC) + timedelta(days=number)).isoformat(),
        "outcome": "REJECTED",
        "bar_bpb": 3.0,
        "p_below": 0.01,
        "seen": "evidence",
        "sketch": NO_LINES,
    }
    return Tried(**(fields | changes))


def joined(*accounts: str, **changes: Any) -> Joined:
    """These accounts are one person."""
    fields: dict[str, Any] = {
        "before": NOTHING_BEFORE,
        "at": "2026-11-23T12:00:00+00:00",
        "by": "A. Judge",
        "accounts": accounts,
        "why": "they share a key",
    }
    return Joined(**(fields | changes))


def accepting(mean_bpb: float, number: int, **changes: Any) -> Accepted:
    """The acceptance of a record of somebody who is nobody else here."""
    made = record(
        mean_bpb,
        verdict_sha256=f"{number:064x}",
        submission_digest=f"{number:064x}",
        author="The champion",
        dataset=SPENDING.dataset.name,
    )
    fields: dict[str, Any] = {
        "before": NOTHING_BEFORE,
        "at": "2026-11-22T12:00:00+00:00",
        "by": "R. Referee",
        "seen": "evidence",
        "record": made,
    }
    return Accepted(**(fields | changes))


def chained(*events: Event) -> Leaderboard:
    """A chain of events, each naming the one before."""
    board = Leaderboard()
    for event in events:
        board = board.plus(event.model_copy(update={"before": board.head}))
    return board


def keep(board: Path, *events: Event) -> Path:
    """A leaderboard of these events."""
    board.write_bytes(leaderboard_json(chained(*events)))
    return board


def parted(digest: str) -> Parted:
    """What the event of this digest joined is not one person."""
    return Parted(
        before=NOTHING_BEFORE,
        at="2026-11-28T13:00:00+00:00",
        by="A. Judge",
        joined=digest,
        why="they are brothers",
    )


def retracted(number: int) -> Retracted:
    """The acceptance of the ``number``-th verdict is taken back."""
    return Retracted(
        before=NOTHING_BEFORE,
        at="2026-11-28T13:00:00+00:00",
        by="A. Judge",
        verdict_sha256=f"{number:064x}",
        why="it read the split at night",
    )
