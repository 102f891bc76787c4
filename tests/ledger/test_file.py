"""The file of the leaderboard: nothing is lost, and what is no leaderboard is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger.chain import Leaderboard
from harness.ledger.file import load_leaderboard
from tests.factories.playground import ROOT, harness
from tests.ledger.boards import (
    accepted,
    write_verdict,
)


def test_two_processes_at_once_lose_nothing(tmp_path: Path, board: Path, strict: Path) -> None:
    """Each accepts twelve verdicts, one after the other, both at the same time."""
    shares = [
        [write_verdict(tmp_path, number) for number in range(first, 25, 2)] for first in (1, 2)
    ]
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.ledger.leaderboard import accept\n"
        "from harness.ledger.candidate import load_candidate\n"
        "from harness.contest.track import load_track\n"
        "from harness.judge.rules import seed_spread\n"
        "seed_spread.SMALLEST_SPREAD_BPB = 1e-9\n"
        "board, track, *verdicts = sys.argv[1:]\n"
        "verdicts = [load_candidate(Path(v)) for v in verdicts]\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for v in verdicts: accept(Path(board), v, track=load_track(track), by='x')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(board), str(strict), *map(str, share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for share in shares
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    names = [record.submission for record in load_leaderboard(board).records]
    assert names == [f"Entry {number}" for number in range(1, 25)]
    assert [path.name for path in board.parent.glob(".leaderboard*")] == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": 3, "events": []}', '{"format": 2, "events": [{}]}', "{" * 10_000],
)
def test_a_damaged_leaderboard_is_refused_by_name(
    tmp_path: Path, board: Path, content: str
) -> None:
    board.write_text(content)
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2 and str(board) in done.err
    board.unlink()
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2 and "begin one" in done.err


def test_a_full_leaderboard_says_so_and_stays_as_it_is(
    board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.ledger.file.MOST_EVENTS", 1)
    words = ("--why", "the same person", "--by", "@referee", "--leaderboard", board)
    assert harness("leaderboard", "join", "@a", "@b", *words).code == 0
    before = board.read_bytes()
    done = harness("leaderboard", "join", "@c", "@d", *words)
    assert done.code == 2 and f"{board}: full: it holds 1 events" in done.err
    assert board.read_bytes() == before


def test_an_empty_leaderboard_of_format_1_is_an_empty_chain(tmp_path: Path, board: Path) -> None:
    board.write_text('{"format": 1, "records": []}\n')
    assert load_leaderboard(board) == Leaderboard()
    accepted(board, write_verdict(tmp_path))
    assert json.loads(board.read_text())["format"] == 2


def test_records_of_format_1_are_refused_with_the_remedy(board: Path) -> None:
    board.write_text('{"format": 1, "records": [{}]}\n')
    done = harness("leaderboard", "show", "--leaderboard", board)
    assert done.code == 2
    assert "format 1 with 1 records" in done.err
    assert "accept their verdicts again" in " ".join(done.err.split())
