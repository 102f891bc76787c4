"""One step is one process: whatever becomes of it costs only itself, and keeps what it found."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.accelerator.desk import found
from tests.accelerator.running import Outcome, run_step
from tests.accelerator.sizes import TINY, Size

pytestmark = pytest.mark.usefixtures("forked")


def step(folder: Path, how: str, *, limit: float = 60, without: tuple[str, ...] = ()) -> Outcome:
    told: dict[str, Any] = {
        "folder": str(folder), "figures": str(folder / "step.jsonl"), "size": TINY.as_json(),
        "cuda": False, "devices": [], "site": "", "data": str(folder), "arguments": {"how": how},
    }  # fmt: skip
    return run_step("tests.accelerator.samples", told, limit_seconds=limit, without=without)


def test_figures_and_what_could_not_be_tried_come_back(tmp_path: Path) -> None:
    outcome = step(tmp_path, "well")
    assert (outcome.state, outcome.figures, outcome.why) == ("done", {"before": 2}, "")
    assert outcome.lacking == [{"what": "a part", "why": "it is not here"}]


def test_a_step_that_hangs_is_killed_with_its_children_and_keeps_what_it_found(
    tmp_path: Path,
) -> None:
    outcome = step(tmp_path, "hangs", limit=3)
    assert outcome.state == "killed"
    assert outcome.why == "not done after 3 s"
    assert outcome.figures["before"] == 1
    until = time.monotonic() + 20
    while _lives(outcome.figures["child"]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(outcome.figures["child"])


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_an_exception_and_a_death_are_told(tmp_path: Path) -> None:
    outcome = step(tmp_path, "raises")
    assert outcome.state == "failed"
    assert outcome.why.startswith("exit code 1: ")
    assert outcome.why.endswith("ValueError: what went wrong")
    assert outcome.figures == {"before": 1}
    assert step(tmp_path, "dies").why == "exit code 9: it said nothing"


def test_what_is_missing_is_named_and_no_failure(tmp_path: Path) -> None:
    outcome = step(tmp_path, "lacks a package", without=("sentencepiece", "zstandard"))
    assert (outcome.state, outcome.why) == ("not tried", "the package sentencepiece is missing")
    outcome = step(tmp_path, "lacks a thing")
    assert (outcome.state, outcome.why) == ("not tried", "there is no such thing")
    assert outcome.lacking == []


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    figures.write_text('{"figure": "a", "value": 1}\n{"figure": "b", "va')
    assert found(figures) == ({"a": 1}, [])
    assert found(tmp_path / "none") == ({}, [])


def test_a_size_survives_its_way_into_a_step() -> None:
    assert Size.of(TINY.as_json()) == TINY
    assert os.path.isdir("/proc")  # by which children are found
