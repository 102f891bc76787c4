"""The schemas in the repository are those of the models, and a real verdict satisfies its own."""

import pytest

from harness.judge.judgement import judge
from harness.judge.verdict import Verdict
from harness.report.reference import DIRECTORY, MODELS, schema_text
from tests.factories.samples import good_runs, verification


@pytest.mark.parametrize("name", sorted(MODELS))
def test_schema_is_fresh(name: str) -> None:
    kept = (DIRECTORY / name).read_text()
    assert kept == schema_text(MODELS[name]), "run `make schema` and commit the result"


def test_a_verdict_survives_its_json() -> None:
    plan = verification()
    verdict = judge(plan, good_runs(plan), evidence="runs/x")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
