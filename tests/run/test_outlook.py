"""What ``harness verify --plan`` tells before anything is begun, and that it begins nothing."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness.contest.track import load_track
from harness.report.outlook import outlook_table
from harness.run.disk import disk_need_bytes
from harness.run.outlook import outlook
from tests.factories.plans import entry
from tests.factories.playground import harness, write_submission
from tests.factories.upstream import upstream_plan


def test_the_official_track_in_hours() -> None:
    track = load_track("10min_16mb")
    found = outlook(entry(), track, None)
    assert (found.first_runs, found.most_runs, found.confirming_runs) == (3, 8, 3)
    assert found.run_seconds == {"training": 600, "scoring": 600, "asking again": 1800}
    assert found.seconds(1) == 3000
    assert found.disk_bytes == disk_need_bytes(track, None) and not found.disk_known
    file = StringIO()
    Console(file=file, width=100).print(outlook_table(found, free_bytes=1))
    said = file.getvalue()
    assert "2 h 30 min to 9 h 10 min" in said and "73.3 hours of accelerators" in said
    assert "after runs" in said


def test_an_entry_of_upstreams_layout_runs_its_script_once_more() -> None:
    plan = upstream_plan()
    found = outlook(plan.entry, plan.track, None)
    budget = plan.track.budget
    assert budget.train_seconds is not None and budget.score_seconds is not None
    whole = budget.train_seconds + budget.score_seconds
    assert found.reproductions == 1 and found.reproduction_seconds == whole
    assert found.run_seconds is not None and found.run_seconds["training"] == whole


def test_more_time_and_seeds_by_hand_count() -> None:
    track = load_track("smoke")
    once = outlook(entry(), track, None, seeds=[1])
    slow = outlook(entry(), track, None, time_scale=2)
    assert (once.first_runs, once.most_runs, once.looks) == (1, 1, ())
    assert slow.seconds(1) == 2 * (once.seconds(1) or 0)


@pytest.mark.parametrize("lacking", [True, False])
def test_it_runs_nothing_and_says_what_is_lacking(
    tmp_path: Path, data_root: Path, lacking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor._sandboxes", lambda track: [])
    folder, data = write_submission(tmp_path / "toy"), tmp_path / "none" if lacking else data_root
    place = ["--runs", tmp_path / "runs", "--data", data, "--json", tmp_path / "plan.json"]
    told = harness("verify", folder, "--plan", "--track", "smoke", *place)
    assert told.code == (3 if lacking else 0), told.err
    assert ("harness data demo" in told.out) == lacking
    assert json.loads((tmp_path / "plan.json").read_bytes())["most_runs"] == 3
    assert not (tmp_path / "runs").exists()
