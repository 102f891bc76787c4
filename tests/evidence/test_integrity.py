"""Evidence and kept files that somebody changed afterwards are refused, not believed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.safeio.files import sha256_of
from tests.conftest import SANDBOXES
from tests.factories.playground import BIGRAM, Outcome, harness, write_track

pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None) -> Path:
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
        (("scoring", "val_bpb"), 1.0),
        (("scoring", "val_bpb"), 10**400),
        (("scoring", "val_loss"), 1.0),
        (("scoring", "total_bits"), 1.0),
        (("scoring", "total_nats"), -1.0),
        (("scoring", "bytes"), 1_000_000),
        (("scoring", "bytes"), 10**400),
        (("scoring", "targets"), 1),
        (("score",), None),
        (("probe",), None),
        (("artifact",), None),
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


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def scaled(scoring: dict[str, Any]) -> None:
    """A better score that agrees with itself."""
    for figure in ("val_bpb", "total_nats", "total_bits", "val_loss"):
        scoring[figure] *= 0.5


def rewrite_documents(seed: Path, **changes: Any) -> None:
    """Another file of documents, with its digest in the evidence."""
    with np.load(seed / "documents.npz") as kept:
        arrays = {name: kept[name] for name in kept.files}
    changed = {name: change(arrays[name]) for name, change in changes.items()}
    np.savez_compressed(seed / "documents.npz", **(arrays | changed))
    digest = sha256_of(seed / "documents.npz")
    edit(seed / "evidence.json", lambda run: run["scoring"].update(documents_sha256=digest))


def append(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"#")


def replace_by(file: Path, make: Callable[[Path], object]) -> None:
    file.rename(file.with_name("moved"))
    make(file)


def edit_run(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda seed: edit(seed / "evidence.json", change)


def edit_plan(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda seed: edit(seed.parent / "verification.json", change)


SEALED, SCORED = "artifact/bigram.bin: missing, or not what was sealed", "documents.npz: "
CODE = "submission: not the files that the verification was begun with"
# What somebody does to a seed run's directory, exit code, and what is said of it.
CHANGES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "artifact bytes": (edit_run(lambda run: run["artifact"].update(bytes=10)), 3, SEALED),
    "artifact digest": (edit_run(lambda run: run["artifact"].update(sha256="0" * 64)), 3, SEALED),
    "artifact": (lambda seed: append(seed / "artifact/bigram.bin"), 3, SEALED),
    "artifact of another name": (
        edit_run(lambda run: run["artifact"].update(name="other.bin")),
        3,
        "artifact/other.bin: missing",
    ),
    "no artifact": (lambda seed: shutil.rmtree(seed / "artifact"), 3, SEALED),
    "a link": (
        lambda seed: replace_by(
            seed / "artifact/bigram.bin", lambda file: file.symlink_to(file.with_name("moved"))
        ),
        3,
        SEALED,
    ),
    "a pipe": (lambda seed: replace_by(seed / "artifact/bigram.bin", os.mkfifo), 3, SEALED),
    "a checkpoint from nowhere": (
        edit_run(lambda run: run.update(checkpoint=run["artifact"])),
        3,
        "checkpoint/bigram.bin: missing, or not what was sealed",
    ),
    "all scores": (edit_run(lambda run: scaled(run["scoring"])), 3, "do not come to the score"),
    "documents": (lambda seed: append(seed / "documents.npz"), 3, SCORED),
    "no documents": (lambda seed: (seed / "documents.npz").unlink(), 3, SCORED),
    "other documents": (
        edit_run(lambda run: run["scoring"].update(documents_file="holdout.npz")),
        3,
        SCORED,
    ),
    "nats of documents": (
        lambda seed: rewrite_documents(seed, nats=lambda nats: nats * 0.5),
        3,
        SCORED,
    ),
    "bytes of documents": (
        lambda seed: rewrite_documents(seed, bytes=lambda sizes: sizes + 1),
        3,
        SCORED,
    ),
    "targets of documents": (
        lambda seed: rewrite_documents(seed, targets=lambda counts: counts + 1),
        3,
        SCORED,
    ),
    "words for documents": (
        lambda seed: rewrite_documents(seed, nats=lambda nats: nats.astype(str)),
        3,
        SCORED,
    ),
    "code": (lambda seed: append(seed.parent / "submission/bigram.py"), 3, CODE),
    "code that is none": (
        lambda seed: (seed.parent / "submission/submission.toml").write_text("["),
        3,
        CODE,
    ),
    "no code": (lambda seed: shutil.rmtree(seed.parent / "submission"), 3, CODE),
    "code bytes": (
        edit_plan(lambda plan: plan["submission"].update(code_bytes=1)),
        2,
        "code_bytes",
    ),
    "author": (edit_plan(lambda plan: plan["submission"].update(author="M")), 3, "author: not"),
    "a plan of the future": (
        edit_plan(lambda plan: plan.update(created_at="9999-01-01T00:00:00+00:00")),
        3,
        "lies in the future",
    ),
    "a plan of no day": (edit_plan(lambda plan: plan.update(created_at="soon")), 2, "created_at"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_verdict_follows_from_what_was_changed(copy: Path, change: str) -> None:
    spoil, code, said = CHANGES[change]
    spoil(next(copy.glob("seed-*")))
    for command in (("judge", copy), ("leaderboard", "accept", copy)):
        done = harness(*command)
        assert done.code == code, done.out + done.err
        assert said in done.err and str(copy) in done.err
        assert "Traceback" not in done.err and not done.out


def test_baselines_are_held_against_the_dataset_where_it_is_at_hand(
    copy: Path, data_root: Path
) -> None:
    """The bar is one of them."""
    baselines = {"unigram": 99.0, "witten_bell_bigram": 98.0}
    edit(copy / "verification.json", lambda plan: plan["dataset"].update(baselines=baselines))
    (copy / "verdict.json").unlink()
    resumed = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    rescored = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    for done in (resumed, rescored):
        assert done.code == 3
        assert "figures of dataset demo_sp1024 are not those" in done.err


def test_resuming_trains_nothing_beside_a_spoilt_seed(copy: Path, data_root: Path) -> None:
    first, second = sorted(copy.glob("seed-*"))
    append(first / "artifact/bigram.bin")
    (second / "evidence.json").unlink()
    (copy / "verdict.json").unlink()
    done = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    assert done.code == 3
    assert SEALED in done.err
    assert not list(copy.glob("*.broken-*"))  # nothing was begun


def test_what_came_to_no_artifact_keeps_none(copy: Path) -> None:
    """A seed run that failed is judged with nothing but its evidence."""
    seed = next(copy.glob("seed-*"))

    def fail(run: dict[str, Any]) -> None:
        trouble = {"fault": "submission", "phase": "train", "reason": "exit code 1"}
        nothing = ("artifact", "score", "scoring", "probe", "probes", "memorisation")
        run.update({**dict.fromkeys(nothing), "trouble": trouble})

    edit(seed / "evidence.json", fail)
    shutil.rmtree(seed / "artifact")
    (seed / "documents.npz").unlink()
    done = harness("judge", copy, "--json", "-")
    assert (done.code, done.verdict["verdict"]) == (1, "REJECTED"), done.err


def test_a_rescored_run_is_held_against_its_own_files(copy: Path, data_root: Path) -> None:
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root, "--json", "-")
    assert done.code == 0, done.err
    rescored = Path(done.verdict["evidence"])
    shutil.rmtree(copy)
    assert harness("judge", rescored).code == 0
    append(next(rescored.glob("seed-*/artifact/bigram.bin")))
    assert harness("judge", rescored).code == 3


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
