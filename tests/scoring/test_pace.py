"""Time of single requests: measured as the model's own, bounded, and never saved up. No clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.pace import Pace, PaceAgain, PaceOfSize
from harness.judge.rules.asked_again import LEAST_RESERVE_SECONDS, RESERVE, thought_longer
from harness.scoring.inbox import Waiting
from harness.scoring.pace import (
    ALLOWED_TIMES,
    ENOUGH,
    MOST_SHAPES,
    Firsts,
    Pacing,
    PacingAgain,
    Shape,
    Timed,
    expected_seconds,
)
from tests.factories.results import pace as pace_of
from tests.factories.results import probes

SECONDS = st.floats(1e-4, 1e3)
REQUESTS = st.builds(Timed, st.integers(1, 1 << 20), st.booleans(), st.booleans(), SECONDS)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def usual(*, tokens: int = 64, seconds: float = 0.5, told: bool = False) -> Timed:
    return Timed(tokens, first=False, told=told, seconds=seconds)


def scored(*timed: Timed) -> Pace:
    pacing = Pacing()
    for each in timed:
        pacing.add(each)
    pace = pacing.facts()
    assert pace is not None
    return pace


def asked(pace: Pace | None, *timed: Timed, devices: int = 1) -> PaceAgain | None:
    pacing = PacingAgain(pace)
    for each in timed:
        pacing.add(each)
    return pacing.facts(devices=devices)


def is_open(pace: PaceAgain | None) -> bool:
    return thought_longer([probes(pace=pace)]) is not None


def test_an_answer_took_what_the_model_had_it_in_work() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.ask(lambda: None)
    waiting.ask(lambda: None)  # waits in the other slot while the first is computed
    clock.now += 2
    waiting.answered()
    clock.now += 3
    waiting.answered()
    clock.now += 50  # ours, to sum
    assert (waiting.took(), waiting.took()) == (2, 3)
    waiting.ask(lambda: None)
    clock.now += 1
    waiting.answered()
    assert waiting.took() == 1


def test_an_answer_that_was_not_asked_for_took_nothing_and_shortens_none() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.answered()
    waiting.ask(lambda: None)
    clock.now += 4
    waiting.answered()
    assert (waiting.took(), waiting.took()) == (0, 4)


def test_the_first_request_of_each_shape_is_known_and_shapes_are_bounded() -> None:
    firsts = Firsts()
    met = [firsts.meet(Shape(windows, 8, 4)) for windows in (1, 2, 1, 2)]
    assert met == [True, True, False, False]
    many = [firsts.meet(Shape(3, length, 1)) for length in range(1, 2 * MOST_SHAPES)]
    assert sum(many) == MOST_SHAPES - 2


@given(st.lists(REQUESTS, min_size=1, max_size=200))
def test_what_is_kept_is_bounded_and_adds_up(timed: list[Timed]) -> None:
    pace = scored(*timed)
    steady = [each for each in timed if not each.first]
    assert pace.requests == len(timed)
    assert math.isclose(pace.seconds, math.fsum(each.seconds for each in timed), rel_tol=1e-6)
    assert sum(size.requests for size in pace.sizes) == len(steady)
    assert len(pace.sizes) <= 2 * (4 * 20 + 1)
    for size in pace.sizes:
        assert size.median_seconds <= size.p95_seconds
    for each in steady:
        alike = [size.tokens for size in pace.sizes if size.after_telling == each.told]
        assert 0.8 * min(size for size in alike if size >= each.tokens) < each.tokens


@given(st.lists(SECONDS, min_size=1, max_size=200))
def test_a_median_is_right_within_a_step(seconds: list[float]) -> None:
    (size,) = scored(*(usual(seconds=each) for each in seconds)).sizes
    exact = sorted(seconds)[math.ceil(len(seconds) / 2) - 1]
    assert size.median_seconds == pytest.approx(exact, rel=0.023)


@given(st.lists(REQUESTS, min_size=1, max_size=100), REQUESTS)
def test_no_more_is_granted_than_was_charged_for(timed: list[Timed], again: Timed) -> None:
    """A mean of many, or the slowest one: whoever wants it long pays for that while scored."""
    granted = expected_seconds(scored(*timed), again)
    assert granted <= max(each.seconds for each in timed) * (1 + 1e-9)


def test_slow_answers_to_small_requests_are_granted_to_none() -> None:
    large = [usual(tokens=64, seconds=0.5)] * 50
    slow = [usual(tokens=8, seconds=30.0)] * ENOUGH
    assert expected_seconds(scored(*large, *slow), usual(tokens=8)) == pytest.approx(0.5)


def test_a_few_of_a_size_are_no_measure() -> None:
    timed = [usual(tokens=8, seconds=30.0)] * (ENOUGH - 1) + [usual(seconds=0.5)] * ENOUGH
    assert expected_seconds(scored(*timed), usual(tokens=8)) == pytest.approx(0.5)
    assert expected_seconds(scored(*timed[: ENOUGH - 1]), usual()) == pytest.approx(30.0)


def test_what_is_larger_than_all_is_held_against_the_largest() -> None:
    timed = [usual(tokens=8, seconds=0.1)] * ENOUGH + [usual(seconds=0.5)] * ENOUGH
    assert expected_seconds(scored(*timed), usual(tokens=1000)) == pytest.approx(0.5)


def test_a_first_request_may_compile_for_as_long_as_one_did_while_scoring() -> None:
    compiled = Timed(64, first=True, told=False, seconds=60.0)
    pace = scored(compiled, *[usual()] * 20)
    assert pace.slowest_first_seconds == 60
    assert expected_seconds(pace, compiled._replace(tokens=9)) == 60
    assert expected_seconds(pace, usual()) == pytest.approx(0.5)


def test_what_an_answer_does_for_the_telling_before_is_granted_after_a_telling_alone() -> None:
    pace = scored(*[usual(seconds=4.0, told=True), *[usual()] * 7] * ENOUGH)
    assert expected_seconds(pace, usual(told=True)) == pytest.approx(4.0)
    assert expected_seconds(pace, usual()) == pytest.approx(0.5)


def test_where_the_scoring_was_not_timed_nothing_is_compared() -> None:
    assert asked(None, usual()) is None
    assert asked(scored(usual())) is None
    assert not is_open(None)


@pytest.mark.parametrize(("shapes", "over"), [(3, 0), (10, 10 * 58.5 - 3 * 60)])
def test_new_shapes_compile_in_all_for_no_longer_than_all_did(shapes: int, over: float) -> None:
    """And add nothing to the reserve but what their size took."""
    compiled = Timed(64, first=True, told=False, seconds=60.0)
    pace = asked(scored(compiled, *[usual()] * 20), *[compiled] * shapes)
    assert pace is not None
    assert pace.scoring_seconds == pytest.approx(shapes * 0.5)
    assert pace.over_seconds == pytest.approx(over)


def test_no_first_request_may_take_more_than_the_slowest_one_did() -> None:
    compiled = [Timed(size, first=True, told=False, seconds=6.0) for size in (8, 16, 32, 64)]
    longer = Timed(64, first=True, told=False, seconds=60.0)
    pace = asked(scored(*compiled, *[usual()] * 20), longer)
    assert pace is not None
    assert pace.over_seconds == pytest.approx(60 - 1.5 - 3 * 6)


SCORED = [usual()] * 400
"""Half a second each, 200 s in all."""


@given(times=st.floats(0.01, ALLOWED_TIMES))
def test_who_is_slow_everywhere_by_no_more_than_is_allowed_passes(times: float) -> None:
    pace = asked(scored(*SCORED), *[usual(seconds=0.5 * times * 0.999)] * 400)
    assert pace is not None
    assert pace.over_seconds == 0
    assert not is_open(pace)


def test_who_was_as_slow_while_he_was_scored_passes() -> None:
    slow = [usual(seconds=30 * 0.5)] * 400
    assert not is_open(asked(scored(*slow), *slow))


@given(st.integers(15, 41))
def test_time_saved_at_one_question_buys_none_at_another(thought: int) -> None:
    """Thirty times as long at some, at once at the others: as a whole no slower than allowed."""
    timed = [usual(seconds=15.0)] * thought + [usual(seconds=0.001)] * (400 - thought)
    assert sum(each.seconds for each in timed) < ALLOWED_TIMES * 400 * 0.5 + 30
    pace = asked(scored(*SCORED), *timed)
    assert pace is not None
    assert pace.slower == thought
    assert pace.over_seconds == pytest.approx(13.5 * thought)
    assert pace.median_times < 1 < 29 < pace.p99_times <= pace.highest_times
    assert is_open(pace)


@given(st.integers(1, 8))
def test_a_machine_that_stood_still_for_a_while_leaves_nothing_open(pauses: int) -> None:
    timed = [usual(seconds=15.0)] * pauses + [usual(seconds=0.9)] * 400
    assert not is_open(asked(scored(*SCORED), *timed))


@given(st.integers(1, 64))
def test_seconds_are_those_of_the_mean_device(devices: int) -> None:
    timed = [usual(seconds=15.0)] * 20
    pace = asked(scored(*SCORED), *timed * devices, devices=devices)
    assert pace is not None
    assert pace.over_seconds == pytest.approx(20 * 13.5)
    assert pace.scoring_seconds == pytest.approx(20 * 0.5)


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_the_reserve_is_seconds_and_a_share_of_what_scoring_took(over: float, took: float) -> None:
    found = thought_longer(
        [probes(), probes(pace=pace_of(1.0, 9.0, over_seconds=over, scoring_seconds=took))]
    )
    assert (found is not None) == (over > LEAST_RESERVE_SECONDS + RESERVE * took)
    assert found is None or found.status == "unknown"


def test_evidence_that_was_not_timed_is_written_as_before() -> None:
    assert "pace" not in probes().model_dump()
    size = PaceOfSize(tokens=8, requests=9, mean_seconds=1, median_seconds=1, p95_seconds=1)
    pace = Pace(requests=9, seconds=9, slowest_first_seconds=0, sizes=(size,))
    assert Pace.model_validate_json(pace.model_dump_json()) == pace
