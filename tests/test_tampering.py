"""Evidence and kept files that somebody changed afterwards are refused, not believed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import SANDBOXES
from tests.playground import BIGRAM, Outcome, harness, write_track


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """The folder of a finished verification: ``track.toml`` and ``runs``."""
    folder = tmp_path_factory.mktemp("finished")
    track = write_track(folder / "track.toml", seeds="2")
    done = verify(folder, track, data_root)
    assert done.code == 0, done.err
    return folder


def verify(folder: Path, track: Path, data: Path, *more: str) -> Outcome:
    arguments = ["--track", track, "--sandbox", "process", "--data", data]
    return harness("verify", BIGRAM, *arguments, "--runs", folder / "runs", "--json", "-", *more)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; returns its run directory."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    (run,) = (tmp_path / "copy/runs").iterdir()
    return run


def test_resuming_repeats_only_what_is_missing(copy: Path, data_root: Path) -> None:
    before = json.loads((copy / "verdict.json").read_text())
    (copy / "verdict.json").unlink()
    lost = copy / f"seed-{before['seeds'][1]['seed']}" / "evidence.json"
    lost.unlink()
    done = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    assert done.code == 0, done.err
    assert [s["val_bpb"] for s in done.verdict["seeds"]] == [s["val_bpb"] for s in before["seeds"]]
    assert (copy / f"{lost.parent.name}.broken-1").is_dir()  # set aside, not thrown away


def test_code_changed_since_is_not_run_under_the_old_digest(copy: Path, data_root: Path) -> None:
    code = copy / "submission/bigram.py"
    code.write_text(code.read_text() + "# changed\n")
    (copy / "verdict.json").unlink()
    resumed = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    rescored = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    for done in (resumed, rescored):
        assert done.code == 3
        assert "not the files that the verification was begun with" in done.err


def test_an_artifact_changed_since_is_not_scored(copy: Path, data_root: Path) -> None:
    artifact = next(copy.glob("seed-*/artifact/bigram.bin"))
    artifact.write_bytes(artifact.read_bytes() + b"x")
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    assert done.code == 3
    assert "not what was sealed" in done.err + done.out


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("artifact", "name"), "../../pwned.bin"),
        (("artifact", "bytes"), -1),
        (("train", "wallclock_seconds"), float("nan")),
        (("train", "outcome"), "fine"),
        (("seed",), 7),
        (("scoring", "val_bpb"), "low"),
        (("verified",), True),
    ],
)
def test_malformed_evidence_is_named(copy: Path, path: tuple[str, ...], value: object) -> None:
    file = next(copy.glob("seed-*/evidence.json"))
    evidence = json.loads(file.read_text())
    inner = evidence
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(evidence))
    done = harness("judge", copy)
    assert done.code == 2
    assert str(file) in done.err and path[-1] in done.err
    assert "Traceback" not in done.err


def test_rescoring_needs_all_of_a_verification(copy: Path, data_root: Path) -> None:
    next(copy.glob("seed-*/evidence.json")).unlink()
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    assert done.code == 2
    assert "found 1 seed runs" in done.err
    assert len(list(copy.parent.iterdir())) == 1  # nothing was begun


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_narrow_umask_hurts_nobody(tmp_path: Path, data_root: Path, sandbox: str) -> None:
    track = write_track(tmp_path / "track.toml", seeds="2")
    before = os.umask(0o077)
    try:
        done = harness(
            "verify",
            BIGRAM,
            "--track",
            track,
            "--sandbox",
            sandbox,
            "--data",
            data_root,
            "--runs",
            tmp_path / "runs",
            "--json",
            "-",
            "--seeds",
            "1",
        )
    finally:
        os.umask(before)
    assert done.status("scoring") == done.status("causality") == "pass", done.err
