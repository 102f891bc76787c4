"""A whole script in upstream's style, unchanged, from its first line to its last."""

import re
from pathlib import Path

import pytest

from tests.inside.upstream.conftest import TORCHRUN, launch
from tests.inside.upstream.data import write_shards

ABORTED = "terminate called without an active exception"
TINY = Path(__file__).parent / "tiny"
SCALED = {
    "SEED": "1",
    "ITERATIONS": "3",
    "TRAIN_BATCH_TOKENS": "512",
    "TRAIN_SEQ_LEN": "32",
    "VOCAB_SIZE": "64",
    "NUM_LAYERS": "2",
    "MODEL_DIM": "32",
    "NUM_HEADS": "2",
}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data"), vocabulary=64, train=4000, val=500)


def run(work: Path, shards: Path, *, ranks: int = 1, **env: str) -> tuple[bytes, float]:
    """Its artifact, and the loss that it ends with."""
    ended = launch(
        TINY,
        work,
        *TORCHRUN,
        f"--nproc_per_node={ranks}",
        "train_gpt.py",
        options=("--cpu", "--still"),
        env={**SCALED, "DATA_PATH": str(shards), **env},
    )
    # Threads that torch leaves behind abort a process now and then, as it ends.
    assert ended.returncode == 0 or ABORTED in ended.stdout, ended.stdout
    last = re.findall(r"roundtrip_exact val_loss:([0-9.]+)", ended.stdout)
    assert len(last) == 1, ended.stdout
    return (work / "final_model.int8.ptz").read_bytes(), float(last[0])


@pytest.mark.long
def test_a_whole_run_learns_and_leaves_its_artifact(tmp_path: Path, shards: Path) -> None:
    artifact, loss = run(tmp_path / "work", shards)
    assert len(artifact) > 1000
    assert loss < 4.15  # of 64 tokens drawn alike: 4.158883


@pytest.mark.long
def test_a_whole_run_repeats_bit_for_bit(tmp_path: Path, shards: Path) -> None:
    assert run(tmp_path / "one", shards) == run(tmp_path / "other", shards)


@pytest.mark.long
def test_with_no_step_it_comes_to_its_evaluation(tmp_path: Path, shards: Path) -> None:
    _, loss = run(tmp_path / "work", shards, ITERATIONS="0")
    assert 4.1 < loss < 4.3


@pytest.mark.long
def test_two_ranks_come_to_the_same_loss(tmp_path: Path, shards: Path) -> None:
    _, alone = run(tmp_path / "alone", shards)
    _, both = run(tmp_path / "both", shards, ranks=2)
    assert both == pytest.approx(alone, abs=0.02)
