"""What a directory of runs says of itself, whatever somebody has left in it."""

from pathlib import Path
from typing import Any

import pytest

from harness.evidence.places import VERDICT
from harness.evidence.store import RunDirectory
from harness.run.queue import Queue, QueueReader
from tests.factories.plans import plan, strict_track
from tests.factories.playground import ROOT, harness
from tests.factories.runs import good_runs
from tests.factories.stored import store

ORDER = (
    '{"format": 1, "launcher": "slurm", "name": "harness-0123456789abcdef", "draw": 0, '
    '"attempt": 1, "data": "/data", "written_at": ""}'
)


def stored(path: Path) -> RunDirectory:
    made = plan(strict_track())
    return store(path, made, good_runs(made))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("begun", '{"node": "n", "at": "yesterday"}'),
        ("begun", '{"node": "n", "at": "2026-01-01T00:00:00"}'),
        ("ended", '{"how": "lost", "at": "soon"}'),
    ],
)
def test_a_moment_that_is_none_damages_its_verification_alone(
    tmp_path: Path, name: str, content: str
) -> None:
    stored(tmp_path / "good")
    tasks = stored(tmp_path / "bad").path / "tasks"
    tasks.mkdir()
    (tasks / "1.json").write_text(ORDER)
    (tasks / f"1.{name}.json").write_text(content)
    bad, good = QueueReader(tmp_path).read().submissions
    assert (bad.state, good.state) == ("damaged", "open")
    assert f"1.{name}.json: damaged: at: expected a moment with its time zone" in bad.why


def test_names_and_words_that_are_no_text_are_told_all_the_same(tmp_path: Path) -> None:
    directory = stored(tmp_path / "run")
    (directory.path / VERDICT).write_text('{"verdict": "\\ud800"}')
    directory.path.rename(tmp_path / "\udcff")
    done = harness("queue", tmp_path, "--json", "-")
    assert done.code == 0, done.err
    (found,) = Queue.model_validate_json(done.out).submissions
    assert (found.directory, found.verdict) == (f"{tmp_path}/?", "?")


def test_one_that_cannot_be_looked_at_is_shown_and_keeps_nobody_from_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(tmp_path / "runs/good")
    stored(tmp_path / "runs/shut")

    def closed(path: Path, before: Any = Path.lstat) -> Any:
        if path.parent.name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return before(path)

    monkeypatch.setattr(Path, "lstat", closed)
    good, shut = QueueReader(tmp_path / "runs").read().submissions
    assert (good.state, shut.state) == ("open", "damaged")
    assert "cannot be looked at: Permission denied" in shut.why
    place = ["--runs", tmp_path / "runs", "--data", tmp_path / "data"]
    done = harness("prune", *place, "--leaderboard", ROOT / "leaderboard.json")
    assert done.code == 0, done.err
