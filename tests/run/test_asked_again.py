"""Asking again in a run: its time follows from the scoring's, and no honest model is refused."""

from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from tests.factories.playground import Outcome, harness, write_submission, write_track

pytestmark = pytest.mark.usefixtures("forked")

SLOW = """
    import time, torch

    def load_model(artifact, device):
        def model(tokens, first):
            time.sleep(0.004 * len(tokens))
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 1024)
        return model
"""
THINKS = """
    import time, torch

    def load_model(artifact, device):
        calls = [0]

        def model(tokens, first):
            calls[0] += 1
            time.sleep(PAUSE if len(tokens) < 15 and calls[0] > 2 else 0)
            return torch.zeros(tokens.shape[0], tokens.shape[1] - first, 1024)
        return model
"""


def verify(tmp_path: Path, data_root: Path, model: str) -> Outcome:
    folder = write_submission(tmp_path / "toy", model=model)
    track = write_track(tmp_path / "track.toml", seeds="2")
    options = ["--sandbox", "process", "--data", data_root, "--runs", tmp_path / "runs"]
    arguments = ["--track", track, "--seeds", "1", "--json", "-", *options]
    return harness("verify", folder, *arguments)


def run_of(done: Outcome) -> Run:
    directory = RunDirectory.open(Path(done.verdict["evidence"]))
    (run,) = directory.runs()
    return run


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is expected, and there is no half minute that any model may take."""
    session = "harness.run.scoring_session"
    monkeypatch.setattr(f"{session}.LEAST_SECONDS", 2.0)
    monkeypatch.setattr(f"{session}.ScoringSession._expected_seconds", lambda self, again: 0.5)


@pytest.mark.long
def test_an_honest_model_may_take_as_long_as_its_own_scoring_lets_expect(
    tmp_path: Path, data_root: Path
) -> None:
    done = verify(tmp_path, data_root, SLOW)
    assert done.status("causality") == done.status("memory") == "pass"
    run = run_of(done)
    for asked in (run.probes, run.recall):
        assert asked is not None and asked.seconds and asked.expected_seconds
        assert asked.seconds < 3 * asked.expected_seconds + 30
        assert asked.pace is not None and asked.pace.scoring_seconds > 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("pause", "said"),
    [("1.5", "questions were answered before"), ("60", "times as slow")],
)
def test_who_is_stopped_is_unknown_and_told_whether_he_was_far_slower(
    tmp_path: Path,
    data_root: Path,
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
    pause: str,
    said: str,
) -> None:
    # How far he came when he was stopped depends on the machine.
    monkeypatch.setattr(
        "harness.judge.rules.asked_again.FAR_SLOWER", 1e4 if "questions" in said else 30.0
    )
    done = verify(tmp_path, data_root, THINKS.replace("PAUSE", pause))
    assert done.status("causality") == "unknown"
    detail = next(c["detail"] for c in done.verdict["checks"] if c["id"] == "causality")
    assert said in detail
    probes = run_of(done).probes
    assert probes is not None and probes.planned is not None
    assert probes.probes < probes.planned


@pytest.mark.long
def test_who_is_quick_at_most_questions_and_thinks_at_some_is_unknown(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a whole he is in time. He sleeps, so a busy machine hides nothing of it."""
    monkeypatch.setattr("harness.judge.rules.asked_again.LEAST_RESERVE_SECONDS", 0.0)
    monkeypatch.setattr("harness.judge.rules.asked_again.RESERVE", 0.0)
    done = verify(tmp_path, data_root, THINKS.replace("PAUSE", "3 * (calls[0] < 5)"))
    assert done.status("causality") == "unknown"
    detail = next(c["detail"] for c in done.verdict["checks"] if c["id"] == "causality")
    assert "more than three times as long as while scoring" in detail
    probes = run_of(done).probes
    assert probes is not None and probes.probes == probes.planned
    assert probes.pace is not None and probes.pace.slower >= 1


@pytest.mark.long
def test_what_ran_is_evidence_even_where_our_side_failed(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **named: Any) -> None:
        raise InfrastructureError("the disk is full", remedy="free some space")

    monkeypatch.setattr("harness.scoring.scorer._write_documents", full)
    done = verify(tmp_path, data_root, SLOW)
    assert done.code == 3
    score = run_of(done).step("score")
    assert score is not None and score.failure is not None
    assert score.failure.fault == "infrastructure"
    assert [phase.label for phase in score.phases] == ["score"]
