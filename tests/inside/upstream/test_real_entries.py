"""Upstream's own scripts, whole, where a folder of them is at hand: they are not part of this.

``HARNESS_UPSTREAM_CODE`` names it: a folder of folders. How each is scaled down is in a table.
"""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.data.build.demo import build_demo
from harness.data.format.manifest import Kind
from tests.inside.upstream.conftest import TORCHRUN, launch
from tests.inside.upstream.data import write_shard

CODE = Path(os.environ.get("HARNESS_UPSTREAM_CODE", "/nonexistent"))
TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "real_entries.toml").read_text()
)
SCALED = TABLE.pop("scaled")
REPEATED = ("NaiveBaseline", "MLP3x", "LeakyReLU", "A2_Muon", "Ternary")

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not CODE.is_dir(), reason="HARNESS_UPSTREAM_CODE names no folder"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Short shards of the demo dataset, under every name that scripts look for."""
    demo = build_demo(tmp_path_factory.mktemp("demo"))
    root = tmp_path_factory.mktemp("data")
    shards, tokenizer = (
        root / "datasets" / "fineweb10B_sp1024",
        root / "tokenizers" / "fineweb_1024_bpe.model",
    )
    kinds: dict[Kind, tuple[int, ...]] = {"train": (200_000, 200_000), "val": (5_000,)}
    for kind, sizes in kinds.items():
        _, tokens = next(demo.shards(kind))
        for number, size in enumerate(sizes):
            part = tokens[number * size : (number + 1) * size].tolist()
            write_shard(shards / f"fineweb_{kind}_{number:06d}.bin", part)
    tokenizer.parent.mkdir()
    shutil.copy(demo.tokenizer_path, tokenizer)
    return {"DATA_PATH": str(shards), "TOKENIZER_PATH": str(tokenizer), "DATA_DIR": str(root)}


def run(
    name: str, data: dict[str, str], work: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    entry = TABLE[name]
    script = entry.get("script", "train_gpt.py")
    alone = entry.get("how") == "python"
    command = ("python", script) if alone else (*TORCHRUN, "--nproc_per_node=1", script)
    set_by_us = {"SEED": "1", "RUN_ID": "run", "MAX_WALLCLOCK_SECONDS": "600"}
    return launch(
        CODE / name,
        work,
        *command,
        options=("--cpu", "--still"),
        env={**SCALED, **entry.get("env", {}), **set_by_us, **data, **env},
    )


def _check_end(name: str, ended: subprocess.CompletedProcess[str]) -> None:
    """A script may fail by its own mistake, as it would anywhere; then by that one."""
    own = TABLE[name].get("fails")
    assert (ended.returncode != 0) == bool(own), ended.stdout[-4000:]
    assert not own or own in ended.stdout, ended.stdout[-4000:]


@pytest.mark.parametrize("name", TABLE)
def test_it_runs_to_its_last_line(name: str, data: dict[str, str], tmp_path: Path) -> None:
    ended = run(name, data, tmp_path / "work")
    _check_end(name, ended)
    assert re.search(r"(val_loss|val_bpb)", ended.stdout)
    assert (tmp_path / "work" / TABLE[name]["artifact"]).stat().st_size > 1000


@pytest.mark.parametrize("name", TABLE)
def test_it_comes_to_its_evaluation_with_no_step(
    name: str, data: dict[str, str], tmp_path: Path
) -> None:
    ended = run(name, data, tmp_path / "work", ITERATIONS="0", WARMUP_STEPS="0")
    _check_end(name, ended)
    assert (tmp_path / "work" / TABLE[name]["artifact"]).stat().st_size > 1000


@pytest.mark.parametrize("name", [name for name in TABLE if any(kind in name for kind in REPEATED)])
def test_it_repeats_bit_for_bit(name: str, data: dict[str, str], tmp_path: Path) -> None:
    found = set()
    for number in range(2):
        work = tmp_path / f"work{number}"
        assert run(name, data, work).returncode == 0
        found.add((work / TABLE[name]["artifact"]).read_bytes())
    assert len(found) == 1
