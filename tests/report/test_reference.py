"""The schemas in the repository are those of the models, and a real verdict satisfies its own."""

import pytest
from harness.judge.judgement import judge

from harness.errors import UsageError
from harness.evidence.isolation import PROPERTIES
from harness.judge.verdict import Verdict
from harness.report.reference import (
    DIRECTORY,
    MODELS,
    SANDBOX_PAGE,
    schema_text,
    with_properties,
)
from tests.factories.samples import good_runs, verification


@pytest.mark.parametrize("name", sorted(MODELS))
def test_schema_is_fresh(name: str) -> None:
    kept = (DIRECTORY / name).read_text()
    assert kept == schema_text(MODELS[name]), "run `make schema` and commit the result"


def test_the_table_of_properties_is_fresh() -> None:
    page = SANDBOX_PAGE.read_text()
    assert page == with_properties(page), "run `make schema` and commit the result"
    assert all(f"| `{each.id}` | {each.phrase}" in page for each in PROPERTIES)


def test_a_page_without_the_markers_is_not_written_over() -> None:
    with pytest.raises(UsageError, match="properties: begin"):
        with_properties("a page")


def test_a_verdict_survives_its_json() -> None:
    plan = verification()
    verdict = judge(plan, good_runs(plan), evidence="runs/x")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
