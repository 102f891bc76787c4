"""The number of seeds that a test needs, against simulation and against counting up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.power import MOST_SEEDS_FOR_POWER, power_of, seeds_for_power


@pytest.mark.parametrize("effect", [0.3, 1.0, 2.0, 5.0, 50.0, 5000.0])
def test_power_agrees_with_simulation(effect: float) -> None:
    import numpy as np

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


@settings(deadline=None, max_examples=60)
@given(
    st.floats(-1.2, 3.5).map(lambda power: 10**power),
    st.floats(-4, -0.5).map(lambda power: 10**power),
    st.sampled_from([0.5, 0.8, 0.9, 0.99]),
)
def test_fewest_seeds_are_those_that_counting_up_finds(
    effect: float, p_below: float, power: float
) -> None:
    found = seeds_for_power(distance=effect, sd=1.0, p_below=p_below, power=power)
    if found is None:
        assert power_of(MOST_SEEDS_FOR_POWER, effect, p_below=p_below) < power
        return
    assert power_of(found, effect, p_below=p_below) >= power
    fewer = range(2, found)
    assert not any(power_of(n, effect, p_below=p_below) >= power for n in fewer)
