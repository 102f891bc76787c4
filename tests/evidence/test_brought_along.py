"""What an entry brings along is weighed again at every judgment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError
from harness.evidence.places import PLAN
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_path
from tests.factories.plans import contents_of, plan, strict_track
from tests.factories.runs import good_runs
from tests.factories.stored import store
from tests.judge.cases import brings


def edited(directory: RunDirectory, change: Callable[[dict[str, Any]], object]) -> Path:
    file = directory.path / PLAN
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document, indent=2) + "\n")
    return directory.path


@pytest.fixture
def kept(tmp_path: Path) -> RunDirectory:
    made = plan()
    return store(tmp_path / "run", made, good_runs(made))


def test_what_was_weighed_honestly_is_judged(kept: RunDirectory) -> None:
    verdict = judge_path(kept.path)
    assert verdict.verdict == "VERIFIED" and verdict.brought is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda plan: plan["brought"].update(bytes=100), "brought.bytes"),
        (lambda plan: plan["brought"].update(container_sha256="0" * 64), "container_sha256"),
        (lambda plan: plan["brought"].update(files=[]), "brought.files"),
        (lambda plan: plan["brought"].update(tokenizer_bytes=7), "brought.tokenizer_bytes"),
        (lambda plan: plan["entry"].update(folder="another"), "container_sha256"),
        (lambda plan: plan.pop("brought"), "its track asks for it"),
    ],
)
def test_a_forged_figure_is_refused(
    kept: RunDirectory, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    with pytest.raises(InfrastructureError, match=field):
        judge_path(edited(kept, change))


def test_weights_cannot_be_made_light_afterwards(tmp_path: Path) -> None:
    made = brings(140_000)
    directory = store(tmp_path / "run", made, [], files=contents_of(made.entry))
    assert judge_path(directory.path).reason.startswith("brought_along: ")
    with pytest.raises(InfrastructureError, match=r"brought\.bytes"):
        judge_path(edited(directory, lambda plan: plan["brought"].update(bytes=20_000)))


def test_the_compressor_of_another_machine_may_differ_by_a_few_bytes(kept: RunDirectory) -> None:
    path = edited(kept, lambda plan: plan["brought"].update(bytes=plan["brought"]["bytes"] + 20))
    assert judge_path(path).verdict == "VERIFIED"


def test_a_plan_of_before_is_judged_as_it_was(tmp_path: Path) -> None:
    made = plan(strict_track(brought_along=None), brought=None)
    verdict = judge_path(store(tmp_path / "run", made, good_runs(made)).path)
    assert verdict.verdict == "VERIFIED" and verdict.brought is None
    assert "brought_along" not in {check.id for check in verdict.checks}


def test_a_plan_cannot_be_made_one_of_before(kept: RunDirectory) -> None:
    """Its seeds were drawn from the digest of a track that has the rule."""

    def before(plan: dict[str, Any]) -> None:
        plan.pop("brought")
        plan["track"].pop("brought_along")

    verdict = judge_path(edited(kept, before))
    assert verdict.verdict == "INCONCLUSIVE" and verdict.reason.startswith("seeds: ")
