"""Only verified verdicts are accepted, each once, with all that they are bound to."""

import json
from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.errors import UsageError
from harness.judge.verdict import Verdict
from harness.ledger.events import Accepted
from harness.ledger.file import load_leaderboard
from harness.safeio.files import sha256_of_bytes
from tests.factories.plans import strict_track
from tests.factories.playground import harness
from tests.factories.runs import good_runs
from tests.ledger.boards import (
    EMPTY,
    accepted,
    planned,
    write_verdict,
)


def test_a_verified_verdict_is_kept_with_all_that_it_is_bound_to(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert (done.code, done.err) == (0, "")
    verdict = Verdict.model_validate_json(path.read_text())
    (record,) = load_leaderboard(board).records
    assert record.verdict_sha256 == sha256_of_bytes(path.read_bytes())
    assert record.track_digest == verdict.digests.track == strict_track().digest
    assert record.submission_digest == verdict.digests.submission
    assert (record.submission, record.author) == ("Entry 1", "A. Author")
    assert record.mean_bpb == verdict.statistics.mean_bpb == pytest.approx(2.61)
    assert record.bar_bpb == verdict.statistics.bar_bpb == 3.4
    assert record.seeds == tuple(seed.seed for seed in verdict.seeds)
    assert record.scores == tuple(seed.val_bpb for seed in verdict.seeds)
    assert record.rules_digest == verdict.digests.rules
    assert record.bytes == max(
        (seed.artifact_bytes or 0) + seed.code_bytes for seed in verdict.seeds
    )
    assert record.date == "2025-11-01T12:00:00.000+00:00"
    assert verdict.brought is not None
    assert record.brought_bytes == verdict.brought.counted_bytes


def test_the_same_verdict_again_changes_nothing(tmp_path: Path, board: Path, strict: Path) -> None:
    path = write_verdict(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    assert harness("leaderboard", "accept", path, *options).code == 0
    before = board.read_bytes()
    done = harness("leaderboard", "accept", path, *options)
    assert done.code == 0
    assert "already" in done.out
    assert board.read_bytes() == before


def test_one_submission_is_accepted_once(tmp_path: Path, board: Path) -> None:
    accepted(board, write_verdict(tmp_path))
    second = write_verdict(tmp_path, created_at="2025-11-20T12:00:00.000+00:00")
    with pytest.raises(UsageError, match="one verdict each"):
        accepted(board, second)


@pytest.mark.parametrize("kind", ["REJECTED", "INCONCLUSIVE", "REHEARSED"])
def test_nothing_but_verified_is_accepted(
    tmp_path: Path, board: Path, strict: Path, kind: str
) -> None:
    made = planned()
    if kind == "REJECTED":
        path = write_verdict(tmp_path, runs=good_runs(made, (3.41, 3.42, 3.43)))
    elif kind == "INCONCLUSIVE":
        path = write_verdict(tmp_path, runs=good_runs(made)[:2])
    else:
        path = write_verdict(tmp_path, track=load_track("smoke"))
    assert json.loads(path.read_text())["verdict"] == kind
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert f"the verdict is {kind}" in done.err
    assert board.read_text() == EMPTY


def test_a_verdict_of_the_future_is_not_accepted(tmp_path: Path, board: Path) -> None:
    with pytest.raises(UsageError, match="lies in the future"):
        accepted(board, write_verdict(tmp_path, created_at="9998-11-20T12:00:00.000+00:00"))


def test_records_are_in_order_of_date_and_events_of_acceptance(tmp_path: Path, board: Path) -> None:
    for number in (3, 1, 2):
        accepted(board, write_verdict(tmp_path, number))
    found = load_leaderboard(board)
    assert [record.submission for record in found.records] == ["Entry 1", "Entry 2", "Entry 3"]
    names = [event.record.submission for event in found.events if isinstance(event, Accepted)]
    assert names == ["Entry 3", "Entry 1", "Entry 2"]
    lines = board.read_text().splitlines()
    assert len(lines) == 5  # one event a line, so that a diff shows what was added


def test_an_event_says_who_what_for_and_what_was_seen(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    words = ("--by", "R. Referee", "--pull-request", "https://example.org/pull/7")
    more = ("--commit", "0123abc", "--evidence", "tape 4")
    options = ("--leaderboard", board, "--track", strict)
    assert harness("leaderboard", "accept", path, *options, *words, *more).code == 0
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert (event.by, event.pull_request) == ("R. Referee", "https://example.org/pull/7")
    assert (event.commit, event.evidence, event.seen) == ("0123abc", "tape 4", "verdict")
    assert event.at.endswith("+00:00")


def test_who_it_was_is_known_without_a_word(
    tmp_path: Path, board: Path, strict: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--leaderboard", board, "--track", strict)
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    assert harness("leaderboard", "accept", write_verdict(tmp_path, 1), *options).code == 0
    monkeypatch.delenv("GITHUB_ACTOR")
    monkeypatch.setenv("LOGNAME", "referee")
    assert harness("leaderboard", "accept", write_verdict(tmp_path, 2), *options).code == 0
    assert [event.by for event in load_leaderboard(board).events] == ["octocat", "referee"]
    assert {
        event.evidence for event in load_leaderboard(board).events if isinstance(event, Accepted)
    } == {"runs/x"}


@pytest.mark.parametrize(
    "words", [("--commit", "no digits"), ("--by", "x" * 300), ("--pull-request", "y" * 300)]
)
def test_words_that_make_no_event_are_refused(
    tmp_path: Path, board: Path, strict: Path, words: tuple[str, str]
) -> None:
    path = write_verdict(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", path, *options, *words)
    assert done.code == 2 and "not an event" in done.err
    assert board.read_text() == EMPTY


def test_a_date_at_the_end_of_time_is_refused_in_a_sentence(tmp_path: Path, board: Path) -> None:
    path = write_verdict(tmp_path, created_at="0001-01-01T00:00:00+00:00")
    with pytest.raises(UsageError, match="does not make a record: 0001-01-01"):
        accepted(board, path)
