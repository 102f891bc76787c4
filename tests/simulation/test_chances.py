"""Many at once are decided as each one is; chances are those of the study and of plain formulas."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import InfrastructureError, UsageError
from harness.simulation import chances as counting
from harness.simulation.batches import DecidedRows, decide_rows
from harness.simulation.chances import chances
from harness.simulation.procedure import Decided, Procedure, decide
from harness.simulation.worlds import HOST_SHARE, World
from harness.statistics.power import power_of
from tests.simulation.rules import MARGIN, OFFICIAL, PLAIN, SD, WELCH, procedure

NO_TEST = {"seeds": 3}
RULES: dict[str, dict[str, Any]] = {
    "official": OFFICIAL,
    "without confirmation": {**OFFICIAL, "confirmation": None},
    "moderated, three seeds": {**OFFICIAL, "looks": None, "seeds": 3},
    "plain": PLAIN,
    "plain, confirmed": {**PLAIN, "confirmation": 2},
    "welch": WELCH,
}


@pytest.mark.parametrize("name", RULES)
@given(seed=st.integers(0, 1 << 30), spread=st.sampled_from([0.0, 1e-9, 0.3, 1.0, 2.5, 20.0]))
@settings(max_examples=25, deadline=None)
def test_many_at_once_are_decided_as_each_one(name: str, seed: int, spread: float) -> None:
    asked = procedure(RULES[name])
    drawn = np.random.default_rng(seed)
    count, runs = 12, asked.most_runs + asked.confirmation
    middles = drawn.uniform(-6, 3, (count, 1)) * SD
    scores = middles + spread * SD * drawn.standard_normal((count, runs))
    record = MARGIN + SD * drawn.standard_normal((count, asked.record_runs))
    found = decide_rows(asked, scores, record=record)
    for row in range(count):
        expected = decide(asked, scores[row].tolist(), record=record[row].tolist())
        accepted, confirmed, ended = (column[row] for column in found)
        assert Decided(bool(accepted), bool(confirmed), int(ended)) == expected


def test_three_plain_seeds_have_the_power_of_the_noncentral_t() -> None:
    found = chances(procedure(PLAIN), World(gain=1.5 * MARGIN, sd=SD), entries=50_000)
    expected = power_of(3, 0.5 * MARGIN / SD, p_below=0.01)
    assert found.share == pytest.approx(expected, abs=5 * found.error)
    assert found.accepted == found.records
    assert found.mean_runs == 3


@pytest.mark.parametrize(
    ("rules", "world", "percent"),
    [
        # Source: the study of the moderated test; its figures have two digits.
        ({"looks": None, "seeds": 3}, World(MARGIN, SD), 0.06),
        ({"looks": None, "seeds": 3}, World(MARGIN, SD, degrees=4), 0.69),
        ({"looks": None, "seeds": 3}, World(MARGIN, SD, degrees=4, host_sd=0.43 * SD), 1.14),
        ({"looks": None, "seeds": 3}, World(MARGIN, 3.6 * SD), 4.2),
        ({}, World(1.5 * MARGIN, SD, degrees=4), 89),
    ],
)
def test_accepted_as_in_the_study(rules: dict[str, Any], world: World, percent: float) -> None:
    asked = procedure(OFFICIAL, **rules, confirmation=None)
    found = chances(asked, world, entries=40_000)
    error = 100 * found.error
    assert 100 * found.share == pytest.approx(percent, abs=4 * error + 0.006 * percent)


def test_a_confirmation_costs_runs_and_halves_what_passes_by_luck() -> None:
    world = World(MARGIN, 3 * SD, host_sd=HOST_SHARE * SD)
    without = chances(procedure(confirmation=None), world, entries=40_000)
    found = chances(procedure(), world, entries=40_000)
    assert found.accepted == without.accepted == without.records
    assert found.records < without.records / 2
    assert found.runs == without.runs + 3 * without.accepted


def test_the_same_host_confirms_its_own_luck() -> None:
    here, there = (
        chances(
            procedure(),
            World(MARGIN, SD, host_sd=HOST_SHARE * SD, other_host=other),
            entries=40_000,
        )
        for other in (False, True)
    )
    assert here.share > there.share + 3 * here.error


@pytest.mark.parametrize("tried", [1, 10, 100])
def test_the_best_of_private_seeds_is_as_good_as_the_lowest_of_so_many(tried: int) -> None:
    asked = procedure(looks=None, seeds=3, confirmation=None)
    world = World(MARGIN, SD, fixed_share=1.0, inner_seeds=tried)
    found = chances(asked, world, entries=40_000)
    # Runs that are all the same are tested with the field's deviation: 1.814 of it are needed.
    each = stats.norm.cdf(-1.814420)
    assert found.share == pytest.approx(1 - (1 - each) ** tried, abs=5 * found.error)


def test_what_is_imposed_anew_is_left_of_the_variance() -> None:
    world = World(0.0, SD, fixed_share=0.39, inner_seeds=1)
    drawn = np.random.default_rng(0)
    scores = world.scores(40_000, runs=3, further=2, margin=0.0, drawn=drawn)
    assert scores.shape == (40_000, 5)
    assert scores.var(axis=0) == pytest.approx(SD**2, rel=0.03)
    assert scores.var(axis=1, ddof=1).mean() == pytest.approx(0.61 * SD**2, rel=0.03)


def test_levels_of_all_tries_stay_below_the_level() -> None:
    levels = [procedure(PLAIN).at_try(number) for number in range(1, 200)]
    assert sum(each.p_below for each in levels) < 0.01
    assert levels[4].looks[0].accept_below == pytest.approx(0.000243171, abs=5e-10)


def test_a_track_without_a_test_has_no_chances() -> None:
    with pytest.raises(UsageError, match="no bar to beat"):
        procedure(NO_TEST)


def test_the_same_luck_for_the_same_seed_however_many() -> None:
    asked, world = procedure(), World(1.2 * MARGIN, SD, degrees=4)
    assert chances(asked, world, entries=500) == chances(asked, world, entries=500)
    assert chances(asked, world, entries=500) != chances(asked, world, entries=500, seed=1)
    many = chances(asked, world, entries=60_000)  # more than one batch
    assert many.entries == 60_000
    assert math.isclose(many.mean_runs, many.runs / 60_000)


def test_it_stops_where_it_decides_otherwise_than_the_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(procedure: Procedure, scores: Any, *, record: Any) -> DecidedRows:
        found = decide_rows(procedure, scores, record=record)
        return found._replace(record=~found.record)

    monkeypatch.setattr(counting, "decide_rows", wrong)
    with pytest.raises(InfrastructureError, match="the functions that judge"):
        chances(procedure(), World(MARGIN, SD), entries=100)


def test_settings_become_looks_relative_to_the_line() -> None:
    asked = procedure()
    assert [look.hopeless_above for look in asked.looks] == pytest.approx(
        [3 * SD, 1.5 * SD, 0.5 * SD, 0.0, None]
    )
    assert asked.prior is not None and asked.prior.degrees == 4
