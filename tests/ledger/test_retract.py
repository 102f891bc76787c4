"""What was accepted is taken back: it stays in the chain."""

from pathlib import Path

import pytest

from harness.ledger.events import Accepted, Retracted
from harness.ledger.file import load_leaderboard
from harness.ledger.leaderboard import retract
from harness.safeio.files import sha256_of_bytes
from tests.factories.playground import harness
from tests.ledger.boards import accepted, write_verdict


def test_a_retracted_verdict_stands_no_more_and_stays_in_the_chain(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = write_verdict(tmp_path)
    options: tuple[str | Path, ...] = ("--leaderboard", board)
    assert harness("leaderboard", "accept", path, *options, "--track", strict).code == 0
    digest = sha256_of_bytes(path.read_bytes())
    words = ("--why", "its data was read again at night", "--by", "A. Judge")
    done = harness("leaderboard", "retract", digest[:12], *options, *words)
    assert (done.code, done.err) == (0, "")
    assert f"verdict {digest}: retracted" in done.out
    found = load_leaderboard(board)
    assert found.records == []
    assert [type(event) for event in found.events] == [Accepted, Retracted]
    ((record, event),) = found.retracted
    assert record.verdict_sha256 == event.verdict_sha256 == digest
    assert (event.by, event.why) == ("A. Judge", "its data was read again at night")
    shown = harness("leaderboard", "show", *options)
    words_shown = " ".join(shown.out.split())
    assert "no record yet" in words_shown
    assert "by A. Judge: Entry 1" in words_shown
    assert "its data was read again at night" in words_shown
    before = board.read_bytes()
    again = harness("leaderboard", "retract", digest, *options, *words)
    assert again.code == 0 and "retracted already, nothing is changed" in again.out
    assert board.read_bytes() == before


def test_a_retraction_in_error_is_mended_by_accepting_again(tmp_path: Path, board: Path) -> None:
    path = write_verdict(tmp_path)
    first = accepted(board, path)
    assert first and retract(board, first.verdict_sha256, why="in error", by="x") == first
    assert accepted(board, path) == first
    found = load_leaderboard(board)
    assert (found.records, found.retracted) == ([first], [])
    assert len(found.events) == 3


def test_another_verdict_may_take_the_place_of_a_retracted_one(tmp_path: Path, board: Path) -> None:
    first = accepted(board, write_verdict(tmp_path))
    assert first and retract(board, first.verdict_sha256[:20], why="x", by="x")
    again = write_verdict(tmp_path, created_at="2025-11-20T12:00:00.000+00:00")
    assert accepted(board, again)
    assert [record.date[:10] for record in load_leaderboard(board).records] == ["2025-11-20"]


@pytest.mark.parametrize("digest", ["", "f" * 12, "b", "7" * 64, "nothing of the kind"])
def test_only_what_was_accepted_is_retracted(tmp_path: Path, board: Path, digest: str) -> None:
    accepted(board, write_verdict(tmp_path))
    before = board.read_bytes()
    done = harness(
        *("leaderboard", "retract", digest, "--why", "x", "--by", "x", "--leaderboard", board)
    )
    assert done.code == 2 and "0 accepted verdicts begin like that" in done.err
    assert board.read_bytes() == before


def test_a_reason_is_needed(board: Path) -> None:
    done = harness("leaderboard", "retract", "f" * 64, "--leaderboard", board)
    assert done.code == 2 and "--why" in done.err
