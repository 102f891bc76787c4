"""Capacity of a noisy channel and its bounds: exact where it can be, and never on the safe side."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.contest.track import load_track
from harness.statistics.channels import (
    binary_entropy,
    bits_allowed,
    bits_for_known,
    bits_worth,
    capacity,
    capacity_bounds,
    error_bounds,
    residual_nats_per_token,
    tries_in,
)

RATES = st.floats(0, 1)
DOUBTS = st.floats(1e-6, 0.5)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    bits = draw(st.integers(1, 5000))
    return draw(st.integers(0, bits)), bits


class TestCapacity:
    def test_known_values(self) -> None:
        assert capacity(0.5) == 0
        assert capacity(0) == capacity(1) == 1
        assert binary_entropy(0.11) == pytest.approx(0.4999, abs=1e-4)
        assert capacity(0.25) == pytest.approx(0.188722, abs=1e-6)

    @given(RATES)
    def test_who_is_always_wrong_knows_as_much(self, rate: float) -> None:
        assert capacity(rate) == pytest.approx(capacity(1 - rate), abs=1e-9)
        assert 0 <= capacity(rate) <= 1

    @given(RATES, RATES)
    def test_it_falls_towards_one_half(self, one: float, other: float) -> None:
        near, far = sorted((one, other), key=lambda rate: abs(rate - 0.5))
        assert capacity(near) <= capacity(far) + 1e-9

    @pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
    def test_what_is_no_probability(self, rate: float) -> None:
        with pytest.raises(ValueError, match="not a probability"):
            binary_entropy(rate)


class TestBounds:
    @pytest.mark.parametrize("bits", [1, 7, 40])
    @pytest.mark.parametrize("doubt", [0.2, 0.01])
    def test_they_miss_no_rate_more_often_than_they_say(self, bits: int, doubt: float) -> None:
        bounds = [error_bounds(errors, bits, doubt=doubt) for errors in range(bits + 1)]
        for rate in [place / 50 for place in range(51)]:
            missed = sum(
                stats.binom.pmf(errors, bits, rate)
                for errors, (low, high) in enumerate(bounds)
                if not low - 1e-12 <= rate <= high + 1e-12
            )
            assert missed <= doubt + 1e-12, rate

    @given(counts(), DOUBTS)
    def test_they_hold_what_was_seen(self, seen: tuple[int, int], doubt: float) -> None:
        errors, bits = seen
        rate, found = error_bounds(*seen, doubt=doubt), capacity_bounds(*seen, doubt=doubt)
        assert 0 <= rate.low <= errors / bits <= rate.high <= 1
        assert 0 <= found.low <= capacity(errors / bits) + 1e-9
        assert capacity(errors / bits) <= found.high + 1e-9 <= 1 + 1e-9

    @given(counts(), DOUBTS)
    def test_more_of_the_same_says_more(self, seen: tuple[int, int], doubt: float) -> None:
        once = capacity_bounds(*seen, doubt=doubt)
        often = capacity_bounds(seen[0] * 4, seen[1] * 4, doubt=doubt)
        assert once.low <= often.low + 1e-9
        assert often.high <= once.high + 1e-9

    def test_nothing_tried_says_nothing(self) -> None:
        assert capacity_bounds(0, 0, doubt=0.01) == (0, 1)

    @pytest.mark.parametrize("bits", [10_000, 1_000_000])
    def test_what_is_not_seen_is_bounded_by_the_bits_tried_alone(self, bits: int) -> None:
        z = stats.norm.ppf(1 - 0.01 / 2)
        high = capacity_bounds(bits // 2, bits, doubt=0.01).high
        assert high * bits == pytest.approx(z**2 / (2 * math.log(2)), rel=0.03)

    @pytest.mark.parametrize(("errors", "bits", "doubt"), [(2, 1, 0.1), (-1, 1, 0.1), (0, 1, 0)])
    def test_nonsense_is_refused(self, errors: int, bits: int, doubt: float) -> None:
        with pytest.raises(ValueError):
            error_bounds(errors, bits, doubt=doubt)


class TestAPhase:
    def test_it_tries_as_long_as_it_runs(self) -> None:
        assert tries_in(600, tried=1000, took_seconds=2, holds=None) == 300_000
        assert tries_in(600, tried=1000, took_seconds=2, holds=64) == 64

    def test_what_was_tried_can_be_tried(self) -> None:
        assert tries_in(1, tried=1000, took_seconds=50, holds=None) == 1000


class TestMark:
    def test_a_tenth_of_the_official_margin(self) -> None:
        track = load_track("10min_16mb")
        assert track.significance.margin_nats_per_token is not None
        assert track.dataset.validation_tokens is not None
        margin = track.significance.margin_nats_per_token
        targets = track.dataset.validation_tokens - 1
        assert targets == 62_021_845
        assert round(bits_allowed(margin, targets=targets)) == 44_739
        assert bits_for_known(margin, targets=targets) * 2 == bits_allowed(margin, targets=targets)

    @given(st.floats(1e-9, 10), st.integers(1, 10**9))
    def test_bits_and_nats_are_two_names_of_one_thing(self, nats: float, targets: int) -> None:
        bits = bits_worth(nats, targets=targets)
        assert residual_nats_per_token(bits, targets=targets) == pytest.approx(nats)

    def test_nonsense_is_refused(self) -> None:
        with pytest.raises(ValueError):
            residual_nats_per_token(-1, targets=10)
