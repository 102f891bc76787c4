"""Each run is shown other train shards, under the same names, and nothing of them is left after."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.contest.track import load_track
from harness.data.build.imposing import write_shown
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.errors import InfrastructureError
from harness.evidence.results import Trained
from harness.evidence.store import RunDirectory
from harness.run.disk import KEPT_ANSWER_BYTES, disk_need_bytes
from harness.run.shown import PREFIX, TrainShards, reap, train_shards
from harness.safeio.files import sha256_of
from tests.conftest import SANDBOXES
from tests.factories.plans import looking_track, plan, strict_track
from tests.factories.playground import ROOT, Outcome, harness, write_submission, write_track

# What a script can see of the place of its data: names, sizes, documents, and where they come from.
LOOK = """
import hashlib, json, os, pathlib
data = pathlib.Path(os.environ["DATA_PATH"])
digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(data.iterdir())}
lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
sources = [line.split()[3] for line in lines if line.split()[4] == str(data)]
print(json.dumps([str(data), digests, sources]))
(pathlib.Path(os.environ["OUTPUT_DIR"]) / "model.bin").write_bytes(b"weights")
"""


def arguments(tmp_path: Path, data: Path, sandbox: str = "process", **track: str) -> list[Any]:
    rules = write_track(tmp_path / "track.toml", **{"seeds": "2", **track})
    return ["--track", rules, "--data", data, "--sandbox", sandbox, "--runs", tmp_path / "runs"]


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "runs").glob(f"{PREFIX}*"))


def looks(done: Outcome) -> dict[int, list[Any]]:
    """What each seed run of :data:`LOOK` saw."""
    logs = Path(done.verdict["evidence"]).glob("seed-*/try-*/train.log")
    return {
        int(log.parts[-3].removeprefix("seed-")): json.loads(
            log.read_text().strip().partition(" ")[2]
        )
        for log in logs
    }


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.usefixtures("forked")
def test_each_run_sees_other_shards_and_nothing_that_tells_which(
    tmp_path: Path, data_root: Path, sandbox: str
) -> None:
    folder = write_submission(tmp_path / "toy", train=LOOK)
    done = harness("verify", folder, *arguments(tmp_path, data_root, sandbox), "--json", "-")
    assert done.status("seeds") == "pass", done.err
    assert left(tmp_path) == []
    directory = RunDirectory.open(Path(done.verdict["evidence"]))
    dataset = open_dataset(data_root, DEMO_NAME)
    seen = looks(done)
    one, other = seen.values()
    assert one[1].keys() == other[1].keys() == {"fineweb_train_000000.bin"}
    assert one[1] != other[1]
    for run in directory.runs():
        facts = run.result("train", Trained)
        assert facts and facts.shown
        assert facts.shown.denied_share == pytest.approx(0.1, abs=0.05)
        assert facts.opened == facts.shown.files  # the script's doing: ours was before
        # Whoever has plan and dataset makes the very files again.
        (tmp_path / str(run.seed)).mkdir()
        asked = {"nonce": directory.plan.nonce, "seed": run.seed, "denied_share": 0.1}
        again = write_shown(dataset, tmp_path / str(run.seed), **asked)  # type: ignore[arg-type]
        assert again == facts.shown
        (file,) = (tmp_path / str(run.seed)).iterdir()
        assert seen[run.seed][1] == {file.name: sha256_of(file)}
    if sandbox == "docker":
        assert one[0] == other[0] == "/data"
        for seed, (_, _, sources) in seen.items():
            (source,) = sources
            assert re.search(rf"/{re.escape(PREFIX)}[0-9a-f]{{32}}/train$", source)
            assert str(seed) not in source and "try-" not in source
    else:
        assert Path(one[0]).parent != Path(other[0]).parent


@pytest.mark.long
@pytest.mark.usefixtures("forked")
def test_a_track_that_imposes_nothing_shows_the_dataset_itself(
    tmp_path: Path, data_root: Path
) -> None:
    rules = write_track(tmp_path / "track.toml", seeds="2", imposed=False)
    folder = write_submission(tmp_path / "toy", train=LOOK)
    options = ["--track", rules, "--data", data_root, "--sandbox", "process", "--json", "-"]
    done = harness("verify", folder, *options, "--runs", tmp_path / "runs")
    assert done.status("seeds") == "pass", done.err
    one, other = looks(done).values()
    assert one == other
    assert Path(one[0]) == open_dataset(data_root, DEMO_NAME).train_directory
    evidence = next((tmp_path / "runs").glob("*/seed-*/try-1/evidence.json")).read_text()
    assert "shown" not in evidence


@pytest.mark.parametrize("train", ["raise SystemExit(1)", "import time; time.sleep(60)", "pass"])
@pytest.mark.usefixtures("forked")
def test_nothing_is_left_of_a_training_that_failed(
    tmp_path: Path, data_root: Path, train: str
) -> None:
    folder = write_submission(tmp_path / "toy", train=train)
    done = harness("verify", folder, *arguments(tmp_path, data_root, train_seconds="1"))
    assert done.code == 1, done.err
    assert left(tmp_path) == []


def test_what_a_killed_harness_left_is_gone_after_a_resume(tmp_path: Path, data_root: Path) -> None:
    over = tmp_path / "over"
    wait = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.05)"
    folder = write_submission(tmp_path / "toy", train=wait)
    options = arguments(tmp_path, data_root, train_seconds="200")
    command = [sys.executable, "-m", "harness", "verify", str(folder), *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("runs/*/seed-*/try-*/train.log")):
        assert process.poll() is None
        time.sleep(0.05)
    (orphan,) = left(tmp_path)
    reap(tmp_path / "runs")  # somebody else's start, while it lives
    assert list((orphan / "train").iterdir())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left(tmp_path) == [orphan]
    over.touch()
    again = harness("verify", folder, *options, "--resume")
    assert again.code == 1, again.err  # it leaves no artifact
    assert left(tmp_path) == []


@pytest.fixture
def dataset(data_root: Path) -> Dataset:
    return open_dataset(data_root, DEMO_NAME)


def shown(dataset: Dataset, tmp_path: Path) -> contextlib.AbstractContextManager[TrainShards]:
    made = plan(load_track("smoke"))
    beside = tmp_path / "verification"
    return train_shards(made, dataset, seed=5, beside=beside, note=lambda text: None)


def test_the_name_of_the_place_is_another_each_time(dataset: Dataset, tmp_path: Path) -> None:
    places = []
    for _ in range(2):
        with shown(dataset, tmp_path) as shards:
            places.append(shards.directory.parent.name)
            # Mounted is the directory of the shards, and nothing lies beside them in it.
            names = [path.name for path in shards.directory.iterdir()]
            assert names == ["fineweb_train_000000.bin"]
    assert places[0] != places[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_leaves_nothing(
    dataset: Dataset, tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), shown(dataset, tmp_path):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.data.build.imposing.os.fsync", full)
    with pytest.raises(InfrastructureError, match="the disk is full"), shown(dataset, tmp_path):
        pytest.fail("nothing was shown")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_reaped_while_it_is_made_is_made_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    make = Path.mkdir

    def and_reap(path: Path, *arguments: Any, **options: Any) -> None:
        make(path, *arguments, **options)
        if path.name.startswith(PREFIX):
            made.append(path)
            if len(made) == 1:
                reap(tmp_path)

    monkeypatch.setattr(Path, "mkdir", and_reap)
    with shown(dataset, tmp_path) as shards:
        assert len(made) == 2
        assert shards.directory.parent == made[1]


def test_what_cannot_be_removed_keeps_nobody_from_running(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}old").mkdir()
    reap(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}file"]


def test_too_little_disk_is_said_before_anything_is_written(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.shown.disk_free_bytes", lambda path: 10)
    message = "10 bytes free, .* may be needed for the train shards of one run"
    with pytest.raises(InfrastructureError, match=message), shown(dataset, tmp_path):
        pytest.fail("nothing was shown")
    assert list(tmp_path.iterdir()) == []


def test_the_disk_is_reckoned_with_one_copy_of_the_shards(dataset: Dataset) -> None:
    manifest, track = dataset.manifest, load_track("smoke")
    shards = sum(path.stat().st_size for path in dataset.train_directory.iterdir())
    plain = disk_need_bytes(strict_track(), manifest)
    assert disk_need_bytes(track, manifest) == plain + shards
    assert disk_need_bytes(track, manifest, own_tokenizer=True) > plain + shards
    assert disk_need_bytes(track, None) == plain
    # Eight looks and three that confirm, or these three alone on another host.
    eleven = disk_need_bytes(looking_track(), None)
    assert 3 * eleven == 11 * plain
    assert disk_need_bytes(looking_track(), None, runs=3) == plain
    answers = KEPT_ANSWER_BYTES + 4 * sum(file.tokens or 0 for file in manifest.of_kind("val"))
    waiting = disk_need_bytes(strict_track(), manifest, elsewhere=True)
    assert waiting == disk_need_bytes(strict_track(), manifest) + 3 * answers
