"""A run whose score has lost the verification is not asked again, and its evidence says why."""

from pathlib import Path

import pytest

from harness.evidence.store import RunDirectory
from tests.factories.playground import BIGRAM, harness, write_submission, write_track

pytestmark = pytest.mark.usefixtures("forked")

LOOKS = """\
looks = [{ runs = 1, hopeless_above_sd = 1.0 }, { runs = 2, accept_below = 0.01 }]
field_sd_bpb = 0.05"""


@pytest.mark.long
@pytest.mark.parametrize("hopeless", [True, False])
def test_only_what_its_score_has_lost_is_spared_the_questions(
    tmp_path: Path, data_root: Path, hopeless: bool
) -> None:
    track = write_track(tmp_path / "track.toml")
    track.write_text(track.read_text().replace("seeds = 3", LOOKS))
    entry = write_submission(tmp_path / "uniform") if hopeless else BIGRAM
    options = ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "runs"]
    done = harness("verify", entry, "--track", track, "--json", "-", *options)
    assert done.verdict, done.err
    first = RunDirectory.open(Path(done.verdict["evidence"])).runs()[0]
    names = [step.name for step in first.steps]
    if hopeless:
        assert names == ["train", "score", "spread"]
        assert first.spared is not None and "after 1 of 2 runs the mean is" in first.spared
        assert done.verdict["verdict"] == "REJECTED"
        assert done.status("causality") == done.status("memory") == "unknown"
        assert "not asked again: after 1 of 2 runs" in done.err
    else:
        assert names == ["train", "score", "probe", "recall", "spread"]
        assert first.spared is None
        assert done.verdict["verdict"] == "REHEARSED", done.verdict["reason"]
