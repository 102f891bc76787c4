"""How a record fell: steps of what stands, each against the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.events import Record
from harness.report.site.history import Course, history, prior_in
from harness.statistics.tests import Prior, difference
from tests.judge.test_recipes import KNOWN
from tests.ledger.boards import record

PRIOR = Prior(0.0007, 4)


def dated(mean: float, day: int, **changes: object) -> Record:
    scores = (mean - 0.0004, mean, mean + 0.0004)
    fields = {"date": f"2026-11-{day:02d}T12:00:00+00:00", "scores": scores} | changes
    return record(mean, verdict_sha256=f"{day:064x}", **fields)


def test_only_what_is_lower_than_all_before_is_a_step() -> None:
    records = [dated(mean, day) for day, mean in enumerate((1.3, 1.2, 1.25, 1.2, 1.1), start=1)]
    (steps,) = history(records, prior_of=lambda record: PRIOR).values()
    assert [step.record.mean_bpb for step in steps] == [1.3, 1.2, 1.1]
    assert steps[0].before is None and steps[0].gain_bpb is None and steps[0].test is None
    assert [step.gain_bpb for step in steps[1:]] == pytest.approx([0.1, 0.1])
    test = steps[1].test
    assert test == difference(records[0].scores, records[1].scores, prior=PRIOR)


def test_other_tracks_and_texts_are_courses_of_their_own() -> None:
    records = [dated(1.3, 1), dated(1.2, 2, dataset="other"), dated(1.1, 3, track="other")]
    found = history(records, prior_of=lambda record: None)
    assert list(found) == [
        Course("strict", "demo_sp1024"),
        Course("strict", "other"),
        Course("other", "demo_sp1024"),
    ]
    assert all(len(steps) == 1 for steps in found.values())


def test_editions_on_one_text_are_one_course() -> None:
    records = [dated(1.3, 1), dated(1.2, 2, edition="2027-01", track_digest="d" * 64)]
    (steps,) = history(records, prior_of=lambda record: None).values()
    assert len(steps) == 2


def test_without_knowledge_of_the_field_it_is_welchs_or_nothing() -> None:
    same = [dated(1.3, 1, scores=(1.3, 1.3, 1.3)), dated(1.2, 2, scores=(1.2, 1.2, 1.2))]
    (steps,) = history(same, prior_of=lambda record: None).values()
    assert steps[1].test is None and steps[1].gain_bpb == pytest.approx(0.1)
    assert prior_in(None) is None and prior_in(KNOWN) == PRIOR


@given(st.lists(st.floats(0.5, 3.0), max_size=28))
def test_a_course_only_falls(means: list[float]) -> None:
    records = [dated(mean, day) for day, mean in enumerate(means, start=1)]
    for steps in history(records, prior_of=lambda record: PRIOR).values():
        found = [step.record.mean_bpb for step in steps]
        assert found == sorted(set(found), reverse=True)
        assert min(means) == found[-1]
        assert all(step.gain_bpb is None or step.gain_bpb > 0 for step in steps)
