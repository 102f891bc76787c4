"""A tokenizer that is code, in Docker: isolated in every sandbox, and alone in each."""

import json
import shutil
from pathlib import Path

import pytest

from tests.factories.playground import BIGRAM, CAPITALS, harness, write_track

pytestmark = pytest.mark.docker
# Every place that a sandbox can write to: what the encoder writes there, no decoder finds.
LEAVES = """
import hashlib
from pathlib import Path

from capitals import FIRST_BYTE, Capitals

PLACES = [Path(name) for name in ("/tmp", "/dev/shm", "/output", "/submission", "/var/tmp", "/")]


class Words(Capitals):
    def encode(self, text):
        digest = hashlib.sha256(text.encode()).digest()[:8]
        for place in PLACES:
            try:
                (place / digest.hex()).write_text(text)
            except OSError:
                continue
        return [FIRST_BYTE + byte for byte in digest]

    def decode(self, ids):
        digest = bytes(one - FIRST_BYTE for one in ids)
        for place in PLACES:
            if (place / digest.hex()).exists():
                return (place / digest.hex()).read_text()
        return "nothing there"


def make(model):
    return Words()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "capitals"
    shutil.copytree(CAPITALS, place)
    shutil.copy(BIGRAM / "bigram.py", place)
    return place


def test_an_honest_one_is_isolated_in_every_sandbox(
    folder: Path, tmp_path: Path, data_root: Path
) -> None:
    track = write_track(tmp_path / "track.toml", seeds="2")
    options = ["--sandbox", "docker", "--data", data_root, "--seeds", "1", "--json", "-"]
    done = harness("verify", folder, "--track", track, "--runs", tmp_path / "runs", *options)
    assert not done.failed, done.err
    assert done.status("tokenizer") == done.status("isolation") == "pass", done.err
    (kept,) = (tmp_path / "runs").glob("*/preparation/try-1/evidence.json")
    (step,) = json.loads(kept.read_text())["steps"]
    assert len(step["phases"]) == 5
    assert all(phase["isolation"] for phase in step["phases"])
    shutil.rmtree(data_root / "derived")


def test_no_place_keeps_what_an_encoder_wrote(
    folder: Path, tmp_path: Path, data_root: Path
) -> None:
    (folder / "words.py").rename(folder / "capitals.py")
    (folder / "words.py").write_text(LEAVES)
    manifest = folder / "submission.toml"
    files = '"words.py"]'
    manifest.write_text(manifest.read_text().replace(files, '"words.py", "capitals.py"]'))
    track = write_track(tmp_path / "track.toml", seeds="2")
    options = ["--sandbox", "docker", "--data", data_root, "--seeds", "1", "--json", "-"]
    done = harness("verify", folder, "--track", track, "--runs", tmp_path / "runs", *options)
    assert done.failed == ["tokenizer"], done.err
    assert "decoded 'nothing there'" in done.verdict["reason"]
