"""Evidence and kept files that somebody changed afterwards are refused, not believed."""

import json
import os
import re
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


@pytest.mark.long
def test_resuming_repeats_only_what_is_missing(copy: Path, data_root: Path) -> None:
    before = json.loads((copy / "verdict.json").read_text())
    (copy / "verdict.json").unlink()
    lost = copy / f"seed-{before['seeds'][1]['seed']}" / "try-1/evidence.json"
    lost.unlink()
    done = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    assert done.code == 0, done.err
    assert [s["val_bpb"] for s in done.verdict["seeds"]] == [s["val_bpb"] for s in before["seeds"]]
    assert [s["attempt"] for s in done.verdict["seeds"]] == [1, 2]
    assert list(lost.parent.iterdir())  # another try of the same draw; nothing is thrown away


def test_code_changed_since_is_not_run_under_the_old_digest(copy: Path, data_root: Path) -> None:
    code = copy / "entry/bigram.py"
    code.write_text(code.read_text() + "# changed\n")
    (copy / "verdict.json").unlink()
    resumed = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    rescored = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    for done in (resumed, rescored):
        assert done.code == 3
        assert "not the files that the verification was begun with" in done.err


def test_an_artifact_changed_since_is_not_scored(copy: Path, data_root: Path) -> None:
    artifact = next(copy.glob("seed-*/try-1/artifact/bigram.bin"))
    artifact.write_bytes(artifact.read_bytes() + b"x")
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    assert done.code == 3
    assert "not what was sealed" in done.err + done.out


def test_a_rescoring_refers_to_a_directory_by_the_name_that_it_has(
    copy: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--sandbox", "process", "--data", data_root, "--json", "-")
    monkeypatch.chdir(copy)
    done = harness("rescore", ".", *options)
    assert done.code == 0 and done.verdict["rescored_from"] == copy.name
    spaced = copy.rename(copy.with_name("a copy"))
    done = harness("rescore", spaced, *options)
    assert done.code == 2 and "Traceback" not in done.err
    assert f"{spaced}: a rescoring refers to it by its name" in done.err


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("train", "result", "artifact", "name"), "../../pwned.bin"),
        (("train", "result", "artifact", "bytes"), -1),
        (("train", "phases", 0, "wallclock_seconds"), float("nan")),
        (("train", "phases", 0, "outcome"), "fine"),
        (("seed",), 7),
        (("draw",), 1),
        (("attempt",), 2),
        (("role",), "reproduction"),
        (("score", "result", "val_bpb"), "low"),
        (("score", "result", "val_bpb"), 1.0),
        (("score", "result", "val_bpb"), 10**400),
        (("score", "result", "val_loss"), 1.0),
        (("score", "result", "total_bits"), 1.0),
        (("score", "result", "total_nats"), -1.0),
        (("score", "result", "bytes"), 1_000_000),
        (("score", "result", "bytes"), 10**400),
        (("score", "result", "targets"), 1),
        (("score", "result", "kind"), "probes"),
        (("score", "phases"), []),
        (("probe", "phases"), []),
        (("train", "result"), None),
        (("score", "name"), "probe"),
        (("verified",), True),
    ],
)
def test_malformed_evidence_is_named(copy: Path, path: tuple[Any, ...], value: object) -> None:
    file = copy / f"seed-{seeds_of(copy)[0]}/try-1/evidence.json"
    evidence = json.loads(file.read_text())
    inner: Any = evidence
    if path[0] in ("train", "score", "probe"):
        inner, path = step(evidence, path[0]), path[1:]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file.write_text(json.dumps(evidence))
    done = harness("judge", copy)
    assert done.code == 2
    assert str(file) in done.err and re.search("damaged evidence|expected .* found", done.err)
    assert "Traceback" not in done.err


def seeds_of(run: Path) -> list[int]:
    plan = json.loads((run / "plan.json").read_text())
    return [draw["seed"] for draw in plan["draws"]]


def step(run: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in run["steps"] if each["name"] == name)
    return found


def sealed(run: dict[str, Any]) -> dict[str, Any]:
    artifact: dict[str, Any] = step(run, "train")["result"]["artifact"]
    return artifact


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def scaled(run: dict[str, Any]) -> None:
    """A better score that agrees with itself."""
    for figure in ("val_bpb", "total_nats", "total_bits", "val_loss"):
        step(run, "score")["result"][figure] *= 0.5


def rewrite_documents(seed: Path, **changes: Any) -> None:
    """Another file of documents, with its digest in the evidence."""
    with np.load(seed / "score.npz") as kept:
        arrays = {name: kept[name] for name in kept.files}
    changed = {name: change(arrays[name]) for name, change in changes.items()}
    np.savez_compressed(seed / "score.npz", **(arrays | changed))
    digest = sha256_of(seed / "score.npz")
    edit(
        seed / "evidence.json",
        lambda run: step(run, "score")["result"].update(documents_sha256=digest),
    )


def append(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"#")


def replace_by(file: Path, make: Callable[[Path], object]) -> None:
    file.rename(file.with_name("moved"))
    make(file)


def edit_run(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda seed: edit(seed / "evidence.json", change)


def edit_plan(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda seed: edit(seed.parents[1] / "plan.json", change)


SEALED, SCORED = "artifact/bigram.bin: missing, or not what was sealed", "score.npz: "
CODE = "entry: not the files that the verification was begun with"
GONE = "missing, or not what was kept"
# What somebody does to a seed run's directory, exit code, and what is said of it.
CHANGES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "artifact bytes": (edit_run(lambda run: sealed(run).update(bytes=10)), 3, SEALED),
    "artifact digest": (edit_run(lambda run: sealed(run).update(sha256="0" * 64)), 3, SEALED),
    "artifact": (lambda seed: append(seed / "artifact/bigram.bin"), 3, SEALED),
    "artifact of another name": (
        edit_run(lambda run: sealed(run).update(name="other.bin")),
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
    "a linked folder": (
        lambda seed: replace_by(
            seed / "artifact", lambda folder: folder.symlink_to(folder.with_name("moved"))
        ),
        3,
        SEALED,
    ),
    "linked evidence": (
        lambda seed: replace_by(
            seed / "evidence.json", lambda file: file.symlink_to(file.with_name("moved"))
        ),
        2,
        "evidence.json: cannot be read: not a regular file but a symbolic link",
    ),
    "evidence without end": (
        lambda seed: os.truncate(seed / "evidence.json", 1 << 40),
        2,
        "evidence.json: cannot be read: larger than 67,108,864 bytes",
    ),
    "deep evidence": (
        lambda seed: (seed / "evidence.json").write_text("[" * 50 + "]" * 50),
        2,
        "evidence.json: damaged evidence: nested more than 32 levels deep",
    ),
    "a pipe": (lambda seed: replace_by(seed / "artifact/bigram.bin", os.mkfifo), 3, SEALED),
    "a checkpoint from nowhere": (
        edit_run(lambda run: step(run, "train")["result"].update(checkpoint=sealed(run))),
        3,
        "checkpoint/bigram.bin: missing, or not what was sealed",
    ),
    "all scores": (edit_run(scaled), 3, "do not add up to the score"),
    "documents": (lambda seed: append(seed / "score.npz"), 3, SCORED),
    "no documents": (lambda seed: (seed / "score.npz").unlink(), 3, SCORED),
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
    "code": (lambda seed: append(seed.parents[1] / "entry/bigram.py"), 3, CODE),
    "code that is none": (
        lambda seed: (seed.parents[1] / "entry/submission.toml").write_text("["),
        3,
        CODE,
    ),
    "no code": (lambda seed: shutil.rmtree(seed.parents[1] / "entry"), 3, GONE),
    "code bytes": (edit_plan(lambda plan: plan["entry"]["files"][0].update(bytes=1)), 3, CODE),
    "author": (edit_plan(lambda plan: plan["entry"].update(author="M")), 3, "entry.author: not"),
    "command": (
        edit_plan(lambda plan: plan["entry"]["train"].update(command=["python"])),
        3,
        "entry.train: not",
    ),
    "stride": (edit_plan(lambda plan: plan["entry"]["score"].update(stride=1)), 3, "entry.score"),
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
    spoil(copy / f"seed-{seeds_of(copy)[0]}/try-1")
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
    edit(copy / "plan.json", lambda plan: plan["texts"]["dataset"].update(baselines=baselines))
    (copy / "verdict.json").unlink()
    resumed = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    rescored = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    for done in (resumed, rescored):
        assert done.code == 3
        assert "figures of dataset demo_sp1024 are not those" in done.err


def test_resuming_trains_nothing_beside_a_spoilt_seed(copy: Path, data_root: Path) -> None:
    first, second = (copy / f"seed-{seed}/try-1" for seed in seeds_of(copy))
    append(first / "artifact/bigram.bin")
    (second / "evidence.json").unlink()
    (copy / "verdict.json").unlink()
    done = verify(copy.parents[1], copy.parents[1] / "track.toml", data_root, "--resume")
    assert done.code == 3
    assert SEALED in done.err
    assert not list(copy.glob("seed-*/try-2"))  # nothing was begun


def test_what_led_to_no_artifact_keeps_none(copy: Path) -> None:
    """A seed run that failed is judged with nothing but its evidence."""
    seed = copy / f"seed-{seeds_of(copy)[0]}/try-1"

    def fail(run: dict[str, Any]) -> None:
        finding = {"id": "training", "status": "fail", "detail": "exit code 1"}
        train = step(run, "train")
        train.update(result=None, failure={"fault": "submission", "finding": finding})
        run["steps"] = [train]

    edit(seed / "evidence.json", fail)
    shutil.rmtree(seed / "artifact")
    (seed / "score.npz").unlink()
    done = harness("judge", copy, "--json", "-")
    assert (done.code, done.verdict["verdict"]) == (1, "REJECTED"), done.err


@pytest.mark.long
def test_a_rescored_run_is_held_against_its_own_files(copy: Path, data_root: Path) -> None:
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root, "--json", "-")
    assert done.code == 0, done.err
    rescored = Path(done.verdict["evidence"])
    shutil.rmtree(copy)
    assert harness("judge", rescored).code == 0
    append(next(rescored.glob("seed-*/try-1/artifact/bigram.bin")))
    assert harness("judge", rescored).code == 3


def test_rescoring_needs_all_of_a_verification(copy: Path, data_root: Path) -> None:
    next(copy.glob("seed-*/try-1/evidence.json")).unlink()
    done = harness("rescore", copy, "--sandbox", "process", "--data", data_root)
    assert done.code == 2
    assert "found 1 seed runs" in done.err
    assert len(list(copy.parent.iterdir())) == 1  # nothing was begun


@pytest.mark.long
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
