"""What holds of the difference of two recipes, whatever their scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.statistics.documents import along, by_size, where
from harness.statistics.tests import GUARD, Prior, difference

FIELD = Prior(0.0007, 4)
scores = st.lists(st.floats(0.5, 3.0, allow_nan=False), min_size=1, max_size=9)


@given(scores, scores)
def test_swapping_changes_the_sign_and_nothing_else(
    first: list[float], second: list[float]
) -> None:
    there, back = difference(first, second, prior=FIELD), difference(second, first, prior=FIELD)
    assert back.difference == -there.difference and back.guarded == there.guarded
    assert back.p == pytest.approx(there.p, abs=1e-12)
    low, high = there.interval_99
    assert back.interval_99 == pytest.approx((-high, -low))


@given(scores)
def test_against_itself_there_is_no_difference(values: list[float]) -> None:
    found = difference(values, values, prior=FIELD)
    assert found.difference == 0 and found.t == 0 and found.p == pytest.approx(1)
    low, high = found.interval_99
    assert low < 0 < high and low == pytest.approx(-high)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=9),
    st.lists(st.floats(-1, 1), min_size=2, max_size=9),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_more_spread_gives_an_interval_that_is_no_narrower(
    first: list[float], second: list[float], less: float, more: float
) -> None:
    """Below the guard, where one test answers: seeds of one recipe never make it surer."""
    small, large = sorted((less, more))

    def width(scale: float) -> float:
        # Deviations of values in [-1, 1] are at most 1.42; so no side reaches the guard.
        sides = [[1 + value * scale * FIELD.sd for value in side] for side in (first, second)]
        found = difference(*sides, prior=FIELD)
        assert not found.guarded
        return found.interval_99[1] - found.interval_99[0]

    assert GUARD > 1.42
    assert width(small) <= width(large) * (1 + 1e-9)


def _documents(draw_bits: list[tuple[float, float, int]]) -> tuple[NDArray[np.float64], ...]:
    bits = np.array([[a, b] for a, b, _ in draw_bits])
    return bits[:, 0], bits[:, 1]


costs = st.lists(
    st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(0, 5000)), min_size=1, max_size=60
).filter(lambda rows: any(size for _, _, size in rows))


@given(costs, st.integers(1, 12))
def test_parts_of_the_documents_make_up_the_whole(
    rows: list[tuple[float, float, int]], parts: int
) -> None:
    first, second = _documents(rows)
    sizes = np.array([size for _, _, size in rows], np.int64)
    weighed = sizes > 0
    whole = float((second - first)[weighed].sum() / sizes.sum())
    for groups in (
        along([first], [second], sizes, parts=parts),
        by_size([first], [second], sizes, parts=parts),
    ):
        assert 1 <= len(groups) <= parts
        assert sum(group.documents for group in groups) == weighed.sum()
        assert sum(group.text for group in groups) == pytest.approx(1)
        told = sum(group.difference * group.text for group in groups)
        assert told == pytest.approx(whole, abs=1e-6)
    assert where([first], [second], sizes).documents == weighed.sum()


def test_parts_are_in_their_order() -> None:
    sizes = np.array([50, 10, 40, 100], np.int64)
    first = np.zeros(4)
    second = np.array([5.0, 1.0, 0.0, 20.0])
    halves = along([first], [second], sizes, parts=2)
    assert [group.documents for group in halves] == [3, 1]
    assert [group.difference for group in halves] == pytest.approx([0.06, 0.2])
    lengths = by_size([first], [second], sizes, parts=2)
    assert [group.largest_bytes for group in lengths] == [40, 100]
    assert [group.difference for group in lengths] == pytest.approx([1 / 50, 25 / 150])
