"""Schemas and docs in the repository are those of models and tables; real files satisfy them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness.contest.track import load_track
from harness.errors import UsageError
from harness.evidence.isolation import PROPERTIES
from harness.gate.at_import import IMAGE_PACKAGES, SOME_IMAGES
from harness.judge.rules import CHECKS
from harness.judge.verdict import Verdict
from harness.models import Fact
from harness.report.hidden import KINDS, charges_of, gains_text
from harness.report.imports import locked
from harness.report.key_pages import documented, evidence_text
from harness.report.keys import models_of, undocumented, unused
from harness.report.reference import (
    CHANNELS_PAGE,
    DIRECTORY,
    DOUBTS_PAGE,
    EVIDENCE_PAGE,
    MODELS,
    PARTLY,
    PROBES_PAGE,
    RULES_PAGE,
    SANDBOX_PAGE,
    rules_text,
    schema_text,
    with_channels,
    with_charges,
    with_gains,
    with_properties,
)
from harness.sandbox.channels.table import CHANNELS
from tests.factories.plans import plan
from tests.factories.runs import good_runs, verdict_of


@pytest.mark.parametrize("name", sorted(MODELS))
def test_schema_is_fresh(name: str) -> None:
    kept = (DIRECTORY / name).read_text()
    assert kept == schema_text(MODELS[name]), "run `make docs` and commit the result"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == set(MODELS)


def test_the_page_of_rules_is_fresh_and_names_every_rule() -> None:
    assert RULES_PAGE.read_text() == rules_text(), "run `make docs` and commit the result"
    rows = [line for line in rules_text().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [rule.id for rule in CHECKS]
    assert {row.count("|") for row in rows} == {8}  # no summary holds one


def test_a_verdict_has_checks_of_the_rules_alone() -> None:
    schema: dict[str, Any] = json.loads(schema_text(Verdict))
    _, ids = schema["properties"]["checks"]["items"]["allOf"]
    assert ids["properties"]["id"]["enum"] == [rule.id for rule in CHECKS]


def test_the_table_of_properties_is_fresh() -> None:
    page = SANDBOX_PAGE.read_text()
    assert page == with_properties(page), "run `make docs` and commit the result"
    assert all(f"| `{each.id}` | {each.phrase}" in page for each in PROPERTIES)


def test_the_table_of_hidden_gains_is_fresh_and_small_on_the_official_track() -> None:
    page = PROBES_PAGE.read_text()
    assert page == with_gains(page), "run `make docs` and commit the result"
    rows = [row.split("|") for row in gains_text().splitlines() if row.startswith("| 10min_16mb")]
    assert len(rows) == 6
    *bounded, together, free = rows
    for row in bounded:
        assert float(row[-2]) <= 0.1  # of the margin
    assert "free for code and tokenizer" in free[2]
    # Who hides all of it gains no more than the least that anybody is charged for the same.
    track = load_track("10min_16mb")
    charged = charges_of(track, KINDS[0], brought_bytes=0)
    assert charged is not None and float(together[-3]) < charged.total


def test_honest_entries_pay_less_than_a_fifth_of_the_official_margin() -> None:
    page = DOUBTS_PAGE.read_text()
    assert page == with_charges(page), "run `make docs` and commit the result"
    track = load_track("10min_16mb")
    margin = track.significance.margin_nats_per_token
    assert margin is not None
    for kind in KINDS:
        found = charges_of(track, kind, brought_bytes=15_000)
        assert found is not None and 0 < found.total < margin / 5
        assert (found.memory == 0) == kind.remembers


def test_what_is_brought_beyond_the_free_bytes_is_charged() -> None:
    track = load_track("10min_16mb")
    assert track.brought_along is not None
    free = track.brought_along.free_bytes
    found, more = (charges_of(track, KINDS[0], brought_bytes=n) for n in (free, free + 1000))
    assert found is not None and more is not None and found.brought == 0
    # 8 bits a byte, in nats a target.
    assert more.brought == pytest.approx(8000 * math.log(2) / 62_021_845)


def test_the_table_of_channels_is_fresh() -> None:
    page = CHANNELS_PAGE.read_text()
    assert page == with_channels(page), "run `make docs` and commit the result"
    assert all(f"| `{each.id}` | {each.what}" in page for each in CHANNELS)


@pytest.mark.parametrize("page", sorted(PARTLY), ids=lambda page: page.name)
def test_what_stands_between_markers_is_fresh(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == PARTLY[page](text), "run `make docs` and commit the result"


def test_the_page_of_evidence_is_fresh() -> None:
    kept = EVIDENCE_PAGE.read_text(encoding="utf-8")
    assert kept == evidence_text(), "run `make docs` and commit the result"


def test_every_key_of_entries_tracks_and_evidence_is_documented() -> None:
    """A key whose docstring is silent is named here: say it there, or in report/keys.toml."""
    assert undocumented(documented()) == []
    assert unused(documented()) == []


def test_a_key_without_a_word_is_found() -> None:
    class Silent(Fact):
        """It holds ``told``, and more."""

        told: int
        odd: int

    (model,) = models_of(Silent)
    assert [name.rpartition(".")[2] for name in undocumented([model])] == ["odd"]


def test_what_the_check_lets_be_imported_is_in_the_image_of_the_official_track() -> None:
    known = {*IMAGE_PACKAGES, *SOME_IMAGES} - {"functorch"}  # a part of torch
    assert known == set(locked("cuda"))


def test_a_page_without_the_markers_is_not_written_over() -> None:
    with pytest.raises(UsageError, match="properties: begin"):
        with_properties("a page")


def test_a_verdict_survives_its_json() -> None:
    made = plan()
    verdict = verdict_of(made, good_runs(made))
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
