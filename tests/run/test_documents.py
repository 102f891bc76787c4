"""An entry that is scored by document: its manifest, its whole verification, its scorecard."""

import json
from pathlib import Path

import pytest

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.errors import SubmissionError
from harness.gate.precheck import precheck
from tests.conftest import SANDBOXES
from tests.factories.playground import harness, write_submission, write_track

pytestmark = pytest.mark.usefixtures("forked")

BASE = """
[submission]
name = "Toy"
author = "A. Author"
github_id = "author"

[code]
files = ["train.py", "model.py"]

[train]
command = ["python", "train.py"]
artifact = "model.bin"

[score]
load = "model:load_model"
sequence_length = 64
"""
SCORE = 'streams = "documents"\nsegment = 16\nrows = 4\n'
ADAPTIVE = SCORE + "adaptive = true\nstudy_after = [2, 4]\n"
TRAIN = """
import os, pathlib
pathlib.Path(os.environ["OUTPUT_DIR"], "model.bin").write_text(os.environ["SEED"])
"""
# Counts the tokens of each document; a study adds those of finished ones.
COUNTS = """
import torch

class Model:
    def __init__(self, seed, size):
        torch.set_num_threads(1)
        self.rows = torch.zeros(64, size)
        self.finished = 0.5 + 1e-4 * torch.rand(size, generator=torch.manual_seed(seed))

    def reset(self, rows):
        self.rows[rows] = 0

    def observe(self, rows, tokens, counts):
        for row, new, count in zip(rows, tokens, counts):
            self.rows[row] += torch.bincount(new[:count], minlength=self.rows.shape[1])

    def study(self, documents):
        for document in documents:
            self.finished += 0.1 * torch.bincount(document, minlength=len(self.finished))

    def __call__(self, tokens, firsts, rows):
        return (self.rows[rows] + self.finished).log()[:, None].repeat(1, 16, 1)

def load_model(artifact, device):
    return Model(int(artifact.read_text()), 1024)
"""


def written(tmp_path: Path, score: str, *, model: str = COUNTS) -> Path:
    return write_submission(tmp_path / "toy", train=TRAIN, model=model, manifest=BASE + score)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('streams = "documents"', r'score: streams = "documents" needs segment = N'),
        (SCORE + "stride = 16", r'score: stride = 16 with streams = "documents".* remove stride'),
        (SCORE.replace("16", "65"), r"score: segment 65 is larger than sequence_length 64"),
        (SCORE.replace("rows = 4", "rows = 0"), r"score\.rows: expected a number of at least 1 "),
        (SCORE.replace("rows = 4", "rows = 1025"), r"score\.rows: expected .* at most 1,024 "),
        (SCORE + "study_after = [5]", r"study_after without adaptive = true"),
        (ADAPTIVE.replace("2, 4", "4, 2"), r"study_after = \[4, 2\]: expected different numbers"),
        (ADAPTIVE.replace("2, 4", "4, 4"), r"study_after = \[4, 4\]: expected different numbers"),
        (ADAPTIVE.replace("2, 4", "0"), r"study_after = \[0\]: expected .* from 1, in order"),
        (ADAPTIVE.replace("2, 4", '"x"'), r"score\.study_after\.0: expected a whole number "),
        ("stride = 16\nrows = 4", r'rows without streams = "documents"'),
        (
            "stride = 16\nadaptive = true\nsegment = 16\nstudy_after = [2]",
            r'study_after without streams = "documents"',
        ),
        ('streams = "lines"\nstride = 4', r"score\.streams: .* \'corpus\' or \'documents\'"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(SubmissionError, match=problem):
        load_submission(written(tmp_path, lines))


def test_more_rows_than_fit_any_memory_are_refused(tmp_path: Path) -> None:
    manifest = BASE.replace("sequence_length = 64", "sequence_length = 16384")
    folder = write_submission(
        tmp_path / "toy",
        train=TRAIN,
        model=COUNTS,
        manifest=manifest + SCORE.replace("rows = 4", "rows = 512"),
    )
    with pytest.raises(SubmissionError, match=r"512 rows of 16,384 tokens are 8,388,608"):
        load_submission(folder)


def test_a_track_may_have_rows_and_studies_of_its_own(tmp_path: Path) -> None:
    override = "[tracks.smoke.score]\nrows = 2\nsegment = 8\nstudy_after = [1]\n"
    loaded = load_submission(written(tmp_path, ADAPTIVE + override))
    smoke, official = (loaded.entry(name).score for name in ("smoke", "10min_16mb"))
    assert (smoke.rows, smoke.segment, smoke.stride, smoke.study_after) == (2, 8, 8, (1,))
    assert (official.rows, official.segment, official.study_after) == (4, 16, (2, 4))


def test_rows_have_a_number_where_none_is_given_and_a_model_need_not_learn(tmp_path: Path) -> None:
    folder = written(tmp_path, 'streams = "documents"\nsegment = 16\n')
    score = load_submission(folder).entry("smoke").score
    assert (score.rows, score.adaptive, score.remembers) == (16, False, False)


def test_a_check_says_how_it_is_scored_and_which_method_is_missing(tmp_path: Path) -> None:
    folder = written(tmp_path, ADAPTIVE, model=COUNTS.replace("study", "learn"))
    found = {
        finding.id: finding for finding in precheck(load_submission(folder), load_track("smoke"))
    }
    assert (
        "by document, 4 rows of segment 16, adaptive (segment 16), 2 studies"
        in found["score"].detail
    )
    assert found["study"].status == "unknown" and found["study"].field == "score.study_after"
    assert "observe" not in found and "reset" not in found


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_an_entry_that_is_scored_by_document_is_scored_probed_and_shown(
    tmp_path: Path, data_root: Path, sandbox: str
) -> None:
    track = write_track(tmp_path / "track.toml", seeds="2")
    arguments = ["--track", track, "--sandbox", sandbox, "--data", data_root, "--seeds", "1"]
    folder = written(tmp_path, ADAPTIVE)
    done = harness("verify", folder, *arguments, "--runs", tmp_path / "runs", "--json", "-")
    passed = [done.status(rule) for rule in ("coverage", "scoring", "causality")]
    assert passed == ["pass"] * 3, done.err
    assert done.verdict["streams"] == {"rows": 4, "segment": 16, "observes": True, "studies": 2}
    evidence = Path(done.verdict["evidence"])
    card = " ".join((evidence / "scorecard.txt").read_text().split())
    assert "by document (4 documents at once on each device, segment 16)" in card
    assert "2 times from all documents that were finished" in card
    run = json.loads((evidence / "seed-1/try-1/evidence.json").read_text())
    results = {step["name"]: step["result"] for step in run["steps"]}
    facts, probes = results["score"], results["probe"]
    assert (facts["streams"], facts["rows"], facts["studies"]) == ("documents", 4, 2)
    assert facts["schedule_digest"]
    assert 0 < probes["segments_observed"] < facts["segments_observed"]
    assert probes["probes"] > 1 and probes["largest_change_nats"] < 1e-3
    # One that studies declares that it remembers.
    assert "recall" not in results


@pytest.mark.long
@pytest.mark.usefixtures("fresh")
def test_one_that_studies_nothing_is_asked_again_among_other_documents(
    tmp_path: Path, data_root: Path
) -> None:
    track = write_track(tmp_path / "track.toml", seeds="2")
    arguments = ["--track", track, "--sandbox", "process", "--data", data_root, "--seeds", "1"]
    score = SCORE.replace("16", "64") + "adaptive = true\n"
    for count, status in (("0", "pass"), ("0.05", "fail")):
        model = COUNTS.replace("repeat(1, 16, 1)", "repeat(1, 64, 1)").replace(
            "def reset(self, rows):",
            f"def reset(self, rows):\n        self.finished += {count} * self.rows[rows].sum(0)",
        )
        folder = written(tmp_path / status, score, model=model)
        runs = tmp_path / status / "runs"
        done = harness("verify", folder, *arguments, "--runs", runs, "--json", "-")
        assert done.status("memory") == status, done.err
    (memory,) = [check for check in done.verdict["checks"] if check["id"] == "memory"]
    # From outside, a mask that is drawn for each request looks the same, so both are named.
    assert "or goes by what else it was shown" in memory["detail"]
