"""A script in upstream's layout, from its bridge to its scores: no line of it knows of us."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.contest.bridge import Bridge, render_bridge
from tests.factories.playground import Outcome, harness, write_track
from tests.run.test_check_bridge import FIELDS, SCRIPT

pytestmark = pytest.mark.long
SEED = "7"
STEPS = 3


def verified(
    folder: Path, data_root: Path, script: str, **needs: list[str]
) -> tuple[Outcome, dict[str, Any]]:
    """The outcome, and the evidence of every step of every run by its name."""
    record = folder / "record"
    record.mkdir(parents=True)
    (record / "train_gpt.py").write_text(script)
    (record / "submission.json").write_text(json.dumps({"name": "Sample", "author": "A. Author"}))
    bridge = folder / "bridge.toml"
    rehearsal = {"env": {"ITERATIONS": f"{STEPS}"}, **needs}
    bridge.write_bytes(render_bridge(Bridge.model_validate({**FIELDS, "rehearsal": rehearsal})))
    done = harness(
        *("verify", record, "--bridge", bridge, "--seeds", SEED, "--json", "-"),
        *("--track", write_track(folder / "t.toml", train_seconds=120, score_seconds="240")),
        *("--sandbox", "process", "--data", data_root, "--runs", folder / "runs"),
        *("--leaderboard", folder / "none.json"),
    )
    steps = {
        step["name"]: step
        for path in folder.glob("runs/*/*/try-1/evidence.json")
        for step in json.loads(path.read_text())["steps"]
    }
    return done, steps


def test_its_model_is_scored_and_asked_again(tmp_path: Path, data_root: Path) -> None:
    done, steps = verified(tmp_path, data_root, SCRIPT)
    assert list(done.verdict) and done.status("bridge") == "pass", done.err
    proof, scores = steps["bridge"]["result"], steps["score"]["result"]
    assert abs(proof["our_loss"] - proof["printed_loss"]) <= proof["tolerance_nats"]
    assert scores["targets"] > 0
    assert done.status("coverage") == "pass"
    assert done.status("causality") == "pass"
    assert done.status("memory") == "pass"
    for name in ("score", "probe", "recall"):
        (phase,) = steps[name]["phases"]
        assert phase["prepared_seconds"] > 0
        assert phase["outcome"] == "completed"
    # What it is charged is the time since it opened its artifact.
    (phase,) = steps["score"]["phases"]
    charged = phase["wallclock_seconds"] - phase["prepared_seconds"]
    (finding,) = (c for c in done.verdict["checks"] if c["id"] == "score_wallclock")
    assert finding["measured"] == pytest.approx(charged)
    assert "prepared_seconds" not in steps["train"]["phases"][0]


def test_what_the_sandbox_lacks_is_told_before_anything_runs(
    tmp_path: Path, data_root: Path
) -> None:
    done, steps = verified(tmp_path, data_root, SCRIPT, packages=["torch", "fla"])
    assert (done.code, steps) == (3, {})
    assert "train_gpt.py needs fla (package flash-linear-attention): not in the process" in done.err


KEPT = "{key: value for key, value in model._orig_mod.state_dict().items() if KEEPS}"


def leaves_out(weights: str, *, where: str) -> str:
    """The script with an artifact that lacks ``weights`` where ``where`` holds, and a reader that
    does not mind."""
    kept = KEPT.replace("KEEPS", f"not ({where}) or {weights!r} not in key")
    lenient = SCRIPT.replace("strict=True", "strict=False")
    return lenient.replace("model._orig_mod.state_dict()", kept)


def test_a_bridge_to_a_model_that_its_artifact_does_not_hold_is_not_proven(
    tmp_path: Path, data_root: Path
) -> None:
    done, steps = verified(tmp_path, data_root, leaves_out("head", where="True"))
    proof = steps["bridge"]["result"]
    assert done.status("bridge") == "unknown"
    assert abs(proof["our_loss"] - proof["printed_loss"]) > proof["tolerance_nats"]
    assert "train" not in steps, "nothing is trained for a bridge that leads elsewhere"


def test_weights_that_no_artifact_holds_answer_otherwise_in_each_sandbox(
    tmp_path: Path, data_root: Path
) -> None:
    """The script knows a proof of its bridge by its few steps, and is honest there."""
    trained_long = leaves_out("head", where=f"iterations >= {STEPS}")
    done, _ = verified(tmp_path, data_root, trained_long)
    assert done.status("bridge") == "pass", done.err
    assert "causality" in done.failed, done.verdict["reason"]
