"""Every target once, whatever the stream, the sequence length and the stride."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.schedules.asking import Ask, Observe, Turn
from harness.scoring.schedules.corpus import WindowPlan
from harness.scoring.schedules.plan import Room


@st.composite
def plans(draw: st.DrawFn) -> WindowPlan:
    length = draw(st.integers(1, 60))
    return WindowPlan(
        tokens=draw(st.integers(2, 400)),
        sequence_length=length,
        stride=draw(st.integers(1, length)),
        segment=draw(st.none() | st.integers(1, 80)),
    )


def room_for(plan: WindowPlan, at_once: int) -> Room:
    """Room for so many windows in a ask."""
    return Room(tokens=at_once * plan.length, vocabulary_size=1)


def turns_of(plan: WindowPlan, at_once: int, lanes: int = 1) -> list[Turn]:
    """All turns; one lane plays them alone, so that it draws every ask."""
    schedule = plan.schedule(room=room_for(plan, at_once), lanes=lanes)
    return [turn._replace(asks=iter(list(turn.asks))) for turn in schedule.turns(0)]


def asks_of(plan: WindowPlan, at_once: int, lanes: int = 1) -> list[Ask]:
    """The asks of all turns."""
    return [ask for turn in turns_of(plan, at_once, lanes) for ask in turn.asks]


@given(plans(), st.integers(1, 20), st.integers(1, 3))
def test_every_target_exactly_once(plan: WindowPlan, at_once: int, lanes: int) -> None:
    asks = asks_of(plan, at_once, lanes)
    scored = np.concatenate([ask.targets.ravel() for ask in asks])
    assert sorted(scored.tolist()) == list(range(1, plan.tokens))
    windows = np.concatenate([ask.windows for ask in asks])
    assert sorted(windows.tolist()) == list(range(len(plan)))


@given(plans(), st.integers(1, 20))
def test_windows_lie_within_the_stream_and_use_all_context(plan: WindowPlan, at_once: int) -> None:
    for ask in asks_of(plan, at_once):
        assert len(ask.starts) <= at_once
        assert ask.length <= plan.length
        assert ask.length == plan.length or (ask.starts == 0).all()
        assert (ask.starts >= 0).all()
        assert (ask.starts + ask.length <= plan.tokens - 1).all()
        assert 0 <= ask.first < ask.length
        if (ask.windows > 0).all():
            # Each scored target has all tokens before it, or at least so many.
            whole = (ask.starts == 0) | (ask.first >= plan.length - plan.stride)
            assert whole.all()
            assert ask.positions <= plan.stride


@given(plans(), st.integers(1, 20), st.integers(1, 3))
def test_a_segment_is_observed_when_all_its_targets_are_scored_and_none_was_shown_before(
    plan: WindowPlan, at_once: int, lanes: int
) -> None:
    stream = np.arange(plan.tokens).astype(np.uint16)
    observed: list[int] = []
    scored: list[int] = []
    for turn in turns_of(plan, at_once, lanes):
        asks = list(turn.asks)
        shown = max(int(ask.tokens(stream).max()) for ask in asks)
        scored += sorted(t for ask in asks for t in ask.targets.ravel().tolist())
        if not turn.tells:
            assert plan.segment is None
            continue
        (told,) = turn.tells
        assert isinstance(told, Observe) and turn.meets
        assert told.end - told.begin == plan.segment or scored[-1] == plan.targets
        observed += range(told.begin, told.end)
        assert observed == scored
        # A window shows nothing of a later segment, nor the last target of its own.
        assert shown < observed[-1]
    assert plan.segment is None or observed == list(range(1, plan.tokens))


def test_several_workers_share_every_segment() -> None:
    plan = WindowPlan(tokens=1 + 4 * 64, sequence_length=16, stride=4, segment=64)
    for turn in turns_of(plan, at_once=100, lanes=8)[1:]:
        assert [len(ask.windows) for ask in turn.asks] == [2] * 8


def test_several_lanes_answer_every_ask_once_between_them() -> None:
    plan = WindowPlan(tokens=1 + 4 * 64, sequence_length=16, stride=4, segment=64)
    schedule = plan.schedule(room=room_for(plan, 3), lanes=2)
    windows = []
    for one, other in zip(schedule.turns(0), schedule.turns(1), strict=True):
        assert one.tells == other.tells
        windows += [n for turn in (one, other) for ask in turn.asks for n in ask.windows.tolist()]
    assert sorted(windows) == list(range(len(plan)))


def test_without_segments_all_is_one_turn_and_nothing_is_observed() -> None:
    plan = WindowPlan(tokens=100, sequence_length=16, stride=4)
    (only,) = turns_of(plan, 7, lanes=2)
    assert not only.tells
    assert plan.segments == 1


@pytest.mark.parametrize(("tokens", "length", "stride"), [(1, 4, 2), (9, 4, 5), (9, 4, 0)])
def test_nonsense_is_refused(tokens: int, length: int, stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        WindowPlan(tokens, length, stride)


@given(plans(), st.integers(2, 5000), st.integers(1, 10**6), st.integers(1, 10**7))
def test_requests_stay_within_their_budgets(
    plan: WindowPlan, vocabulary: int, tokens: int, logit_bytes: int
) -> None:
    room = Room(tokens, vocabulary, logit_bytes)
    slot = plan.slot(room)
    for ask in (a for turn in plan.schedule(room=room, lanes=1).turns(0) for a in turn.asks):
        assert ask.windows.size * ask.length <= slot.tokens
        assert ask.windows.size * ask.positions <= slot.positions
        if len(ask.windows) > 1:
            assert ask.windows.size * plan.length <= tokens
            assert ask.windows.size * min(plan.stride, plan.length) * vocabulary * 4 <= logit_bytes
