"""Several entries in one call, on one machine: one plan each, one pool, and a queue to look at."""

import json
from pathlib import Path

import pytest

from harness.run.queue import Queue, QueueReader
from tests.factories.playground import Outcome, harness, write_submission, write_track

pytestmark = pytest.mark.usefixtures("forked")


class Bench:
    """Entries that fail at once, each in its own way."""

    def __init__(self, place: Path, data_root: Path) -> None:
        self.place, self.runs = place, place / "runs"
        self.track = write_track(place / "track.toml", seeds="2")
        self.options = ["--track", self.track, "--sandbox", "process", "--data", data_root]

    def entry(self, name: str) -> Path:
        return write_submission(self.place / name, train=f"raise SystemExit(1)  # {name}")

    def verify(self, *words: str | Path) -> Outcome:
        return harness("verify", *words, *self.options, "--runs", self.runs)

    def queue(self) -> Queue:
        return QueueReader(self.runs).read()


@pytest.fixture
def bench(tmp_path: Path, data_root: Path) -> Bench:
    return Bench(tmp_path, data_root)


def test_each_has_its_verdict_and_what_is_malformed_is_left_out(bench: Bench) -> None:
    broken = bench.entry("broken")
    (broken / "submission.toml").write_text("[submission")
    file = bench.place / "verdicts.json"
    folders = [bench.entry("a"), bench.entry("b")]
    done = bench.verify(folders[0], broken, folders[1], "--json", file)
    assert done.code == 2, done.err
    assert "broken is left out: " in done.out
    assert done.err.count(f"{broken}: ") >= 1
    verdicts = json.loads(file.read_text())
    assert [verdict["verdict"] for verdict in verdicts] == ["REJECTED", "REJECTED"]
    assert [len(verdict["seeds"]) for verdict in verdicts] == [1, 1]
    for folder, verdict in zip(folders, verdicts, strict=True):
        kept = (Path(verdict["evidence"]) / "scorecard.txt").read_text()
        again = f"harness verify {folder} --track {bench.track} --sandbox process"
        for text in (done.out, kept):  # wherever its lines are broken
            assert "".join(again.split()) in "".join(text.split()), "each has its own command"
    found = bench.queue()
    assert [(each.state, each.verdict) for each in found.submissions] == [
        ("judged", "REJECTED")
    ] * 2
    assert (found.done, found.waiting, found.running, found.lost) == (2, 0, 0, 0)


def test_resumed_together_each_is_finished_begun_or_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (bench.entry(name) for name in ("first", "second", "third"))
    assert bench.verify(first).code == 1
    with monkeypatch.context() as patch:
        patch.setattr("harness.run.finishing.run_all", lambda works, pool: None)
        bench.verify(second)
    (directory,) = bench.runs.glob("*second*")
    (directory / "verdict.json").unlink()
    assert [each.state for each in bench.queue().submissions] == ["judged", "open"]
    assert [run.why for run in bench.queue().submissions[1].runs] == ["not sent yet"] * 2

    done = bench.verify(first, second, third, "--resume")
    assert done.code == 1, done.err
    assert len(list(bench.runs.glob("*/plan.json"))) == 3, "no plan was made anew"
    assert {each.state for each in bench.queue().submissions} == {"judged"}
    assert len(list(bench.runs.glob("*first*/seed-*/try-*"))) == 1, "what was judged stays"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plan"], "--plan is about one submission"),
        (["--bridge", "bridge.toml"], "--bridge is about one folder"),
        (["--cluster", "cluster.toml"], "--cluster is about other machines"),
    ],
)
def test_what_makes_no_sense_together_is_refused(bench: Bench, words: list[str], said: str) -> None:
    done = bench.verify(bench.entry("a"), bench.entry("b"), *words)
    assert done.code == 2
    assert said in done.err


def test_one_folder_twice_is_refused(bench: Bench) -> None:
    done = bench.verify(bench.entry("a"), bench.entry("a"))
    assert done.code == 2
    assert "named twice" in done.err


def test_the_queue_is_drawn_and_written(bench: Bench) -> None:
    bench.verify(bench.entry("a"))
    done = harness("queue", bench.runs)
    assert done.code == 0
    assert "1 of 1 judged: 1 REJECTED" in done.out
    assert "0 wait, 0 run, 1 done, 0 lost" in done.out
    written = json.loads(harness("queue", bench.runs, "--json", "-").out)
    assert Queue.model_validate(written).submissions[0].verdict == "REJECTED"
    missing = harness("queue", bench.place / "nowhere")
    assert missing.code == 2
    assert "expected the one that --runs named" in missing.err
