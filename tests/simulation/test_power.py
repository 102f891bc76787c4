"""What rules will do to entries of a known gain, before any is run."""

import pytest

from harness.contest.significance import Significance
from harness.errors import UsageError
from harness.simulation.power import MULTIPLES, PowerReport, Size, power_report
from harness.statistics.power import power_of
from tests.factories.plans import strict_track
from tests.simulation.rules import MARGIN, PLAIN, SD, WELCH, official_track

FIELD = Size(targets=62_021_845, text_bytes=151_080_891, source="the field's text")
ENTRIES = 2_000


@pytest.fixture(scope="module")
def official() -> PowerReport:
    return power_report(official_track(), FIELD, entries=ENTRIES)


def test_a_margin_is_converted_with_the_tracks_own_text(official: PowerReport) -> None:
    assert official.margin_bpb == pytest.approx(MARGIN, abs=1e-9)
    assert [each.gain_nats for each in official.gains] == [0, 0.0025, 0.005, 0.0075, 0.01]


def test_chances_grow_with_the_gain_and_reach_the_goal(official: PowerReport) -> None:
    shares = [each.record for each in official.gains]
    assert shares == sorted(shares)
    assert shares[0] == 0 and shares[3] > 0.8 - 4 * official.gains[3].error and shares[4] > 0.9
    curve = [share for _, share in official.curve]
    assert curve[0] == 0 and curve[-1] > 0.95
    assert all(each.record <= each.accepted for each in official.gains)


def test_hours_are_those_of_all_accelerators_at_the_whole_budget(official: PowerReport) -> None:
    assert official.hours_a_run == pytest.approx(8 * 1200 / 3600)
    for each in official.gains:
        assert each.hours == pytest.approx(each.mean_runs * 8 / 3)
    # Hopeless entries cost little more than one run, doubtful ones the most.
    runs = [each.mean_runs for each in official.gains]
    assert runs[0] < 1.3 and max(runs) == runs[3]


def test_errors_are_told_for_the_field_and_for_each_deviation(official: PowerReport) -> None:
    assert [each.multiple for each in official.deviations] == [None, *MULTIPLES]
    for each in official.deviations:
        assert each.without_gain <= each.half_margin + each.error
        assert each.whole_margin < 0.03


def test_a_named_deviation_is_the_one_of_every_entry() -> None:
    found = power_report(
        official_track(**{**PLAIN, "test": None, "looks": None, "confirmation": None}),
        FIELD,
        gains=(0.0075,),
        sd_bpb=2 * SD,
        entries=20_000,
    )
    assert not found.sd_drawn and found.confirmation == 0
    (row,) = found.gains
    # Hosts add their own; without them the power is that of the noncentral t.
    expected = power_of(3, 0.5 * MARGIN / (2 * SD), p_below=0.01)
    assert row.record == pytest.approx(expected, abs=5 * row.error)
    assert row.mean_runs == 3


def test_welch_is_simulated_with_a_record_that_was_lucky_too() -> None:
    track = strict_track(significance=Significance.model_validate(WELCH))
    found = power_report(track, FIELD, sd_bpb=SD, entries=ENTRIES)
    assert found.test == "Welch's t-test against 5 runs of the record"
    assert found.host_sd_bpb == 0
    shares = [each.record for each in found.gains]
    assert shares[0] == 0 and shares[2] < 0.02 and shares[4] > 0.9


def test_where_nothing_is_known_or_tested_a_sentence_says_so() -> None:
    with pytest.raises(UsageError, match="--sd"):
        power_report(strict_track(), FIELD)
    without = strict_track(bar=None, significance=Significance(seeds=3))
    with pytest.raises(UsageError, match="no bar to beat"):
        power_report(without, FIELD, sd_bpb=SD)


def test_a_later_try_is_tested_at_what_is_left_of_the_level() -> None:
    track = official_track(spending=True)
    first, fifth = (
        power_report(track, FIELD, gains=(0.0075,), number=number, entries=ENTRIES)
        for number in (1, 5)
    )
    assert fifth.p_below == pytest.approx(0.000243171, abs=5e-10)
    assert fifth.gains[0].record < first.gains[0].record
    with pytest.raises(UsageError, match="--try"):
        power_report(official_track(), FIELD, number=2)
