"""The comparison with the bar: its cases, its margin and the seeds that it needs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.comparison import compare as compare_figures
from harness.judge.tested import StatisticsResult

SP1024_TOKENS, TEXT_BYTES = 62_021_845, 151_080_891


def compare(
    values: list[float], *, bar: float | None = 1.2244, margin: float = 0.005
) -> StatisticsResult:
    return compare_figures(
        values,
        bar_bpb=bar,
        bar_source="test",
        margin_nats_per_token=None if bar is None else margin,
        p_below=None if bar is None else 0.01,
        targets=SP1024_TOKENS,
        text_bytes=TEXT_BYTES,
    )


def test_margin_is_per_token_and_converted_with_this_dataset() -> None:
    result = compare([1.0, 1.1])
    assert result.margin_bpb == pytest.approx(0.00296, abs=5e-6)
    assert result.bar_bpb is not None and result.margin_bpb is not None
    assert result.threshold_bpb == result.bar_bpb - result.margin_bpb


@given(st.lists(st.floats(0.1, 10), max_size=6))
def test_without_a_bar_there_is_a_mean_and_no_test(values: list[float]) -> None:
    result, with_bar = compare(values, bar=None), compare(values)
    assert (result.mean_bpb, result.sd_bpb) == (with_bar.mean_bpb, with_bar.sd_bpb)
    assert result.ci99_bpb == with_bar.ci99_bpb
    unset = (result.p, result.t, result.threshold_bpb, result.margin_bpb, result.p_below)
    assert unset == (None,) * 5
    assert not result.significant and result.seeds_for_power_90 is None


def test_known_example_by_hand() -> None:
    values = [1.2180, 1.2190, 1.2200]
    result = compare(values, bar=1.2225, margin=0.0)
    # mean 1.219, sd 0.001, t = -0.0035 / (0.001 / sqrt 3); for two degrees of freedom the
    # distribution function of t is (1 + t / sqrt(2 + t^2)) / 2.
    t = -0.0035 / (0.001 / math.sqrt(3))
    assert result.case == "tested"
    assert result.t == pytest.approx(t)
    assert result.p == pytest.approx((1 + t / math.sqrt(2 + t * t)) / 2)
    assert not result.significant
    low, high = result.ci99_bpb or (0, 0)
    assert (low + high) / 2 == pytest.approx(1.219)
    assert (high - low) / 2 == pytest.approx(9.92484 * 0.001 / math.sqrt(3), rel=1e-5)


@pytest.mark.parametrize(("n", "needed"), [(3, 4.02), (5, 1.68), (8, 1.06)])
def test_margin_in_standard_deviations_that_each_n_needs(n: int, needed: float) -> None:
    """The figures of the field for p < 0.01; just beyond passes, just short fails."""
    shape = [i - (n - 1) / 2 for i in range(n)]
    sd = math.sqrt(sum(x * x for x in shape) / (n - 1))
    for factor, significant in ((1.01, True), (0.98, False)):
        mean = 1.2 - needed * factor * 0.001
        values = [mean + 0.001 * x / sd for x in shape]
        assert compare(values, bar=1.2, margin=0.0).significant is significant


@pytest.mark.parametrize(
    ("values", "case"),
    [
        ([], "no seeds"),
        ([1.0], "one seed"),
        ([1.0, 1.0, 1.0], "zero variance"),
        ([1.0, math.nan, 1.0], "not finite"),
        ([1.0, math.inf], "not finite"),
        ([1.0, 1.1], "tested"),
    ],
)
def test_cases_are_explicit_and_never_exceptions(values: list[float], case: str) -> None:
    result = compare(values)
    assert result.case == case
    assert (result.p is not None) == (case == "tested")
    assert case == "tested" or not result.significant


@given(st.lists(st.floats(0.1, 10), max_size=6))
def test_significance_follows_from_p(values: list[float]) -> None:
    result = compare(values)
    assert result.significant == (result.p is not None and result.p < 0.01)
    assert result.p is None or 0 <= result.p <= 1
