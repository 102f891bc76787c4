"""Seeds that nobody chose, and a t-test that agrees with the textbook."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.draws import draw_seeds
from harness.judge.comparison import compare_with_bar
from harness.judge.verdict import StatisticsResult
from harness.statistics.power import seeds_for_power
from harness.statistics.units import bpb_to_nats_per_token, nats_per_token_to_bpb

SP1024_TOKENS, TEXT_BYTES = 62_021_845, 151_080_891


def compare(values: list[float], *, bar: float = 1.2244, margin: float = 0.005) -> StatisticsResult:
    return compare_with_bar(
        values,
        bar_bpb=bar,
        bar_source="test",
        margin_nats_per_token=margin,
        p_below=0.01,
        targets=SP1024_TOKENS,
        text_bytes=TEXT_BYTES,
    )


@given(st.text(), st.text(), st.text(), st.integers(0, 50))
def test_seeds_are_distinct_reproducible_and_in_range(a: str, b: str, nonce: str, n: int) -> None:
    seeds = draw_seeds(submission_digest=a, track_digest=b, nonce=nonce, count=n)
    assert seeds == draw_seeds(submission_digest=a, track_digest=b, nonce=nonce, count=n)
    assert len(set(seeds)) == n
    assert all(0 <= seed < 1 << 31 for seed in seeds)
    more = draw_seeds(submission_digest=a, track_digest=b, nonce=nonce, count=n + 2)
    assert more[:n] == seeds


def test_seeds_depend_on_every_ingredient() -> None:
    base = {"submission_digest": "s", "track_digest": "t", "nonce": "n"}
    first = draw_seeds(**base, count=3)
    for key in ("submission_digest", "track_digest", "nonce"):
        assert draw_seeds(**{**base, key: "other"}, count=3) != first


def test_margin_is_per_token_and_converted_with_this_dataset() -> None:
    result = compare([1.0, 1.1])
    assert result.margin_bpb == pytest.approx(0.00296, abs=5e-6)
    assert result.threshold_bpb == result.bar_bpb - result.margin_bpb


@given(st.floats(1e-6, 1e3), st.integers(1, 10**9), st.integers(1, 10**9))
def test_units_convert_back_and_forth(value: float, tokens: int, text_bytes: int) -> None:
    there = nats_per_token_to_bpb(value, tokens=tokens, text_bytes=text_bytes)
    back = bpb_to_nats_per_token(there, tokens=tokens, text_bytes=text_bytes)
    assert back == pytest.approx(value)


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


@pytest.mark.parametrize("effect", [0.3, 1.0, 2.0, 5.0, 50.0, 5000.0])
def test_power_agrees_with_simulation(effect: float) -> None:
    import numpy as np
    from scipy import stats

    n = seeds_for_power(distance=effect, sd=1.0, p_below=0.01, power=0.9)
    assert n is not None and n >= 2
    rng = np.random.default_rng(0)

    def simulated(size: int) -> float:
        samples = rng.standard_normal((20_000, size)) - effect
        return float(
            (stats.ttest_1samp(samples, 0, axis=1, alternative="less").pvalue < 0.01).mean()
        )

    assert simulated(n) > 0.88
    if n > 2:
        assert simulated(n - 1) < 0.92


def test_power_is_undefined_above_the_threshold() -> None:
    assert seeds_for_power(distance=-1, sd=1, p_below=0.01, power=0.9) is None
    assert seeds_for_power(distance=1e-9, sd=1, p_below=0.01, power=0.9) is None
