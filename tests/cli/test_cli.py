"""Commands as a user meets them: exit codes, one clear message, fast where it must be."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.factories.nvml import FakeNvml, Gpu
from tests.factories.playground import (
    BIGRAM,
    MANIFEST,
    ROOT,
    harness,
    write_submission,
    write_track,
)


def options(tmp_path: Path, data_root: Path) -> list[str | Path]:
    return ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "runs"]


def run(*arguments: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **changes},
        cwd=ROOT,
    )


def test_help_names_every_command_and_exit_code() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("verify", "check", "rescore", "judge", "data", "doctor", "130 interrupted"):
        assert word in done.stdout


@pytest.mark.parametrize("command", ["--help", "check"])
def test_light_commands_import_nothing_heavy(command: str) -> None:
    arguments = [command] if command == "--help" else [command, str(BIGRAM)]
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'scipy', 'docker', 'sentencepiece'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("count", ["0", "-1", "two", "9" * 5000])
@pytest.mark.parametrize(
    "words",
    [("audit", "x"), ("adopt", "x"), ("site", "x"), ("data", "tokenize", "--out", "x", "x")],
    ids=lambda words: words[0],
)
def test_workers_are_a_number_that_makes_sense(words: tuple[str, ...], count: str) -> None:
    done = harness(*words, "--workers", count)
    assert done.code == 2
    assert "argument --workers" in done.err and "a whole number from 1 to 1,000" in done.err


def test_check_judges_without_running() -> None:
    done = harness("check", BIGRAM)
    assert done.code == 0
    assert "code bytes" in done.out and "1,5" in done.out
    assert "Traceback" not in done.err


def test_check_fails_on_what_can_never_pass(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "toy")
    (folder / "submission.json").write_text('{"bytes_total": 17000000}')
    done = harness("check", folder)
    assert done.code == 1
    assert "17,000,000" in done.out


@pytest.mark.parametrize(
    ("breakage", "code", "expected"),
    [
        ("no folder", 2, "no such folder"),
        ("bad toml", 2, "not valid TOML"),
        ("missing file", 2, "model.py: no such file"),
        ("symlink", 2, "symbolic link"),
        ("outside", 2, "plain relative path"),
        ("unknown track", 2, "no such track; known are 10min_16mb, non_record_16mb, smoke"),
        ("bad seeds", 2, "--seeds x"),
        ("same seed twice", 2, "given twice"),
        ("endless seed", 2, "--seeds 1111"),
        ("too many seeds", 2, "expected at most 998, found 1,001"),
        ("seeds of a resumed one", 2, "leave out --seeds"),
        ("json nowhere", 2, "--json"),
        ("json is a folder", 2, "--json"),
        ("json without a name", 2, "--json"),
        ("folder is bytes", 2, "not UTF-8"),
        ("runs is bytes", 2, "not UTF-8"),
        ("folder has an endless name", 2, "File name too long"),
        ("runs in no file system", 3, "/proc/runs: cannot be written"),
        ("no dataset", 3, "harness data demo"),
        ("official track", 3, "NVIDIA H100 80GB HBM3"),
        ("nothing to resume", 2, "nothing to resume"),
        ("runs is a file", 3, "runs"),
        ("no disk", 3, "bytes free"),
    ],
)
def test_each_mistake_gets_one_clear_message(
    tmp_path: Path, data_root: Path, breakage: str, code: int, expected: str
) -> None:
    folder = write_submission(tmp_path / "toy")
    arguments: list[str | Path] = options(tmp_path, data_root)
    track = write_track(tmp_path / "track.toml")
    if breakage == "no folder":
        folder = tmp_path / "gone"
    elif breakage == "bad toml":
        (folder / "submission.toml").write_text("[submission\n")
    elif breakage == "missing file":
        (folder / "model.py").unlink()
    elif breakage == "symlink":
        (folder / "model.py").unlink()
        (folder / "model.py").symlink_to("train.py")
    elif breakage == "outside":
        (folder / "submission.toml").write_text(MANIFEST.replace('"model.py"', '"../model.py"'))
    elif breakage == "bad seeds":
        arguments += ["--seeds", "x"]
    elif breakage == "same seed twice":
        arguments += ["--seeds", "1,1"]
    elif breakage == "endless seed":
        arguments += ["--seeds", "1" * 5000]
    elif breakage == "too many seeds":
        arguments += ["--seeds", ",".join(map(str, range(1001)))]
    elif breakage == "seeds of a resumed one":
        arguments += ["--resume", "--seeds", "7,8"]
    elif breakage.startswith("json"):
        place = {"json nowhere": tmp_path / "no/x.json", "json is a folder": tmp_path}
        arguments += ["--json", place.get(breakage, "")]
    elif breakage == "folder is bytes":
        folder = folder.rename(tmp_path / os.fsdecode(b"toy\xff"))
    elif breakage == "runs is bytes":
        arguments += ["--runs", tmp_path / os.fsdecode(b"runs\xff")]
    elif breakage == "folder has an endless name":
        folder = tmp_path / ("x" * 300)
    elif breakage == "runs in no file system":
        arguments += ["--runs", "/proc/runs"]
    elif breakage == "no dataset":
        arguments += ["--data", tmp_path / "empty"]
    elif breakage == "nothing to resume":
        arguments += ["--resume"]
    elif breakage == "runs is a file":
        (tmp_path / "runs").write_text("")
    elif breakage == "no disk":
        track = write_track(tmp_path / "track.toml", output_bytes=str(1 << 50))
    name = {"unknown track": "nosuch", "official track": "10min_16mb"}.get(breakage, track)
    done = harness("verify", folder, "--track", name, *arguments)
    assert done.code == code, done.err
    assert expected in done.err
    # Besides what check says of the entry.
    assert done.err.count("harness: ") - done.err.count("harness: warning: ") == 1
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("runs/*"))  # nothing was begun


@pytest.mark.parametrize("damage", ["altered", "truncated", "missing", "manifest"])
def test_a_damaged_dataset_is_refused_and_named(
    tmp_path: Path, data_root: Path, damage: str
) -> None:
    import shutil

    root = tmp_path / "data"
    shutil.copytree(data_root, root)
    shard = next(root.glob("*/val/*.bin"))
    content = bytearray(shard.read_bytes())
    if damage == "altered":
        content[2000] ^= 1
        shard.write_bytes(content)
    elif damage == "truncated":
        shard.write_bytes(content[:-2])
    elif damage == "missing":
        shard.unlink()
    else:
        shard = next(root.glob("*/manifest.json"))
        shard.write_text("{")
    done = harness(
        "verify",
        BIGRAM,
        "--track",
        "smoke",
        "--sandbox",
        "process",
        "--data",
        root,
        "--runs",
        tmp_path / "runs",
    )
    assert done.code == 3
    assert shard.name in done.err
    assert "Traceback" not in done.err


def test_json_goes_to_a_file_or_alone_to_stdout(tmp_path: Path, data_root: Path) -> None:
    folder = write_submission(tmp_path / "toy", train="pass")
    arguments = ["--track", "smoke", *options(tmp_path, data_root)]
    done = harness("verify", folder, *arguments, "--json", tmp_path / "verdict.json")
    assert done.code == 1
    assert "REJECTED" in done.out
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert set(verdict) >= {
        "verdict",
        "track",
        "edition",
        "submission",
        "checks",
        "seeds",
        "statistics",
    }
    for check in verdict["checks"]:
        placed = {"file", "line", "field", "remedy"}
        assert set(check) == {"id", "status", "measured", "limit", "unit", "detail", *placed}
    piped = harness("judge", verdict["evidence"], "--json", "-")
    assert json.loads(piped.out) == verdict


def test_a_json_file_that_cannot_be_written_leaves_the_verdict(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.errors import InfrastructureError

    def fail(path: Path, content: bytes) -> None:
        if path == tmp_path / "verdict.json":
            raise InfrastructureError(f"{path}: the disk is full")
        write_atomically(path, content)

    from harness.safeio.files import write_atomically

    monkeypatch.setattr("harness.safeio.files.write_atomically", fail)
    folder = write_submission(tmp_path / "toy", train="pass")
    arguments = ["--track", "smoke", *options(tmp_path, data_root)]
    done = harness("verify", folder, *arguments, "--json", tmp_path / "verdict.json")
    assert done.code == 1
    assert "REJECTED" in done.out
    assert "the verdict stands" in done.err and "verdict.json: the disk is full" in done.err


def test_judge_runs_nothing_and_refuses_what_is_no_evidence(tmp_path: Path) -> None:
    assert harness("judge", tmp_path).code == 2
    (tmp_path / "plan.json").write_text("{}")
    done = harness("judge", tmp_path)
    assert done.code == 2
    assert "plan.json" in done.err and "Traceback" not in done.err


@pytest.mark.long
@pytest.mark.parametrize("how", [["SIGINT", 130], ["SIGKILL", -9]])
def test_an_interrupted_verification_resumes_to_the_same_seeds(
    tmp_path: Path, data_root: Path, how: list[object]
) -> None:
    """The first seed run is done, the second is cut off; --resume repeats only that one."""
    import signal

    name, code = how
    train = f"""
        import os, pathlib, time
        marker = pathlib.Path({str(tmp_path)!r}) / "slow"
        time.sleep(60 if marker.exists() else 0)
        open(os.environ["OUTPUT_DIR"] + "/model.bin", "wb").write(os.environ["SEED"].encode())
    """
    model = """
        def load_model(artifact, device):
            import torch
            seed = int(artifact.read_bytes())
            noise = torch.randn(1024, generator=torch.Generator().manual_seed(seed))
            return lambda tokens, first: noise.expand(tokens.shape[0], tokens.shape[1] - first, -1)
    """
    folder = write_submission(tmp_path / "toy", train=train, model=model)
    arguments = [
        "--track",
        write_track(tmp_path / "t.toml", seeds="2"),
        *options(tmp_path, data_root),
    ]
    command = [sys.executable, "-m", "harness", "verify", *map(str, [folder, *arguments])]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("runs/*/seed-*/try-*/score.log")):
        time.sleep(0.02)
    (tmp_path / "slow").touch()
    while len(list(tmp_path.glob("runs/*/seed-*/try-*/train.log"))) < 2:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(getattr(signal, str(name)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/seed-*/try-1/*.json")]
    assert sorted(run["ended"] for run in kept) == [False, True]
    assert not list(tmp_path.glob("runs/*/verdict.json"))

    (tmp_path / "slow").unlink()
    done = harness("verify", folder, *arguments, "--resume", "--json", "-")
    (directory,) = (tmp_path / "runs").iterdir()
    plan = json.loads((directory / "plan.json").read_text())
    assert done.code == 1 and done.verdict["verdict"] == "REJECTED", done.err
    drawn = [draw["seed"] for draw in plan["draws"]]
    assert [seed["seed"] for seed in done.verdict["seeds"]] == drawn
    assert [seed["attempt"] for seed in done.verdict["seeds"]] == [1, 2]
    assert all(seed["val_bpb"] for seed in done.verdict["seeds"])
    assert harness("verify", folder, *arguments, "--resume").code == 2  # nothing is left to do


def test_doctor_names_what_is_missing_and_its_cure(tmp_path: Path, data_root: Path) -> None:
    fine = harness("doctor", "--track", "smoke", "--data", data_root, "--runs", tmp_path)
    assert fine.code == 0
    assert "demo_sp1024" in fine.out
    lacking = harness("doctor", "--track", "10min_16mb", "--data", tmp_path, "--runs", tmp_path)
    assert lacking.code == 3
    assert "FAIL" in lacking.out and "NVIDIA H100 80GB HBM3" in " ".join(lacking.out.split())


def test_eight_h100s_choose_the_official_track_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It then stops at the dataset, which is not there: exit 3 before any training."""
    driver = FakeNvml([Gpu(number) for number in range(8)])
    monkeypatch.setattr("harness.hardware.nvml.library", lambda: driver)
    done = harness("verify", BIGRAM, "--data", tmp_path, "--runs", tmp_path / "runs")
    assert done.code == 3
    assert "fineweb10B_sp1024" in done.err
    driver.gpus = [Gpu(number, "NVIDIA H100 NVL") for number in range(8)]
    asked = harness("verify", BIGRAM, "--track", "10min_16mb", "--data", tmp_path)
    assert asked.code == 3
    assert "NVIDIA H100 80GB HBM3" in asked.err and "NVL" in asked.err
