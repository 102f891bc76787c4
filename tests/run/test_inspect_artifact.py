"""Where the bytes go: asked in the score sandbox, believed only as far as it can be checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SANDBOXES
from tests.factories.playground import (
    MANIFEST,
    UNIFORM,
    Outcome,
    harness,
    write_submission,
    write_track,
)

pytestmark = pytest.mark.usefixtures("forked")
DESCRIBED = MANIFEST.replace(
    'load = "model:load_model"', 'load = "model:load_model"\ndescribe = "model:describe"'
).replace('artifact = "model.bin"', 'artifact = "model.bin"\ncheckpoint = "full.bin"')
TRAIN = """
    import os
    output = os.environ["OUTPUT_DIR"]
    open(output + "/model.bin", "wb").write(bytes(1000))
    open(output + "/full.bin", "wb").write(b"1" * 4000)
"""
TENSORS = [
    {
        "name": "embed",
        "shape": [1024, 4],
        "stored": "int8",
        "bits_per_weight": 8.5,
        "bytes": 4352,
        "compressed_bytes": 600,
        "control": False,
        "rms_error": 0.01,
    },
    {
        "name": "gain",
        "shape": [8],
        "stored": "float16",
        "bits_per_weight": 16.0,
        "bytes": 16,
        "compressed_bytes": 300,
        "control": True,
        "rms_error": None,
    },
]
MODEL = """
def load_model(artifact, device):
    import torch
    sharper = artifact.read_bytes()[:1] == b"1"
    row = torch.zeros(1024)
    row[32:128] = 2.0 if sharper else 1.0
    return lambda tokens, first: row.expand(tokens.shape[0], tokens.shape[1] - first, 1024)

def describe(artifact, checkpoint):
    assert artifact.stat().st_size == 1000
    TENSORS = {tensors}
    TENSORS[0]["rms_error"] = None if checkpoint is None else checkpoint.stat().st_size / 1e6
    return TENSORS
"""


def toy(tmp_path: Path, *, model: str | None = None, manifest: str = DESCRIBED) -> Path:
    source = model or MODEL.replace("{tensors}", repr(TENSORS))
    return write_submission(tmp_path / "toy", train=TRAIN, model=source, manifest=manifest)


def run_directory(
    tmp_path: Path, data_root: Path, folder: Path, sandbox: str, *more: str
) -> dict[str, Any]:
    done = harness(
        "verify",
        folder,
        "--track",
        write_track(tmp_path / "t.toml", seeds="2"),
        "--sandbox",
        sandbox,
        "--data",
        data_root,
        "--runs",
        tmp_path / "runs",
        "--json",
        "-",
        *more,
    )
    assert done.verdict, done.err
    return done.verdict


@pytest.mark.long
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_a_run_is_inspected_and_its_gap_measured(
    tmp_path: Path, data_root: Path, sandbox: str
) -> None:
    verdict = run_directory(tmp_path, data_root, toy(tmp_path), sandbox, "--quantization-gap")
    for seed in verdict["seeds"]:
        assert seed["artifact_bytes"] == 1000  # the checkpoint is not counted
        assert seed["unquantised_bpb"] != seed["val_bpb"]
    scorecard = (Path(verdict["evidence"]) / "scorecard.txt").read_text()
    assert "Quantization gap" in scorecard

    done = harness("inspect", verdict["evidence"], "--sandbox", sandbox, "--json", "-")
    assert done.code == 0, done.err
    assert "gain" in done.err and "stored as float16, below float32" in " ".join(done.err.split())
    found = done.verdict
    assert found["artifact_bytes"] == 1000
    assert found["tensors"][0]["rms_error"] == 0.004  # it saw the checkpoint
    assert [tensor["name"] for tensor in found["tensors"]] == ["embed", "gain"]


@pytest.mark.long
def test_without_the_option_no_checkpoint_is_scored(tmp_path: Path, data_root: Path) -> None:
    verdict = run_directory(tmp_path, data_root, toy(tmp_path), "process")
    assert [seed["unquantised_bpb"] for seed in verdict["seeds"]] == [None, None]


@pytest.mark.long
def test_a_checkpoint_that_was_not_left_is_no_fault(tmp_path: Path, data_root: Path) -> None:
    folder = toy(tmp_path)
    (folder / "train.py").write_text(
        TRAIN.replace('"/full.bin"', '"/other.bin"').replace("    ", "")
    )
    verdict = run_directory(tmp_path, data_root, folder, "process", "--quantization-gap")
    assert {c["status"] for c in verdict["checks"] if c["id"] in ("artifact", "scoring")} == {
        "pass"
    }


def inspect_lone(tmp_path: Path, folder: Path, size: int = 1000) -> Outcome:
    artifact = tmp_path / "lone.bin"
    artifact.write_bytes(bytes(size))
    artifact.chmod(0o600)
    return harness("inspect", artifact, "--submission", folder, "--sandbox", "process")


def test_a_lone_artifact_is_inspected(tmp_path: Path) -> None:
    done = inspect_lone(tmp_path, toy(tmp_path))
    assert done.code == 0, done.err
    assert "embed" in done.out and "int8" in done.out and "60.0 %" in done.out


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("raise ValueError('no')", "raised an exception"),
        ("return 'rubbish'", "not a list of tensors"),
        ("return [{'name': 1}]", "not a list of tensors"),
        ("return [object()]", "raised an exception"),
        ("return 'x' * (5 << 20)", "wants to send"),
        ("import os; os._exit(3)", "exit code 3"),
        ("return [dict(TENSOR, bytes=-1)]", "at least 0"),
        ("return [dict(TENSOR, bits_per_weight=float('nan'))]", "NaN is not a JSON number"),
    ],
)
def test_a_description_is_not_believed_blindly(tmp_path: Path, answer: str, complaint: str) -> None:
    model = f"{UNIFORM}\nTENSOR = {json.dumps(TENSORS[0]).replace('false', 'False')}\n"
    model = model.replace("\n    ", "\n") + f"def describe(artifact, checkpoint):\n    {answer}\n"
    model = model.replace("\nimport torch", "\n    import torch").replace(
        "\nreturn", "\n    return"
    )
    done = inspect_lone(tmp_path, toy(tmp_path, model=model))
    assert done.code == 2, done.out
    assert complaint in done.err
    # Of theirs, whatever line came last by then is quoted.
    assert "Traceback" not in done.err.partition("its log ends")[0]


def test_shares_beyond_the_artifact_are_pointed_out(tmp_path: Path) -> None:
    tensors = [dict(TENSORS[0], compressed_bytes=2000)]
    done = inspect_lone(tmp_path, toy(tmp_path, model=MODEL.replace("{tensors}", repr(tensors))))
    assert "more than the artifact's" in " ".join(done.out.split())


def test_what_cannot_be_inspected_is_named(tmp_path: Path) -> None:
    plain = toy(tmp_path, manifest=MANIFEST)
    assert "score.describe: missing" in inspect_lone(tmp_path, plain).err
    assert "--submission" in harness("inspect", tmp_path / "gone").err
    assert "no such file" in harness("inspect", tmp_path / "x", "--submission", plain).err
