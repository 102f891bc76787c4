"""Tokenizer, adapters and study together, as the harness runs them."""

import re
from pathlib import Path

import pytest

from tests.factories.playground import harness, write_track

pytestmark = pytest.mark.usefixtures("forked")
FOLDER = Path(__file__).parents[2] / "submissions" / "capitals_and_adapters"
TOY = {"MODEL_DIM": "32", "NUM_LAYERS": "2", "ITERATIONS": "3", "TRAIN_BATCH_TOKENS": "512",
       "WARMDOWN_ITERS": "2"}  # fmt: skip
SCORE = "[tracks.smoke.score]\nsequence_length = 256\nsegment = 128\nrows = 2\nstudy_after = [2]\n"


def toy(place: Path) -> Path:
    """The entry at a size that takes a moment."""
    place.mkdir()
    for file in FOLDER.iterdir():
        if file.suffix in (".py", ".model", ".json"):
            (place / file.name).write_bytes(file.read_bytes())
    manifest = (FOLDER / "submission.toml").read_text()
    for key, value in TOY.items():
        manifest = re.sub(rf"(?m)^{key} = .*\n", "", manifest)
        manifest = manifest.replace(
            "[tracks.smoke.train.env]\n", f'[tracks.smoke.train.env]\n{key} = "{value}"\n'
        )
    before, _, _ = manifest.partition("[tracks.smoke.score]")
    (place / "submission.toml").write_text(before + SCORE)
    return place


@pytest.mark.long
@pytest.mark.parametrize("sandbox", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_trained_at_toy_size_it_passes_every_check_that_one_seed_can(
    sandbox: str, data_root: Path, tmp_path: Path
) -> None:
    track = write_track(tmp_path / "short.toml", train_seconds=60)
    outcome = harness(
        "verify", toy(tmp_path / "toy"), "--track", track, "--sandbox", sandbox,
        "--data", data_root, "--runs", tmp_path / "runs", "--json", "-", "--seeds", "1",
    )  # fmt: skip
    statuses = {check["id"]: check["status"] for check in outcome.verdict["checks"]}
    # One seed tests nothing, and three steps beat no bar: that alone may be open.
    assert outcome.failed == [], outcome.err
    decided = ("tokenizer", "training", "artifact", "scoring", "coverage", "causality")
    assert {statuses[check] for check in decided} == {"pass"}
    (seed,) = outcome.verdict["seeds"]
    assert 0 < seed["val_bpb"] < 5
