"""Bounds of a mean gain: the study's own figures; honest models pass and cheats do not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.probe_bounds import (
    Sample,
    excess_variance,
    largest_hidden_gain,
    lower_bound,
    pooled,
    questions_needed,
    reach_of_halves,
    upper_bound,
)


@pytest.mark.parametrize(
    ("mean", "sd", "count", "dearest", "bound"),
    [
        (0, 0.02, 150_000, 18, 0.0007688133373),
        (0, 0.02, 180_000, 18, 0.0006512574945),
        (0.0001, 0.05, 90_000, 18, 0.001588968357),
        (0, 0.005, 6_000, 18, 0.01606122117),
    ],
)
def test_the_study_s_figures(
    mean: float, sd: float, count: int, dearest: float, bound: float
) -> None:
    found = upper_bound(Sample(count, mean, sd, 0), dearest=dearest)
    assert found == pytest.approx(bound, rel=1e-9)


@pytest.mark.parametrize(
    ("tolerance", "dearest", "sd", "about"),
    [(0.0005, 20, 0.02, 108_000), (0.001, 20, 0.02, 48_000), (0.0005, 8, 0.0236, 62_000)],
)
def test_so_many_questions_as_the_study_says(
    tolerance: float, dearest: float, sd: float, about: int
) -> None:
    found = questions_needed(tolerance=tolerance, sd=sd, dearest=dearest, runs=3)
    assert found == pytest.approx(about, rel=0.02)


def test_an_honest_model_passes_and_a_gain_of_the_tolerance_does_not() -> None:
    """Also one that is made at few targets, each of whole nats."""
    chance = np.random.default_rng(0)
    sd, tolerance, dearest = 0.005, 0.02, 20.0
    count = 3 * questions_needed(tolerance=tolerance, sd=sd, dearest=dearest, runs=3)

    def passes(gains: np.ndarray) -> bool:
        changes = gains + chance.normal(0, sd, count)
        sample = Sample(count, float(changes.mean()), float(changes.std()), 0)
        return upper_bound(sample, dearest=dearest) < tolerance

    assert sum(passes(np.zeros(count)) for _ in range(300)) >= 290
    for size in (tolerance, 1.0, dearest):
        share = tolerance / size
        cheats = (np.where(chance.random(count) < share, size, 0.0) for _ in range(300))
        assert sum(passes(gains) for gains in cheats) <= 8


@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=30), min_size=1, max_size=4),
)
def test_pooling_is_as_if_all_were_one_sample(parts: list[list[float]]) -> None:
    whole = np.concatenate([np.array(part) for part in parts])
    found = pooled([Sample(len(p), float(np.mean(p)), float(np.std(p)), 0) for p in parts])
    assert found.count == len(whole)
    assert found.mean == pytest.approx(whole.mean(), abs=1e-9)
    assert found.sd == pytest.approx(whole.std(), abs=1e-6)


def test_of_no_questions_nothing_is_known() -> None:
    nothing = pooled([])
    assert upper_bound(nothing, dearest=20) == math.inf
    assert lower_bound(nothing) == -math.inf


def test_thinking_longer_shows_in_the_variance_not_in_the_mean() -> None:
    chance = np.random.default_rng(1)

    def sample(sd: float, count: int) -> Sample:
        changes = chance.normal(0, sd, count)
        error = float(((changes - changes.mean()) ** 2).std() / math.sqrt(count))
        return Sample(count, float(changes.mean()), float(changes.std()), error)

    noise = sample(0.02, 20_000)
    assert excess_variance(sample(0.02, 100_000), noise) < 0.00005
    assert excess_variance(sample(0.03, 100_000), noise) > 0.00005


@given(st.floats(0.0001, 0.05), st.floats(0.001, 0.05), st.floats(1, 30), st.integers(1000, 10**6))
def test_what_may_be_hidden_is_less_than_the_tolerance(
    tolerance: float, sd: float, dearest: float, count: int
) -> None:
    hidden = largest_hidden_gain(tolerance=tolerance, sd=sd, dearest=dearest, count=count)
    assert 0 <= hidden <= tolerance


def test_two_halves_find_as_much_as_twice_the_one_that_finds_less() -> None:
    assert reach_of_halves(uniform=100, by_gap=100, population=10**9) == pytest.approx(200)
    assert reach_of_halves(uniform=100, by_gap=40, population=10**9) == pytest.approx(80)
    assert reach_of_halves(uniform=50, by_gap=50, population=100) == 100
    assert math.isinf(reach_of_halves(uniform=100, by_gap=1, population=100))


@given(st.floats(0, 0.4), st.floats(0, 0.4), st.integers(1, 400), st.integers(1, 400))
def test_what_two_halves_miss_is_missed_by_no_more_than_they_reach(
    share: float, of_gaps: float, uniform: int, by_gap: int
) -> None:
    """Targets of some share of all and of the gaps, among very many."""
    missed = (1 - share) ** uniform * (1 - of_gaps) ** by_gap
    reached = reach_of_halves(uniform=uniform, by_gap=by_gap, population=10**12)
    assert missed <= math.exp(-reached * (share + of_gaps) / 2) * (1 + 1e-6)
