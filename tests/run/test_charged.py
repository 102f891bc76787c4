"""A verification begins at the level that its author's earlier tries leave, and keeps it."""

from pathlib import Path
from typing import Any

import pytest

from harness.contest.track import load_track
from harness.evidence.store import RunDirectory
from harness.ledger.sketch import sketch_of
from harness.statistics.looks import spent
from tests.factories.playground import Outcome, harness, write_submission, write_track
from tests.ledger.boards import keep, tried

FAILS = "raise SystemExit(1)"


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return write_track(tmp_path / "track.toml", p_below="0.01\nspending = true")


def on(track: Path, number: int, account: str = "@author", **changes: Any) -> Any:
    """A try on the track, against its baseline."""
    found = load_track(str(track))
    return tried(
        number, account, track=found.name, dataset=found.dataset.name, bar_bpb=3.0, **changes
    )


def verify(tmp_path: Path, data_root: Path, track: Path, *more: object) -> Outcome:
    """The training fails at once: what is looked at is fixed before it."""
    folder = write_submission(tmp_path / "toy", train=FAILS)
    return harness(
        *("verify", folder, "--track", track, "--sandbox", "process", "--data", data_root),
        *("--runs", tmp_path / "runs", "--json", "-", *more),
    )


def test_the_level_is_fixed_by_the_tries_that_the_leaderboard_knows(
    tmp_path: Path, data_root: Path, track: Path
) -> None:
    board = tmp_path / "leaderboard.json"
    keep(board, on(track, 1), on(track, 2, "@rival"), on(track, 3))
    done = verify(tmp_path, data_root, track, "--leaderboard", board)
    assert done.verdict["spending"] == {"account": "@author", "earlier": 2, "level": 0.01}, done.err
    assert done.verdict["statistics"]["p_below"] == spent(0.01, earlier=2)
    assert "try 3 of this author since the bar fell" in " ".join(done.err.split())
    (path,) = (tmp_path / "runs").iterdir()
    plan = RunDirectory.open(path).plan
    assert plan.tries.by_author == 2
    assert plan.test is not None and plan.test.p_below == spent(0.01, earlier=2)
    # What is kept later moves nothing.
    keep(board, *(on(track, number) for number in range(10, 20)))
    judged = harness("judge", path, "--json", "-")
    assert judged.verdict["statistics"] == done.verdict["statistics"]
    assert judged.verdict["spending"] == done.verdict["spending"]


def test_a_copy_is_told_in_the_plan(tmp_path: Path, data_root: Path, track: Path) -> None:
    board = tmp_path / "leaderboard.json"
    folder = write_submission(tmp_path / "toy", train=FAILS)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    keep(board, on(track, 1, "@rival", sketch=sketch_of(files), submission="Rival's"))
    assert verify(tmp_path, data_root, track, "--leaderboard", board).verdict
    (path,) = (tmp_path / "runs").iterdir()
    tries = RunDirectory.open(path).plan.tries
    assert tries.by_author == 0
    assert tries.like is not None and tries.like.submission == "Rival's"


def test_without_a_leaderboard_nothing_is_begun(
    tmp_path: Path, data_root: Path, track: Path
) -> None:
    done = verify(tmp_path, data_root, track, "--leaderboard", tmp_path / "nothing.json")
    assert done.code == 2 and "nothing.json: cannot be read" in done.err
    assert not list((tmp_path / "runs").glob("*"))
