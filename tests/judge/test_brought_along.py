"""What is brought along: the answer, what it costs in doubt, and what the bar's own entry had."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.brought_along import Brought
from harness.contest.track import Bar as TrackBar
from harness.contest.track import BroughtAlong, load_track
from harness.evidence.plan import Bar, Plan
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.next_step import next_step
from harness.judge.rules.brought_along import BROUGHT_ALONG, brought_doubt_bpb, brought_result
from harness.models import Finding
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text
from tests.factories.plans import CODE, TEXT_BYTES, brought, entry, plan, strict_track
from tests.factories.results import tokenizer_proof
from tests.factories.runs import good_runs, preparation, verdict_of
from tests.judge.cases import PIECES, brings, own_tokenizer

LIMIT, FREE, TOKENIZER_FREE = 131_072, 24_576, 30_000


def of(made: Plan, runs: tuple[Run, ...] = ()) -> Case:
    return Case.of(made, runs)


def asked(case: Case) -> Finding:
    finding = BROUGHT_ALONG.ask(case)
    assert finding is not None
    return finding


def that_brings(count: int, **changes: Any) -> Plan:
    """A plan whose entry brings so many bytes, whatever is in them."""
    return plan(brought=Brought(bytes=count, container_sha256="c" * 64, files=()), **changes)


@pytest.mark.parametrize(
    ("count", "status", "doubt"),
    [
        (0, "pass", 0.0),
        (FREE, "pass", 0.0),
        (FREE + 1, "pass", 8 / TEXT_BYTES),
        (FREE + 3000, "pass", 24_000 / TEXT_BYTES),
        (LIMIT, "pass", 8 * (LIMIT - FREE) / TEXT_BYTES),
        (LIMIT + 1, "fail", 8 * (LIMIT + 1 - FREE) / TEXT_BYTES),
    ],
)
def test_the_limit_refuses_and_below_it_each_byte_that_is_not_free_is_a_doubt(
    count: int, status: str, doubt: float
) -> None:
    case = of(that_brings(count))
    found = asked(case)
    assert (found.status, found.measured, found.limit) == (status, count, LIMIT)
    assert brought_doubt_bpb(case) == pytest.approx(doubt, abs=0)
    assert ("for review" in found.detail) == (status == "fail")
    assert ("a doubt of" in found.detail) == (status == "pass" and doubt > 0)


def test_a_table_of_one_bit_a_target_passes_and_is_charged_in_full() -> None:
    """3 kB tell 24,000 targets a bit each, which is 0.05 BPB of this text: so much is charged."""
    bare, table = plan(), entry({**CODE, "table.bin": random.Random(6).randbytes(3000)})
    assert bare.brought is not None
    free = BroughtAlong(limit_bytes=LIMIT, free_bytes=bare.brought.bytes, tokenizer_free_bytes=0)
    case = of(plan(strict_track(brought_along=free), entry=table))
    assert asked(case).status == "pass"
    doubt = brought_doubt_bpb(case)
    assert doubt is not None and 24_000 / TEXT_BYTES <= doubt < 25_000 / TEXT_BYTES
    # Where the bar is beaten by less than that, adding it up takes the record back.
    assert verdict_of(case.plan, good_runs(case.plan)).brought == brought_result(case)


@given(st.integers(0, LIMIT), st.integers(0, LIMIT))
def test_no_byte_more_is_ever_a_smaller_doubt(one: int, other: int) -> None:
    few, many = (brought_doubt_bpb(of(that_brings(n))) for n in sorted((one, other)))
    assert few is not None and many is not None and few <= many


def test_what_the_bar_brought_is_free_too() -> None:
    listed = strict_track(bar=TrackBar(bpb=3.0, source="the first bar", leaderboard=True))
    for record, free in ((None, FREE), (20_000, FREE), (40_000, 40_000), (10**6, LIMIT)):
        bar = Bar(bpb=2.63, source="a record", verdict_sha256="c" * 64, brought_bytes=record)
        found = brought_result(of(that_brings(50_000, track=listed, bar=bar)))
        assert found is not None and found.free_bytes == free
    # A bar that no leaderboard held, or that is not the one to beat, gives nothing away.
    for bar in (
        Bar(bpb=2.63, source="a record", brought_bytes=40_000),
        Bar(bpb=3.1, source="a record", verdict_sha256="c" * 64, brought_bytes=40_000),
    ):
        found = brought_result(of(that_brings(50_000, track=listed, bar=bar)))
        assert found is not None and found.free_bytes == FREE


def test_without_a_figure_or_a_limit_the_question_does_not_arise() -> None:
    for made in (plan(brought=None), plan(strict_track(brought_along=None))):
        assert BROUGHT_ALONG.ask(of(made)) is None
        assert brought_doubt_bpb(of(made)) is None
        verdict = verdict_of(made, good_runs(made))
        assert verdict.verdict == "VERIFIED" and verdict.brought is None
        assert '"brought":' not in verdict.model_dump_json()
        assert "Brought along" not in render_text(verdict, width=100)


def test_nothing_is_run_of_what_is_over_the_limit() -> None:
    wanted = next_step(of(brings(140_000)))
    assert wanted.over and wanted.why.startswith("brought_along: ")
    assert next_step(of(brings(100_000))).draws


def test_a_tokenizer_is_decided_when_it_is_proven() -> None:
    made = own_tokenizer(PIECES)
    before = asked(of(made))
    assert before.status == "unknown" and next_step(of(made)).draws
    code = brought(made.entry)
    assert code is not None and code.tokenizer_bytes is not None
    for normal_form, status, counted in (
        (None, "fail", code.bytes + code.tokenizer_bytes - TOKENIZER_FREE),
        (TOKENIZER_FREE, "pass", code.bytes),
        (TOKENIZER_FREE + 500, "pass", code.bytes + 500),
    ):
        proof = tokenizer_proof(made, normal_form_bytes=normal_form)
        found = asked(of(made, (preparation(made, tokenizer=proof),)))
        assert (found.status, found.measured) == (status, counted)


def test_code_over_the_limit_is_refused_before_its_tokenizer_is_proven() -> None:
    own = own_tokenizer()
    code = brought(own.entry)
    assert code is not None
    heavy = own.model_copy(update={"brought": code.model_copy(update={"bytes": LIMIT + 1})})
    assert asked(of(heavy)).status == "fail"


def test_a_rehearsal_says_that_it_proves_nothing_about_remembered_text() -> None:
    made = plan(load_track("smoke"))
    assert "a rehearsal proves nothing about remembered text" in asked(of(made)).detail
    assert "rehearsal" not in asked(of(plan())).detail


def test_every_scorecard_shows_it() -> None:
    verdict = verdict_of(made := brings(30_000), good_runs(made))
    for card in (render_text(verdict, width=100), render_markdown(verdict)):
        assert " kB, more than the 24.6 kB free" in card
        assert "table.bin" in card and "8 bits for each byte" in card
    few = verdict_of(made := plan(), good_runs(made))
    assert " kB of 24.6 kB free" in render_text(few, width=100)
