"""The report: whole after every step, honest about what is missing, and about whose figures."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.accelerator import __main__ as command
from tests.accelerator.conclusions import conclusions, rounded_up
from tests.accelerator.markdown import markdown, shown
from tests.accelerator.plan import Planned, planned, training_seconds
from tests.accelerator.recipe import names
from tests.accelerator.running import Outcome
from tests.accelerator.sizes import FULL, SMALL, TINY

GPU = {"name": "NVIDIA H200", "uuid": "GPU-1", "memory_gib": 139.0}


def options(out: Path, **changed: Any) -> argparse.Namespace:
    usual = {"out": out, "seconds": None, "size": None, "only": "", "steps": "", "data": out,
             "site": "", "without": ""}  # fmt: skip
    return argparse.Namespace(**{**usual, **changed})


def run(tmp_path: Path, answer: Any, **changed: Any) -> dict[str, Any]:
    """A run whose steps are answered by ``answer(module, told)``; the report in the end."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    begun: list[str] = []

    def run_step(module: str, told: Any, *, limit_seconds: float, without: Any) -> Outcome:
        # What a run leaves that is cut off here.
        content = json.loads((tmp_path / "accelerator.json").read_text())
        text = (tmp_path / "accelerator.md").read_text()
        assert not content["finished"]
        tried = [each for each in content["steps"] if each["state"] != "not tried"]
        assert len(tried) == len(begun)
        assert content["waiting"][0].split()[0] == module
        for each in content["steps"]:
            assert f"| {each['name']} | {each['state']} |" in text
        assert f"{len(content['waiting'])} steps to come" in text
        begun.append(module)
        made: Outcome = answer(module, told)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "run_step", run_step)
        patch.setattr(command, "end_strays", lambda: None)
        command.Run(options(tmp_path, **changed), scratch).all()
    content: dict[str, Any] = json.loads((tmp_path / "accelerator.json").read_text())
    return content


def canned(module: str, told: dict[str, Any], *, gpus: tuple[Any, ...] = (GPU,)) -> Outcome:
    """Figures as a machine with a GPU would have them."""
    probes = {"questions": 20_000, "mean": 1e-5, "sd": 0.011, "sd_of_all": 0.01, "largest": 0.2,
              "unchanged_sd": 0.009, "lower_bound": 0.0, "upper_bound": 0.002,
              "tolerance": 0.0005, "finding": "unknown"}  # fmt: skip
    rates = {"targets": 10, "targets_a_second": 100, "settled_targets_a_second": 250,
             "load_seconds": 1.0}  # fmt: skip
    changes = {"targets": 5, "mean": 0.0, "sd": 0.004, "size_99": 0.01, "size_999": 0.02,
               "largest": 0.03, "sd_of_windows": 0.001}  # fmt: skip
    figures: dict[str, dict[str, Any]] = {
        "found": {"gpus": list(gpus), "torch": "2.13.0", "driver": "580.1", "engine": "none"},
        "training": {"steps": 100, "artifact_bytes": 15_900_000, "ended": "completed"},
        "by_itself": {"bare_targets_a_second": 100, "noise": {"1 together": changes},
                      "artifact_bpb": 1.25, "checkpoint_bpb": 1.24, "quantization_costs_bpb": 0.01},
        "scoring": {"harness": rates, "probes": probes, "request_milliseconds": {"model": 3.0}},
        "rescoring": {"second_apart_bpb": 3e-7, "smaller_apart_bpb": 4e-6},
        "lookahead": {"gained_nats": 0.001, "probes": {**probes, "finding": "fail"}},
    }  # fmt: skip
    return Outcome("done", 1.0, figures.get(module, {"figure": 1}), [])


def test_it_is_whole_after_every_step_and_says_what_follows(tmp_path: Path) -> None:
    content = run(tmp_path, canned)
    assert content["finished"] and content["waiting"] == []
    assert content["head"]["device"] == "1 x NVIDIA H200"
    assert content["head"]["size"] == "full"
    trained = [each for each in content["steps"] if each["module"] == "training"]
    assert [each["submission"] for each in trained] == names()
    found = content["conclusions"]
    assert found["ratios"]["naive_baseline"]["best"] == 2.5
    assert found["ratios"]["naive_baseline"]["met"]
    assert found["noise"]["sd"] == {"nats": 0.01, "where": "naive_baseline, asked again"}
    assert found["probes"]["chosen"]["tolerance"] == 0.0005
    assert found["probes"]["chosen"]["questions"] < found["probes"]["today"]["questions"]
    assert found["rescore"]["tolerance_bpb"] == 5e-5
    text = (tmp_path / "accelerator.md").read_text()
    assert "| 0.0005 | 61,345 | the track today |" in text
    assert "this says nothing of an accelerator" not in text


def test_a_step_that_hangs_costs_itself_and_what_needs_its_files(tmp_path: Path) -> None:
    def answer(module: str, told: dict[str, Any]) -> Outcome:
        if module == "training" and told["arguments"]["submission"] == "int6_late_k":
            return Outcome("killed", 60.0, {"steps": 3}, [], "not done after 60 s")
        return canned(module, told)

    content = run(tmp_path, answer)
    states = {each["name"]: each["state"] for each in content["steps"]}
    lost = {name for name, state in states.items() if state != "done"}
    modules = ("training", "by_itself", "scoring", "lookahead")
    assert lost == {f"{module} int6_late_k" for module in modules}
    why = {(each["step"], each["why"]) for each in content["could_not"]}
    assert ("training int6_late_k", "not done after 60 s") in why
    assert ("scoring int6_late_k", "needs what training int6_late_k did not leave") in why
    assert "| int6_late_k | - | - | - | - | - | 3 |" in (tmp_path / "accelerator.md").read_text()


def test_without_a_gpu_it_is_in_miniature_and_says_so(tmp_path: Path) -> None:
    content = run(tmp_path, lambda module, told: canned(module, told, gpus=()))
    assert content["head"]["size"] == "small"
    assert content["head"]["device"] == "CPU: no GPU that torch can use"
    text = (tmp_path / "accelerator.md").read_text()
    assert text.count("this says nothing of an accelerator") == 2
    assert "A tolerance of" not in text


def test_a_driver_that_hangs_leaves_a_report_and_steps_in_miniature(tmp_path: Path) -> None:
    def answer(module: str, told: dict[str, Any]) -> Outcome:
        if module == "found":
            return Outcome("killed", 45.0, {"python": "3.12"}, [], "not done after 45 s")
        return canned(module, told)

    content = run(tmp_path, answer)
    assert content["steps"][0]["state"] == "killed"
    assert content["head"]["size"] == "small"
    assert content["finished"]


def test_where_torch_hangs_the_drivers_program_says_which_gpus_there_are(tmp_path: Path) -> None:
    def answer(module: str, told: dict[str, Any]) -> Outcome:
        if module == "found":
            return Outcome("killed", 90.0, {"nvidia_smi": [GPU]}, [], "not done after 90 s")
        assert told["cuda"] and told["devices"] == ["GPU-1"]
        return canned(module, told)

    assert run(tmp_path, answer)["head"]["device"] == "1 x NVIDIA H200"


def test_when_no_time_is_left_that_is_the_reason(tmp_path: Path) -> None:
    content = run(tmp_path, canned, seconds=1.0)
    assert {each["state"] for each in content["steps"]} == {"not tried"}
    assert all("no time left" in each["why"] or "needs" in each["why"]
               for each in content["could_not"])  # fmt: skip


def test_a_submission_or_a_module_alone_can_be_asked_for(tmp_path: Path) -> None:
    content = run(tmp_path, canned, only="ngram_cache", steps="by_itself")
    assert [each["name"] for each in content["steps"]] == [
        "found", "text", "training ngram_cache", "by_itself ngram_cache",
    ]  # fmt: skip


def test_trainings_share_what_the_other_steps_leave() -> None:
    steps = planned(FULL, names(), engine=False)
    steps = steps[next(place for place, step in enumerate(steps) if step.trains) :]
    others = sum(step.expected_seconds for step in steps if not step.trains)
    count = sum(step.trains for step in steps)
    most, fewest = FULL.train_seconds
    for left, expected in (
        (others + 72.0 * count, 70.0),
        (1e6, most),
        (0.0, fewest + FULL.compile_seconds),  # the first one compiles its model
    ):
        assert math.isclose(training_seconds(FULL, steps, left_seconds=left), expected)
    assert training_seconds(FULL, _last_training(steps), left_seconds=0) == fewest
    # Two of them with all that is measured, within nine minutes and in trainings of a minute and
    # more, where each step takes what is expected of it; of more, what comes last may be cut off.
    two = planned(FULL, names()[:2], engine=False)
    assert sum(step.expected_seconds for step in two) + 2 * 75 <= FULL.total_seconds < 540


def _last_training(steps: list[Planned]) -> list[Planned]:
    """The steps from the last training that finds its model compiled."""
    places = [
        place for place, step in enumerate(steps)
        if step.trains and not step.arguments["compiles"]
    ]  # fmt: skip
    return steps[places[-1] :]


@pytest.mark.parametrize("size", [FULL, SMALL, TINY])
def test_every_step_has_its_own_limit(size: Any) -> None:
    for step in planned(size, names()):
        assert step.trains or 0 < step.expected_seconds < step.limit_seconds


def test_what_a_step_found_cannot_break_the_tables() -> None:
    assert shown("a|b\nc") == "a/b c"
    assert shown([1, {"a": None}]) == "1 a -"
    content = {"head": {}, "finished": False, "waiting": [], "steps": [], "could_not": [],
               "conclusions": conclusions([])}  # fmt: skip
    assert markdown(content).startswith("# Accelerator report (cut off")


def test_a_tolerance_is_rounded_up() -> None:
    assert [rounded_up(value) for value in (0, 1e-6, 1.1e-6, 4e-5, 6e-5)] == pytest.approx(
        [1e-9, 1e-6, 2e-6, 5e-5, 1e-4]
    )
