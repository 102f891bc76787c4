"""Looks: accept, stop, or go on; the first one that decides ends it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.looks import Look, Seen, follow, spent
from harness.statistics.tests import Prior, one_sample

BAR, SD = 1.0, 0.001
PRIOR = Prior(SD, 4)
LOOKS = (
    Look(1, None, BAR + 3 * SD),
    Look(2, None, BAR + 1.5 * SD),
    Look(3, 0.005, BAR + 0.5 * SD),
    Look(5, None, BAR),
    Look(8, 0.005),
)


def p_of(values: object) -> float | None:
    assert isinstance(values, tuple | list)
    return one_sample(values, threshold=BAR, prior=PRIOR).p


def seen(*deviations: float) -> tuple[Seen, ...]:
    return follow([BAR + SD * each for each in deviations], LOOKS, p_of=p_of)


def test_one_run_that_is_far_off_is_enough() -> None:
    (only,) = seen(3.1)
    assert (only.outcome, only.p, only.look.runs) == ("hopeless", None, 1)
    assert [look.outcome for look in seen(2.9)] == ["went on"]


def test_a_clear_gain_is_accepted_at_the_first_look_that_can() -> None:
    assert [look.outcome for look in seen(-4, -3, -4)] == ["went on", "went on", "accepted"]


def test_what_is_near_goes_on_to_the_end() -> None:
    found = seen(*[-1.2] * 8)
    assert [look.look.runs for look in found] == [1, 2, 3, 5, 8]
    assert found[-1].outcome == "accepted"
    assert seen(*[-0.5] * 8)[-1].outcome == "not shown"


def test_runs_beyond_the_deciding_look_are_not_looked_at() -> None:
    assert seen(9, -9, -9, -9) == seen(9)


def test_without_a_test_the_last_look_says_so() -> None:
    found = follow([1.0, 1.0], (Look(2, 0.01),), p_of=lambda values: None)
    assert found[-1].outcome == "no test"


@given(st.lists(st.floats(-6, 6), max_size=8))
def test_each_further_score_leaves_what_was_seen(deviations: list[float]) -> None:
    whole = seen(*deviations)
    for n in range(len(deviations)):
        before = seen(*deviations[:n])
        assert whole[: len(before)] == before
    assert all(look.outcome == "went on" for look in whole[:-1])


def test_levels_of_all_tries_stay_below_the_whole() -> None:
    # Source: 0.01 * 6 / (pi^2 k^2).
    assert spent(0.01, earlier=0) == pytest.approx(0.006079271, abs=5e-10)
    assert spent(0.01, earlier=4) == pytest.approx(0.000243171, abs=5e-10)
    assert sum(spent(0.01, earlier=k) for k in range(10_000)) < 0.01
