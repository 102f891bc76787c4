"""The t-test agrees with the textbook."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.tests import one_sample


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(900_000, 1_300_000), min_size=2, max_size=8, unique=True),
    st.floats(0.9, 1.3),
)
def test_the_test_is_scipys(values: list[int], threshold: float) -> None:
    scores = [value / 1e6 for value in values]
    found = one_sample(scores, threshold=threshold)
    expected = stats.ttest_1samp(scores, popmean=threshold, alternative="less")
    assert found.t == pytest.approx(float(expected.statistic), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(float(expected.pvalue), rel=1e-6, abs=1e-12)
    interval = stats.ttest_1samp(scores, popmean=threshold).confidence_interval(0.99)
    assert found.interval_99 == pytest.approx((float(interval.low), float(interval.high)))


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, 5e-324], [1e-300] * 3])
def test_spreads_that_no_figure_holds_are_none(values: list[float]) -> None:
    assert one_sample(values, threshold=1.0).case == "zero variance"
