"""The steps themselves, on a CPU, smaller still than in miniature."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.accelerator import __main__ as command
from tests.accelerator.desk import REPOSITORY
from tests.accelerator.test_report import options


def by_name(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in content["steps"]}


@pytest.mark.long
@pytest.mark.usefixtures("forked")
def test_a_submission_is_trained_measured_and_scored(
    tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "end_strays", lambda: None)  # the fork server is no stray
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    chosen = options(tmp_path, size="tiny", only="naive_baseline", data=data_root)
    chosen.steps = "by_itself,scoring"
    command.Run(chosen, scratch).all()
    content = json.loads((tmp_path / "accelerator.json").read_text())
    steps = by_name(content)
    assert {name: (step["state"], step["why"]) for name, step in steps.items()} == dict.fromkeys(
        ["found", "text", *(f"{module} naive_baseline" for module in
                            ("training", "by_itself", "scoring"))], ("done", "")
    )  # fmt: skip
    found, text = steps["found"]["figures"], steps["text"]["figures"]
    assert found["gpus"] == [] and found["packages"]["numpy"] != "missing"
    assert text["order"].startswith("drawn by the harness")
    training = steps["training naive_baseline"]["figures"]
    assert (training["ended"], training["steps"]) == ("completed, exit code 0", 3)
    assert training["trained_on"] == "1 x cpu"
    assert training["artifact_bytes"] == training["packed_bytes"] > 10_000
    assert training["watched"]["samples"] > 0
    alone = steps["by_itself naive_baseline"]["figures"]
    assert alone["bare_targets_a_second"] > 0
    assert alone["noise"]["the same again"]["largest"] == 0
    assert alone["noise"]["1 together"]["largest"] < 1e-4
    assert abs(alone["quantization_costs_bpb"]) < 0.01
    scoring = steps["scoring naive_baseline"]["figures"]
    # The harness and the recipe's own loop, over the same stream.
    assert scoring["harness"]["val_loss"] == pytest.approx(alone["bare_nats"], abs=1e-5)
    assert scoring["probes"]["questions"] == 30
    assert scoring["probes"]["largest"] < 1e-4
    assert set(scoring["request_milliseconds"]) == {
        "model", "copy to host", "a plain copy of them", "log-softmax on one core",
    }  # fmt: skip
    why = {(each["step"], each["what"]): each["why"] for each in content["could_not"]}
    assert why["scoring naive_baseline", "log-softmax on the device"] == "there is no GPU"
    assert content["conclusions"]["ratios"]["naive_baseline"]["ways"]["harness"] > 0


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_the_whole_command_without_packages_and_with_an_engine(tmp_path: Path) -> None:
    """As on a machine that lacks what the harness needs; then with all, containers included."""
    program = [sys.executable, "-m", "tests.accelerator", "--size", "tiny", "--seconds", "400"]
    program += ["--data", str(tmp_path / "data"), "--only", "naive_baseline"]
    lacking = ["--without", "pydantic,sentencepiece,docker", "--steps", "by_itself,scoring"]
    lacking += ["--out", str(tmp_path / "lacking")]
    whole = ["--out", str(tmp_path / "whole")]
    contents = []
    for more in (lacking, whole):
        done = subprocess.run(
            [*program, *more], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        contents.append(json.loads((Path(more[-1]) / "accelerator.json").read_text()))
    steps = by_name(contents[0])
    missing = "the package pydantic is missing"
    scoring = steps["scoring naive_baseline"]
    assert (scoring["state"], scoring["why"]) == ("not tried", missing)
    assert steps["text"]["figures"]["tokens"] == "source of the standard library, as bytes"
    assert steps["training naive_baseline"]["figures"]["steps"] == 3
    assert steps["by_itself naive_baseline"]["figures"]["artifact_bpb"] > 0
    steps = by_name(contents[1])
    assert {step["state"] for step in steps.values()} == {"done"}
    containers = steps["containers naive_baseline"]["figures"]
    assert containers["seen"]["broken"] == containers["gloo"]["broken"] == []
    assert containers["gloo"]["right"]
    rescored = steps["rescoring naive_baseline"]["figures"]
    assert containers["scored"]["val_bpb"] == pytest.approx(rescored["first_bpb"], abs=1e-5)
    assert rescored["second_apart_bpb"] < 1e-6
    looked = steps["lookahead naive_baseline"]["figures"]
    assert looked["gained_nats"] == pytest.approx(0.001, rel=0.3)
    assert looked["probes"]["mean"] > 0
