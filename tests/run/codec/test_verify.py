"""The honest twin of the gallery's tokenizers of code, from the command to the scorecard."""

import json
import shutil
from pathlib import Path

import pytest

from harness.data.format.dataset import open_dataset
from tests.factories.playground import BIGRAM, CAPITALS, harness, write_track
from tests.scoring.test_document_costs import add_holdout, with_unpublished

pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture(scope="module")
def root(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets of this module's own, an unpublished one among them."""
    return with_unpublished(data_root, tmp_path_factory.mktemp("data"))


@pytest.mark.long
def test_an_honest_one_passes_everything_and_moves_no_bar(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "capitals"
    shutil.copytree(CAPITALS, folder)
    shutil.copy(BIGRAM / "bigram.py", folder)
    checked = harness("check", folder)
    assert checked.code == 0 and "words:make with pieces.txt, counted" in checked.out, checked.err
    rules = write_track(tmp_path / "track.toml", seeds="2", edition='"of tokens of code"')
    track = add_holdout(rules)
    options = ["--sandbox", "process", "--data", root, "--json", "-"]
    verify = ["verify", folder, "--track", track, "--runs", tmp_path / "runs", *options]
    done = harness(*verify)
    assert not done.failed, done.err
    for check in ("tokenizer", "holdout", "coverage", "seeds", "causality", "memory", "clocks"):
        assert done.status(check) == "pass", done.verdict
    assert "tokenizing demo_sp1024 with words:make" in done.err
    assert "asking words:make again about" in done.err

    facts = open_dataset(root, "demo_sp1024").facts()
    verdict = done.verdict
    for seed in verdict["seeds"]:
        assert seed["bytes"] == facts.validation_bytes
        names = ("bigram.py", "words.py", "pieces.txt", "submission.toml")
        assert seed["code_bytes"] == sum((folder / name).stat().st_size for name in names)
    assert verdict["statistics"]["bar_bpb"] == facts.baselines["unigram"]
    own = verdict["tokenizer"]
    pieces = (CAPITALS / "pieces.txt").read_text().count("\n")
    assert (own["code"], own["counted"]) == ("words:make", True)
    assert (own["file"], own["vocabulary_size"]) == ("pieces.txt", 258 + pieces)
    scorecard = (Path(verdict["evidence"]) / "scorecard.txt").read_text()
    assert "code, counted with the other files" in scorecard

    (before,) = (tmp_path / "runs").glob("*/preparation/try-1/evidence.json")
    run = json.loads(before.read_text())
    (step,) = run["steps"]
    assert run["began"] == "tokenize"
    labels = [phase["label"] for phase in step["phases"]]
    assert len(labels) == len(set(labels) - {"encode-validation-1"}) + 2  # of both sets
    assert {"again-unpublished-1", "decode-unpublished-1", "decode-train-1"} < set(labels)
    assert "--- decode-train-1" in before.with_name("tokenize.log").read_text()

    # Cut off before the verdict and resumed: what was made is found again.
    (Path(verdict["evidence"]) / "verdict.json").unlink()
    resumed = harness(*verify, "--resume")
    assert resumed.verdict == verdict, resumed.err
    assert "tokenizing" not in resumed.err
    # Its dataset may be gone: the ids are made again, and must be those that were proven.
    shutil.rmtree(root / "derived")
    again = harness("rescore", verdict["evidence"], *options)
    assert [seed["val_bpb"] for seed in again.verdict["seeds"]] == [
        seed["val_bpb"] for seed in verdict["seeds"]
    ], again.err


def test_it_needs_a_track_that_gives_it_time(tmp_path: Path, root: Path) -> None:
    folder = tmp_path / "capitals"
    shutil.copytree(CAPITALS, folder)
    shutil.copy(BIGRAM / "bigram.py", folder)
    track = write_track(tmp_path / "track.toml")
    text = track.read_text()
    before, after = text.index("[tokenizing]"), text.index("[imposed]")
    track.write_text(text[:before] + text[after:])
    done = harness("verify", folder, "--track", track, "--sandbox", "process", "--data", root)
    assert done.code == 2
    assert "tokenizer.code" in done.err and "gives code no time to tokenize" in done.err
