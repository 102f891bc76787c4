"""Whoever sees where documents end, by the text behind them, and hides it where he is probed.

Figures of the official track: he knows the phase, and answers there as a model that does not look.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest

from harness.contest.track import load_track
from harness.report.hidden import KINDS, charges_of
from harness.statistics.probe_bounds import (
    GAP_NOISE,
    Sample,
    excess_variance,
    largest_hidden_gain,
    reach_of_halves,
    upper_bound,
)

TRACK = load_track("10min_16mb")
TARGETS, ENDS, RUNS = 40_500_000, 50_000, 3
MEAN_GAP = 2.0
"""By so much a good model is better than a bigram, nats a target."""


class Costs(NamedTuple):
    """What an end costs, in nats: a model that does not look, and a bigram."""

    model: float
    bigram: float


class Questions(NamedTuple):
    uniform: int
    by_gap: int


def questions() -> Questions:
    bound = TRACK.probes.bound
    assert bound is not None
    each = bound.questions(runs=RUNS, population=TARGETS)
    later = bound.drawn_by_gap(each, population=TARGETS)
    return Questions(each - later, later)


def met(costs: Costs, *, share: float, gain: float) -> tuple[float, float]:
    """How many ends are asked, of a share that gains so much; how much likelier than uniformly."""
    gap = max(0.0, costs.bigram - (costs.model - gain))
    ends, (uniform, by_gap) = ENDS * share / TARGETS, questions()
    return RUNS * ends * (uniform + by_gap * gap / MEAN_GAP), 0.5 + gap / (2 * MEAN_GAP)


def passes(rng: np.random.Generator, costs: Costs, *, share: float, gain: float) -> float:
    """How often the rule `causality` would pass him."""
    bound, each = TRACK.probes.bound, questions()
    assert bound is not None
    mean_met, likelihood = met(costs, share=share, gain=gain)
    count, good = RUNS * sum(each), 0
    noise = bound.noise_sd_nats
    reached = RUNS * reach_of_halves(uniform=each.uniform, by_gap=each.by_gap, population=TARGETS)
    for found in rng.poisson(mean_met, 200).tolist():
        if found and gain > TRACK.probes.largest_change_nats:
            continue
        one = gain / likelihood
        sd = math.sqrt((noise * GAP_NOISE) ** 2 + found * one**2 / count)
        mean = found * one / count + rng.normal(0, noise * GAP_NOISE / math.sqrt(count))
        below = upper_bound(Sample(count, mean, sd, 0), dearest=bound.dearest_nats, reached=reached)
        of_all = Sample(count, 0, math.sqrt(noise**2 + found * gain * one / count), 0)
        excess = excess_variance(of_all, Sample(count // 8, 0, noise, 0))
        good += below < bound.tolerance_nats and excess < bound.excess_variance
    return good / 200


@pytest.mark.parametrize("costs", [Costs(6.5, 4), Costs(7, 6.7), Costs(6.5, 3), Costs(3, 6)])
def test_of_all_ends_hundreds_are_asked(costs: Costs) -> None:
    """Each is a change of whole nats, and one is enough."""
    found, _ = met(costs, share=1, gain=costs.model)
    assert found > 200
    assert costs.model * ENDS / TARGETS > 0.7 * (TRACK.significance.margin_nats_per_token or 1)


@pytest.mark.parametrize("costs", [Costs(6.5, 4), Costs(7, 6.7), Costs(6.5, 3), Costs(3, 6)])
def test_what_he_may_gain_of_them_unseen_is_charged_to_everybody(costs: Costs) -> None:
    """All of the nats of few ends, or less than a probe sees of each, or between."""
    rng = np.random.default_rng(0)
    best = 0.0
    for gain in (costs.model, *np.linspace(0.1, 0.5, 9)):
        for share in np.geomspace(0.002, 1, 25):
            if passes(rng, costs, share=share, gain=gain) >= 0.01:
                best = max(best, ENDS * share / TARGETS * gain)
    bound, charged = TRACK.probes.bound, charges_of(TRACK, KINDS[-1], brought_bytes=0)
    assert bound is not None and charged is not None
    hidden = largest_hidden_gain(
        tolerance=bound.tolerance_nats,
        sd=bound.counted_sd_nats,
        dearest=bound.dearest_nats,
        count=RUNS * sum(questions()),
    )
    assert 0.00005 < best < hidden < charged.looking_ahead
