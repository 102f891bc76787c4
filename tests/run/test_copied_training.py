"""A rescoring takes over what the training left, and what was seen of it meanwhile."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.evidence.plan import PlanRef
from harness.evidence.steps import step_of
from harness.run.steps.train import train
from tests.factories.plans import plan
from tests.factories.runs import good_runs
from tests.factories.stored import store
from tests.factories.telemetry import watched


def test_what_the_accelerators_did_is_copied_with_the_artifact(tmp_path: Path) -> None:
    made = plan()
    original = store(tmp_path / "original", made, good_runs(made, telemetry=watched()))
    run = original.runs()[0]
    ref = PlanRef(directory="original", plan_sha256=original.plan_sha256())
    again = store(tmp_path / "again", made.model_copy(update={"copies": ref}), [])
    place = again.begin_try(made.draws[run.draw], 1)
    bench: Any = SimpleNamespace(plan=again.plan, directory=again, place=place)
    facts = train(step_of("train"), bench, run)
    assert facts == run.step("train")
    for name in ("train.telemetry.npz", f"artifact/{original.artifact(run).name}"):
        kept = original.directory_of(run) / name
        assert (place / name).read_bytes() == kept.read_bytes()
