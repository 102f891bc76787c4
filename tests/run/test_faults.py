"""Our own failures: disk, engine, interruption. Never REJECTED, nothing lost, nothing left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.run.shown import PREFIX
from tests.conftest import SANDBOXES
from tests.factories.playground import ROOT, harness, write_submission, write_track
from tests.sandbox.conftest import leftovers, remove_all_of_ours
from tests.sandbox.docker.proxy import EngineProxy

pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; needs root."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_disk_that_fills_up_is_inconclusive_and_resumable(
    tmp_path: Path, data_root: Path, small_disk: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if something else took the space after we had looked.
    monkeypatch.setattr("harness.run.disk.disk_free_bytes", lambda path: 1 << 40)
    train = "import os; open(os.environ['OUTPUT_DIR'] + '/model.bin', 'wb').write(bytes(5_000_000))"
    folder = write_submission(tmp_path / "toy", train=train)
    arguments = ["--track", write_track(tmp_path / "t.toml", seeds="2"), "--data", data_root]
    arguments += ["--sandbox", sandbox, "--runs", small_disk, "--json", "-"]
    done = harness("verify", folder, *arguments)
    assert done.code == 3, done.err
    assert done.verdict["verdict"] == "INCONCLUSIVE"
    assert "the disk is full" in done.verdict["reason"]
    assert "Traceback" not in done.err
    (directory,) = small_disk.iterdir()
    assert not list(directory.rglob("model.bin"))  # no half artifact under its name
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    again = harness("verify", folder, *arguments, "--resume")
    assert again.code == 1, again.err  # a uniform model, but judged in full
    assert [seed["artifact_bytes"] for seed in again.verdict["seeds"]] == [5_000_000] * 2
    assert leftovers() == []


def test_a_disk_too_full_for_any_evidence_is_one_message(
    tmp_path: Path, data_root: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.disk.disk_free_bytes", lambda path: 1 << 40)
    (small_disk / "ballast").write_bytes(bytes(3 << 20)[: 3 << 20])
    folder = write_submission(tmp_path / "toy")
    done = harness(
        "verify",
        folder,
        "--track",
        "smoke",
        "--data",
        data_root,
        "--sandbox",
        "process",
        "--runs",
        small_disk,
    )
    assert done.code == 3
    assert "the disk is full" in done.err and "Traceback" not in done.err


@pytest.mark.docker
@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        pytest.param("train", 0.0, id="while train is set up"),
        pytest.param("train", 3.0, id="train"),
        pytest.param("score", 3.0, id="score"),
    ],
)
def test_an_engine_that_stops_in_the_middle_is_inconclusive(
    tmp_path: Path, data_root: Path, phase: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_train = "import os, time; time.sleep(30)"
    slow_model = "import time\ndef load_model(artifact, device):\n    time.sleep(30)"
    folder = (
        write_submission(tmp_path / "toy", train=slow_train)
        if phase == "train"
        else write_submission(tmp_path / "toy", model=slow_model)
    )
    with EngineProxy(tmp_path) as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.url)

        def cut_when_running() -> None:
            while not list(tmp_path.glob(f"runs/*/seed-*/try-*/{phase}.log")):
                time.sleep(0.05)
            time.sleep(seconds)
            proxy.cut()

        threading.Thread(target=cut_when_running).start()
        done = harness(
            "verify",
            folder,
            "--track",
            write_track(tmp_path / "t.toml", seeds="2"),
            "--data",
            data_root,
            "--sandbox",
            "docker",
            "--runs",
            tmp_path / "runs",
            "--json",
            "-",
        )
    assert done.code == 3, done.err
    assert done.verdict["verdict"] == "INCONCLUSIVE"
    assert "engine" in done.verdict["reason"]
    assert "Traceback" not in done.err
    monkeypatch.delenv("DOCKER_HOST")
    # What could not be removed through a dead engine, the next start of a harness reaps.
    remove_all_of_ours()
    assert leftovers() == []


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("phase", ["train", "score"])
def test_interrupting_leaves_nothing_running(
    tmp_path: Path, data_root: Path, sandbox: str, name: str, phase: str
) -> None:
    slow = "import time\ndef load_model(artifact, device):\n    time.sleep(60)"
    folder = (
        write_submission(tmp_path / "toy", train="import time; time.sleep(60)")
        if phase == "train"
        else write_submission(tmp_path / "toy", model=slow)
    )
    command = [sys.executable, "-m", "harness", "verify", str(folder), "--track", "smoke"]
    command += ["--data", str(data_root), "--sandbox", sandbox, "--runs", str(tmp_path / "runs")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(f"runs/*/seed-*/try-*/{phase}.log")):
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "harness: interrupted; finish with --resume"
    assert leftovers(of=lambda owner: f"-{process.pid}-" in owner) == []
    assert list(tmp_path.glob(f"runs/{PREFIX}*")) == []
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/seed-*/try-1/*.json")]
    assert [run["ended"] for run in kept] == [False]


def test_two_harnesses_never_work_on_one_verification(tmp_path: Path, data_root: Path) -> None:
    over = tmp_path / "over"
    wait = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.05)"
    folder = write_submission(tmp_path / "toy", train=wait)
    arguments = [
        "--track",
        str(write_track(tmp_path / "t.toml", train_seconds=200, seeds="2")),
        "--sandbox",
        "process",
    ]
    arguments += ["--data", str(data_root), "--runs", str(tmp_path / "runs")]
    command = [sys.executable, "-m", "harness", "verify", str(folder), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("runs/*/seed-*/try-*/train.log")):
        time.sleep(0.05)
    second = harness("verify", folder, *arguments, "--resume")
    over.touch()
    process.wait(timeout=60)
    assert second.code == 3
    assert "another harness is at work" in second.err
    (path,) = tmp_path.glob("runs/*/verdict.json")
    assert json.loads(path.read_text())["verdict"] == "REJECTED"
    assert os.path.exists(path)
