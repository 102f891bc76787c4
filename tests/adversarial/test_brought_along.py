"""The hole that `brought_along` closes, with weights that are worth something.

The honest control is trained once. What it learned, as a table of 139,264 bytes, becomes a file of
the cheater `brought_along/weights_file`, whose training writes the eight bytes of its seed.
"""

import base64
import lzma
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.adversarial.gallery import cheaters, verify
from tests.factories.broken import switched_off
from tests.factories.playground import BIGRAM, Outcome, harness, write_track

pytestmark = pytest.mark.usefixtures("forked")
RANK = 68
# Real weights compress better than the gallery's: enough for these, and for no honest code.
LIMIT = {"limit_bytes": "32_768"}
(CHEATER,) = (cheater for cheater in cheaters() if cheater.name == "brought_along/weights_file")


@pytest.fixture(scope="module")
def pretrained(
    tmp_path_factory: pytest.TempPathFactory, data_root: Path, forked: None
) -> tuple[Path, Outcome]:
    """The cheater's folder, and the verification at home that its weights come from."""
    place = tmp_path_factory.mktemp("home")
    honest = verify(BIGRAM, place, data_root, "process", seeds="1")
    packed = Path(honest.verdict["seeds"][0]["artifact"]).read_bytes()
    table = np.frombuffer(zlib.decompress(packed), np.float16).reshape(1024, 1024)
    left, sizes, right = np.linalg.svd(table.astype(np.float32))
    root = np.sqrt(sizes[:RANK])
    halves = (left[:, :RANK] * root).ravel(), (root[:, None] * right[:RANK]).ravel()
    weights = np.clip(np.round(np.concatenate(halves) * 16), -127, 127).astype(np.int8)
    folder = CHEATER.assemble(place / "cheater")
    (folder / "weights.bin").write_bytes(weights.tobytes())
    return folder, honest


@pytest.mark.long
def test_weights_made_beforehand_pass_every_other_check(
    pretrained: tuple[Path, Outcome], tmp_path: Path, data_root: Path
) -> None:
    folder, honest = pretrained
    with switched_off("brought_along"):
        done = verify(folder, tmp_path, data_root, "process", seeds="auto", **LIMIT)
    assert done.verdict["verdict"] == "REHEARSED", done.verdict["reason"]
    assert {each["artifact_bytes"] for each in done.verdict["seeds"]} == {8}
    # Half the way from the bar to what was trained at home, without having trained.
    home, bar = honest.verdict["seeds"][0]["val_bpb"], done.verdict["statistics"]["bar_bpb"]
    assert max(each["val_bpb"] for each in done.verdict["seeds"]) < (home + bar) / 2
    judged = harness("judge", done.verdict["evidence"], "--json", "-")
    assert (judged.verdict["verdict"], judged.failed) == ("REJECTED", ["brought_along"])
    # A maintainer who has seen what it is judges the same evidence under another allowance.
    allowance = {"seeds": "2", "limit_bytes": "300_000"}
    track = write_track(tmp_path / "reviewed.toml", **allowance)
    reviewed = harness("judge", done.verdict["evidence"], "--track", track, "--json", "-")
    assert not reviewed.failed and reviewed.verdict["brought"]["doubt_bpb"] > 1


def test_nothing_of_it_is_run(
    pretrained: tuple[Path, Outcome], tmp_path: Path, data_root: Path
) -> None:
    done = verify(pretrained[0], tmp_path, data_root, "process", seeds="auto", **LIMIT)
    assert (done.verdict["verdict"], done.failed) == ("REJECTED", ["brought_along"])
    assert done.verdict["seeds"] == []
    assert "weights.bin" in (Path(done.verdict["evidence"]) / "scorecard.txt").read_text()
    assert harness("check", pretrained[0], "--track", tmp_path / "track.toml").code == 1


@pytest.mark.long
def test_an_honest_script_passes_packed_and_among_350_kb_of_plain_source(
    tmp_path: Path, data_root: Path
) -> None:
    folder = tmp_path / "bigram"
    shutil.copytree(BIGRAM, folder)
    source = (folder / "bigram.py").read_bytes()
    packed = base64.b85encode(lzma.compress(source))
    (folder / "packed.py").write_text(
        f"import base64, lzma\nexec(lzma.decompress(base64.b85decode({packed!r})))\n"
    )
    (folder / "bigram.py").write_text(
        'from packed import *\n\nif __name__ == "__main__":\n    train()\n'
    )
    lines = (f"    x{n} = block(x{n - 1}, heads=8, width=512, rope=True)\n" for n in range(1, 6500))
    (folder / "layers.py").write_text("def forward(x0):\n" + "".join(lines))
    assert (folder / "layers.py").stat().st_size > 350_000
    manifest = folder / "submission.toml"
    files = '"bigram.py", "packed.py", "layers.py"'
    manifest.write_text(manifest.read_text().replace('["bigram.py"]', f"[{files}]"))
    done = verify(folder, tmp_path / "place", data_root, "process", seeds="1")
    assert not done.failed and done.status("brought_along") == "pass"
    assert done.status("scoring") == "pass"
    found = done.verdict["brought"]
    assert found["counted_bytes"] < found["free_bytes"] and found["doubt_bpb"] == 0
