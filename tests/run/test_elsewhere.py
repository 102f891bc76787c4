"""A run that is asked again on another machine than the one that scored: what moves, what fails."""

import json
import shutil
from pathlib import Path

import pytest

from harness.evidence.giving_up import give_up
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.run.elsewhere import next_task
from harness.run.queue import QueueReader
from tests.factories.playground import BIGRAM, Outcome, harness, verified
from tests.run.test_documents import ADAPTIVE, written

pytestmark = pytest.mark.usefixtures("forked")
ANSWERS = "score.answers.npz"


class Bench:
    """A verification whose plan asks again elsewhere, and machines with names."""

    def __init__(self, path: Path, data: Path) -> None:
        self.path, self._data = path, data

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory.open(self.path)

    def run(self) -> Run:
        """The first try of the first draw."""
        return self.directory.tries(self.directory.plan.draws[0])[0]

    @property
    def place(self) -> Path:
        return self.path / f"seed-{self.directory.plan.seeds[0]}/try-1"

    def on(self, node: str) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_NODE", node)
            seed = self.directory.plan.seeds[0]
            return harness("seed", self.path, seed, "--data", self._data)


def begun_again(whole: Path, place: Path, data: Path) -> Bench:
    """A finished verification begun anew with a plan that asks elsewhere: scored on n1."""
    path = place / "runs" / whole.name
    shutil.copytree(whole, path)
    plan = json.loads((path / "plan.json").read_text())
    (path / "plan.json").write_text(json.dumps(plan | {"elsewhere": True}))
    (path / "verdict.json").unlink()
    for seed in RunDirectory.open(path).plan.seeds:
        shutil.rmtree(path / f"seed-{seed}")
    bench = Bench(path, data)
    done = bench.on("n1")
    assert "asking again: goes on on another machine" in done.err + done.out
    return bench


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None) -> Path:
    """One that waits for another machine."""
    folder = tmp_path_factory.mktemp("moved")
    (whole,) = verified(BIGRAM, folder / "whole", data_root).iterdir()
    return begun_again(whole, folder, data_root).path


@pytest.fixture
def bench(moved: Path, tmp_path: Path, data_root: Path) -> Bench:
    shutil.copytree(moved, tmp_path / "runs" / moved.name)
    return Bench(tmp_path / "runs" / moved.name, data_root)


def names(run: Run) -> list[str]:
    return [step.name for step in run.steps]


def test_a_run_that_waits_is_neither_done_nor_lost(bench: Bench) -> None:
    run, draw = bench.run(), bench.directory.plan.draws[0]
    assert names(run) == ["train", "score"]
    assert run.waits and not run.ended and (bench.place / ANSWERS).is_file()
    assert bench.directory.counted(draw) is None and bench.directory.used_up() == ()
    task = next_task(bench.directory, draw)
    assert (task.attempt, task.moves, task.not_on) == (1, 1, "n1")
    (submission,) = QueueReader(bench.path.parent).read().submissions
    assert submission.runs[0].state == "waiting"
    assert submission.runs[0].why == "to be asked again on another machine than n1"
    give_up(bench.directory, draw, 1, "its job is gone")
    assert bench.run().waits, "nothing of it is lost with a job that was to go on with it"


@pytest.mark.long
@pytest.mark.parametrize("streams", ["corpus", "documents"])
def test_what_is_asked_elsewhere_gets_the_answers_that_it_would_get_here(
    tmp_path: Path, data_root: Path, streams: str
) -> None:
    entry = BIGRAM if streams == "corpus" else written(tmp_path, ADAPTIVE)
    (whole,) = verified(entry, tmp_path / "whole", data_root).iterdir()
    bench = begun_again(whole, tmp_path, data_root)
    assert bench.on("n2").code == 0
    run = bench.run()
    asked = ["probe", "recall"] if streams == "corpus" else ["probe"]
    assert names(run) == ["train", "score", *asked, "spread"]
    assert run.ended and not run.waits and not run.lost
    assert [host.node for host in run.hosts] == ["n1", "n2"]
    where: dict[str, str] = {step.name: run.host_of(step.name).node for step in run.steps}
    assert where["train"] == where["score"] == "n1"
    assert {where[name] for name in asked} == {"n2"}
    assert not (bench.place / ANSWERS).exists(), "kept no longer than they are of use"
    one = RunDirectory.open(whole).runs()[0]
    assert run.artifact is not None and run.artifact == one.artifact
    times = {"seconds", "expected_seconds", "pace"}
    for mine, theirs in ((run.probes, one.probes), (run.recall, one.recall)):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            assert mine.model_dump(exclude=times) == theirs.model_dump(exclude=times)


def test_the_machine_that_scored_refuses_to_ask_again(bench: Bench) -> None:
    done = bench.on("n1")
    assert done.code == 3
    assert "asks again on another machine than the one that scored" in done.err
    assert "HARNESS_NODE" in done.err
    assert bench.run().waits, "and nothing is lost by it"


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_answers_that_are_not_what_was_scored_lose_the_try(bench: Bench, how: str) -> None:
    file = bench.place / ANSWERS
    if how == "removed":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert bench.on("n2").code == 3
    run = bench.run()
    assert run.lost and run.failure is not None and run.failure.fault == "infrastructure"
    assert "missing, or not what was scored" in run.failure.reason
    assert next_task(bench.directory, bench.directory.plan.draws[0]).attempt == 2


def test_a_machine_that_dies_while_it_asks_loses_the_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("harness.run.scoring_session.ScoringSession.probe", die)
        bench.on("n2")
    run, draw = bench.run(), bench.directory.plan.draws[0]
    assert not run.waits and run.lost and [host.node for host in run.hosts] == ["n1", "n2"]
    assert next_task(bench.directory, draw).attempt == 2
    give_up(bench.directory, draw, 1, "its job is gone")
    assert bench.run().given_up is not None
    assert not (bench.place / ANSWERS).exists()
