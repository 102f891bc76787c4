"""A small contest, whole: each verdict is what the simulation says of the same scores."""

from pathlib import Path

import numpy as np
import pytest

from harness.contest.significance import Significance
from harness.contest.track import load_track
from harness.ledger.file import load_leaderboard
from harness.ledger.leaderboard import bar_of
from harness.simulation.procedure import decide, procedure_of
from tests.bench import contest as bench
from tests.bench.contest import Entered, contest, table, track_with, truths
from tests.simulation.rules import PLAIN

ENTRIES = 40
SEED = 4


def plain_or_official() -> list[Significance]:
    """Three plain seeds, and what the official track asks for today."""
    return [Significance.model_validate(PLAIN), load_track("10min_16mb").significance]


@pytest.mark.parametrize("rules", plain_or_official(), ids=["plain", "official"])
def test_what_the_judge_says_is_what_is_simulated(
    rules: Significance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three times as many good ones as in the whole, so that forty entries hold records.
    monkeypatch.setattr(bench, "truths", mostly_good)
    board = tmp_path / "leaderboard.json"
    entered = list(contest(rules, ENTRIES, board=board, seed=SEED))
    procedure = procedure_of(rules, margin_bpb=entered[0].margin)
    for each in entered:
        line = each.verdict.statistics.threshold_bpb
        assert line is not None
        expected = decide(procedure, [score - line for score in each.scores])
        assert (each.accepted, each.runs) == (expected.record, expected.runs)
        assert each.verdict.verdict in ("VERIFIED", "REJECTED"), each.verdict.reason
    records = [each for each in entered if each.accepted]
    assert 3 <= len(records) < ENTRIES
    assert len(load_leaderboard(board).records) == len(records)


def test_the_bar_falls_with_each_record_and_never_else(tmp_path: Path) -> None:
    rules, board = Significance.model_validate(PLAIN), tmp_path / "leaderboard.json"
    bars = []
    records = 0
    for each in contest(rules, ENTRIES, board=board, seed=SEED):
        bars.append(each.verdict.statistics.bar_bpb or 0.0)
        records += each.accepted
    last = bar_of(track_with(rules), board)
    assert last is not None
    bars.append(last.bpb)
    assert bars == sorted(bars, reverse=True)
    assert len(set(bars)) == records + 1


def test_the_model_of_what_is_entered_has_the_stated_shares() -> None:
    found = [truth.margins for truth in truths(20_000, np.random.default_rng(0))]
    good, small = (np.mean([low <= m for m in found]) for low in (1, 0))
    assert good == pytest.approx(0.05, abs=0.006)
    assert small - good == pytest.approx(0.40, abs=0.015)


def test_the_table_counts_every_entry_once(tmp_path: Path) -> None:
    rules = Significance.model_validate(PLAIN)
    entered: list[Entered] = list(contest(rules, 8, board=tmp_path / "board.json", seed=1))
    lines = table(entered)
    counts = [int(line[20:29].replace(",", "")) for line in lines[1:5]]
    assert sum(counts[:3]) == counts[3] == 8
    assert any(line.startswith("verdicts: ") for line in lines)


def mostly_good(count: int, drawn: np.random.Generator) -> list[bench.Truth]:
    """Claims between none and three margins."""
    return [bench.Truth(3 * drawn.random(), bench.SD_BPB) for _ in range(count)]
