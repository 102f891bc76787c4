"""Adaptive submissions, from the manifest to the verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.errors import SubmissionError
from harness.evidence.run import Run
from harness.gate.precheck import precheck
from harness.judge.case import Case
from harness.judge.rules import rule_of
from harness.models import Finding
from harness.report.terminal import render_text
from tests.conftest import SANDBOXES
from tests.factories import plans
from tests.factories.plans import TOKENS
from tests.factories.playground import BIGRAM, MANIFEST, harness, write_submission, write_track
from tests.factories.results import probes, scores
from tests.factories.runs import good_runs, seed_run, verdict_of

pytestmark = pytest.mark.usefixtures("forked")
ADAPTIVE = MANIFEST + "adaptive = true\nsegment = 2048\n"
COUNTS = """
    import torch

    def load_model(artifact, device):
        return Counts()

    class Counts:
        def __init__(self):
            self.counts = torch.ones(1024)

        def observe(self, tokens):
            self.counts += torch.bincount(tokens, minlength=1024)

        def __call__(self, tokens, first):
            return self.counts.log().repeat(tokens.shape[0], tokens.shape[1] - first, 1)
"""


def written(tmp_path: Path, manifest: str, model: str = COUNTS) -> Path:
    return write_submission(tmp_path / "toy", model=model, manifest=manifest)


# --- the contract


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("adaptive = true", r"score: adaptive = true needs segment = N.* 1 to 65,536"),
        ("segment = 64", r"score: segment = 64 without adaptive = true"),
        ("adaptive = false\nsegment = 64", r"score: segment = 64 without adaptive = true"),
        ("adaptive = true\nsegment = 0", r"score\.segment: expected a number of at least 1 "),
        ("adaptive = true\nsegment = 65537", r"score\.segment: expected .* at most 65,536 "),
        ("adaptive = true\nsegment = 64.0", r"score\.segment: expected a whole number "),
        ("adaptive = 1\nsegment = 64", r"score\.adaptive: expected true or false"),
        ("[tracks.smoke.score]\nsegment = 64", r"segment = 64 without adaptive = true"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(SubmissionError, match=problem):
        load_submission(written(tmp_path, MANIFEST + lines))


def test_a_track_may_have_a_segment_of_its_own(tmp_path: Path) -> None:
    manifest = ADAPTIVE + "[tracks.smoke.score]\nsegment = 100\n"
    loaded = load_submission(written(tmp_path, manifest)).manifest
    for track, segment in (("smoke", 100), ("10min_16mb", 2048)):
        score = loaded.on(track)[1]
        assert (score.adaptive, score.segment) == (True, segment)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"allowed": "false"}, r"score\.adaptive: track smoke allows no adaptive model"),
        ({"least_segment": "4096"}, r"score\.segment: 2,048 on track smoke; expected 4,096 to"),
    ],
)
def test_a_track_that_does_not_allow_it_refuses_before_anything_is_run(
    tmp_path: Path, data_root: Path, change: dict[str, str], problem: str
) -> None:
    folder = written(tmp_path, ADAPTIVE)
    path = write_track(tmp_path / "track.toml", **change)
    with pytest.raises(SubmissionError, match=problem):
        precheck(load_submission(folder), load_track(str(path)))
    precheck(load_submission(BIGRAM), load_track(str(path)))
    runs = tmp_path / "runs"
    arguments = ["--track", path, "--sandbox", "process", "--data", data_root, "--runs", runs]
    done = harness("verify", folder, *arguments)
    assert done.code == 2
    given = "adaptive = true" if "allowed" in change else "segment = 2048"
    line = ADAPTIVE.splitlines().index(given) + 1
    assert f"submission.toml:{line}: score." in done.err
    assert not list(runs.glob("*"))


def test_the_check_before_the_run_tells(tmp_path: Path) -> None:
    def findings(model: str) -> dict[str, Any]:
        submission = load_submission(written(tmp_path, ADAPTIVE, model))
        return {finding.id: finding for finding in precheck(submission, load_track("smoke"))}

    found = findings(COUNTS)
    assert found["score"].detail.endswith("adaptive (segment 2,048)")
    assert "observe" not in found
    found = findings(COUNTS.replace("observe", "watch"))
    assert found["observe"].status == "unknown"
    assert "observe(tokens" in found["observe"].remedy


# --- the rules


PLAN = plans.plan()


def runs_that_observed(segments: int, **parts: Any) -> list[Run]:
    facts = scores(2.6, segment=1000, segments_observed=segments)
    return [seed_run(draw, scores=facts, **parts) for draw in PLAN.draws_for("look")]


def answer(rule: str, runs: list[Run]) -> Finding:
    found = rule_of(rule)
    assert found is not None
    finding = found.ask(Case.of(PLAN, runs))
    assert finding is not None
    return finding


def test_coverage_says_what_was_observed() -> None:
    whole = -(-(TOKENS - 1) // 1000)
    check = answer("coverage", runs_that_observed(whole))
    assert check.status == "pass"
    assert f"{whole} segments observed, each after all of it was scored" in check.detail
    assert "observed" not in answer("coverage", good_runs(PLAN)).detail


def test_the_scorecard_says_adaptive() -> None:
    for runs, said in ((runs_that_observed(200), True), (good_runs(PLAN), False)):
        card = render_text(verdict_of(PLAN, runs))
        assert ("adaptive (segment 1,000): learns from what was scored" in card) == said


@pytest.mark.parametrize("segments", [0, 1, 199, 201])
def test_coverage_is_open_when_a_segment_was_not_observed_once(segments: int) -> None:
    assert answer("coverage", runs_that_observed(segments)).status == "unknown"


def test_causality_names_both_ways_to_know_too_much() -> None:
    check = answer("causality", runs_that_observed(200, probes=probes(largest=3)))
    assert check.status == "fail"
    assert check.detail.endswith("looks beyond its past, or learns from more than it observed")


# --- the whole way


def verify(folder: Path, tmp_path: Path, data_root: Path, sandbox: str) -> Any:
    track = write_track(tmp_path / "track.toml", seeds="2")
    arguments = ["--track", track, "--sandbox", sandbox, "--data", data_root, "--seeds", "1"]
    return harness("verify", folder, *arguments, "--runs", tmp_path / "runs", "--json", "-")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_an_adaptive_model_is_scored_and_probed(
    tmp_path: Path, data_root: Path, sandbox: str
) -> None:
    done = verify(written(tmp_path, ADAPTIVE), tmp_path, data_root, sandbox)
    assert done.status("scoring") == done.status("causality") == "pass", done.err
    evidence = Path(done.verdict["evidence"])
    assert "adaptive (segment 2,048)" in (evidence / "scorecard.txt").read_text()
    run = json.loads((evidence / "seed-1/try-1/evidence.json").read_text())
    results = {step["name"]: step["result"] for step in run["steps"]}
    facts, probes = results["score"], results["probe"]
    assert facts["segment"] == 2048
    assert facts["segments_observed"] == -(-facts["targets"] // 2048) > 1
    assert 0 < facts["observe_seconds"] < facts["model_seconds"]
    assert probes["segments_observed"] < facts["segments_observed"]
    assert probes["probes"] > 1 and probes["largest_change_nats"] < 1e-4
    # A model that has learned nothing from training knows what it observed: 10 bits without.
    assert facts["val_loss"] < 6.5


def test_a_model_that_cannot_observe_fails_scoring(tmp_path: Path, data_root: Path) -> None:
    folder = written(tmp_path, ADAPTIVE, COUNTS.replace("observe", "watch"))
    done = verify(folder, tmp_path, data_root, "process")
    assert done.code == 1
    assert done.failed == ["scoring"]
    assert "without the method observe(tokens)" in done.verdict["reason"]
