"""A seed run is a unit: made from its directory alone, by any process, and never twice."""

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from harness.evidence.step_names import StepName
from harness.evidence.store import RunDirectory
from harness.run.steps import DO
from tests.factories.playground import BIGRAM, Outcome, harness, verified

pytestmark = pytest.mark.usefixtures("forked")


def test_every_step_is_done_somewhere() -> None:
    assert set(DO) == set(get_args(StepName))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None) -> Path:
    """The runs of a finished verification of two seeds."""
    return verified(BIGRAM, tmp_path_factory.mktemp("finished"), data_root)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of its directory, of which the second seed run was never made."""
    shutil.copytree(finished, tmp_path / "runs")
    (directory,) = (tmp_path / "runs").iterdir()
    (directory / "verdict.json").unlink()
    shutil.rmtree(directory / f"seed-{seeds(directory)[1]}")
    return directory


def seeds(directory: Path) -> tuple[int, ...]:
    return RunDirectory.open(directory).plan.seeds


def seed(directory: Path, number: int, data: Path) -> Outcome:
    return harness("seed", directory, number, "--data", data)


@pytest.mark.long
def test_the_directory_is_all_that_a_seed_run_needs(
    run: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = seeds(run)
    monkeypatch.chdir(tmp_path)  # not where the verification was begun
    assert seed(run, second, data_root).code == 0
    kept = json.loads((run / f"seed-{second}/try-1/evidence.json").read_text())
    assert [step["name"] for step in kept["steps"]] == [
        "train",
        "score",
        "probe",
        "recall",
        "spread",
    ]
    assert kept["ended"] and kept["host"]["machine"]["cores"] > 0
    judged = harness("judge", run, "--json", "-")
    assert judged.code == 0, judged.err
    assert [row["seed"] for row in judged.verdict["seeds"]] == [first, second]


def test_a_run_that_counts_is_not_made_again(run: Path, data_root: Path) -> None:
    done = seed(run, seeds(run)[0], data_root)
    assert done.code == 2
    assert "this run is made, and it counts" in done.err
    assert not list(run.glob("seed-*/try-2"))


def test_a_seed_that_nobody_drew_is_refused(run: Path, data_root: Path) -> None:
    done = seed(run, 7, data_root)
    assert done.code == 2
    assert "seed 7: not in its plan; expected one of" in done.err


def test_a_host_that_is_not_as_planned_refuses_and_begins_nothing(
    run: Path, data_root: Path
) -> None:
    plan = json.loads((run / "plan.json").read_text())
    plan["required"]["measured_by"] = "0" * 64
    (run / "plan.json").write_text(json.dumps(plan))
    done = seed(run, seeds(run)[1], data_root)
    assert done.code == 3
    assert "the harness is not the one that the verification was begun with" in done.err
    assert not list((run / f"seed-{seeds(run)[1]}").glob("try-*"))


def test_a_draw_is_held_while_it_is_run(run: Path, data_root: Path) -> None:
    directory = RunDirectory.open(run)
    with directory.hold(directory.plan.draws[1]):
        done = seed(run, seeds(run)[1], data_root)
    assert done.code == 3
    assert "another harness is at work on this run" in done.err
