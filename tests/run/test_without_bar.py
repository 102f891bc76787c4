"""The track without records: bytes and score are judged, time and significance are not."""

import re
from pathlib import Path

import pytest

from harness.package import PACKAGE
from tests.factories.playground import BIGRAM, harness

pytestmark = pytest.mark.usefixtures("forked")

TRACK = PACKAGE / "contest/tracks/non_record_16mb.toml"


def small_track(path: Path, **changes: str) -> Path:
    """The track on the demo dataset, which would be asked for nearly whole."""
    text = TRACK.read_text().replace("fineweb10B_sp1024", "demo_sp1024")
    text = re.sub(r"(?m)^validation_\w+ = .*\n", "", text)
    for key, value in {
        "tolerance_nats": "0.2",
        "dearest_nats": "5",
        "least": "16",
        **changes,
    }.items():
        text = re.sub(rf"(?m)^{key} = [^#\n]*", f"{key} = {value} ", text)
    path.write_text(text)
    return path


@pytest.mark.long
def test_one_seed_is_trained_scored_and_weighed(tmp_path: Path, data_root: Path) -> None:
    track = small_track(tmp_path / "track.toml")
    options = ["--track", track, "--sandbox", "process", "--data", data_root]
    done = harness("verify", BIGRAM, *options, "--runs", tmp_path / "runs", "--json", "-")
    assert done.failed == []
    assert done.verdict["verdict"] == "REHEARSED", done.verdict
    assert len(done.verdict["seeds"]) == 1
    assert done.status("bytes") == done.status("scoring") == done.status("causality") == "pass"
    asked = {check["id"] for check in done.verdict["checks"]}
    assert not asked & {"significance", "bar", "train_wallclock", "score_wallclock"}


@pytest.mark.long
def test_too_many_bytes_are_rejected(tmp_path: Path, data_root: Path) -> None:
    track = small_track(tmp_path / "track.toml", bytes="1000")
    options = ["--track", track, "--sandbox", "process", "--data", data_root]
    done = harness("verify", BIGRAM, *options, "--runs", tmp_path / "runs", "--json", "-")
    assert done.verdict["verdict"] == "REJECTED" and "bytes" in done.failed
