"""Each rule's windows, compared with loops as scripts write them."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.bridge import Windows as Rule
from harness.scoring.schedules.asking import Observe
from harness.scoring.schedules.plan import Room
from harness.scoring.script_windows import ScriptWindows, Together

Counted = list[tuple[int, int]]
RULES = st.integers(1, 40).flatmap(
    lambda context: st.builds(
        ScriptWindows,
        tokens=st.integers(2, 200),
        context=st.just(context),
        stride=st.integers(1, context),
        first=st.sampled_from(["all", "tail"]),
        tail=st.sampled_from(["scored", "dropped", "repeated", "cut"]),
    )
)


def counted(plan: ScriptWindows) -> Counted:
    """Every target that counts, with the first token that its window shows."""
    starts, lengths, firsts, counts, _ = plan.windows
    assert (firsts + counts == lengths).all()
    return [
        (start + position + 1, start)
        for start, first, length in zip(starts, firsts, lengths, strict=True)
        for position in range(first, length)
    ]


def as_scripts_count(plan: ScriptWindows) -> Iterator[tuple[int, int]]:
    """The loops of the scripts in which these rules were found, on one rank."""
    total, seq_len, stride = plan.tokens - 1, plan.context, plan.stride
    if plan.tail == "dropped":
        window_starts = [ws for ws in range(0, total, stride) if ws + seq_len <= total]
    elif plan.tail == "cut":
        window_starts = list(range(0, total - seq_len, stride))
    elif plan.tail == "scored":
        window_starts = [
            ws
            for ws in range(0, total, stride)
            if ws + seq_len - stride < total or (ws == 0 and plan.first == "all")
        ]
    else:
        window_starts = [ws for ws in range(0, total, stride) if min(ws + seq_len, total) - ws >= 1]
    for ws in window_starts:
        wlen = min(ws + seq_len, total) - ws
        s = max(wlen - stride, 0) if plan.tail == "repeated" else seq_len - stride
        s = 0 if ws == 0 and plan.first == "all" else s
        for position in range(s, wlen):
            yield ws + position + 1, ws


@given(RULES)
def test_what_counts_is_what_scripts_count(plan: ScriptWindows) -> None:
    assert counted(plan) == list(as_scripts_count(plan))
    assert plan.targets == len(counted(plan))


@given(RULES)
def test_every_window_is_asked_once_and_fits_its_slot(plan: ScriptWindows) -> None:
    room = Room(tokens=64, vocabulary_size=5)
    asks = [ask for turn in plan.schedule(room).turns(0) for ask in turn.asks]
    asked = [number for ask in asks for number in ask.windows.tolist()]
    assert sorted(asked) == list(range(len(plan.windows.starts)))
    slot = plan.slot(room)
    assert all(ask.length * len(ask.windows) <= slot.tokens for ask in asks)
    assert all(ask.positions * len(ask.windows) <= slot.positions for ask in asks)
    assert sum(int(ask.wanted.sum()) for ask in asks) == plan.targets


@given(RULES.filter(lambda plan: plan.first == "all" and plan.tail == "scored"))
def test_where_the_tail_is_scored_every_target_counts_once(plan: ScriptWindows) -> None:
    assert [target for target, _ in counted(plan)] == list(range(1, plan.tokens))


@pytest.mark.parametrize("stride", [1, 4, 16])
def test_a_stream_of_whole_windows_leaves_no_tail_to_drop(stride: int) -> None:
    plans = [ScriptWindows(1 + 64, 16, stride, tail=tail) for tail in ("scored", "dropped")]
    assert counted(plans[0]) == counted(plans[1])


def test_the_repeated_tail_of_a_real_script_counts_so_many_too_many() -> None:
    """A context of 256, a stride of 64: the last 64 targets count four times."""
    plan = ScriptWindows.of(Rule(context=256, stride=64, tail="repeated"), tokens=4097)
    assert plan.targets == 4096 + 192
    assert np.bincount([target for target, _ in counted(plan)])[-64:].tolist() == [4] * 64


DRIVEN = st.tuples(st.integers(1, 8), st.integers(1, 6), st.integers(0, 6), st.integers(1, 30)).map(
    lambda drawn: ScriptWindows.driven(
        Rule(context=drawn[0] * drawn[1], stride=drawn[0]),
        tokens=1 + drawn[0] * drawn[3],
        segment=drawn[0] * (drawn[1] + drawn[2]),
    )
)


@given(DRIVEN)
def test_no_window_of_a_segment_shows_or_counts_what_lies_behind_it(plan: ScriptWindows) -> None:
    assert plan.segment is not None
    told = 1
    for turn in plan.schedule(Room(tokens=64, vocabulary_size=5)).turns(0):
        for ask in turn.asks:
            assert (ask.targets[ask.wanted] < told + plan.segment).all()
            assert (ask.targets[ask.wanted] >= told).all()
            assert (ask.starts + ask.length < told + plan.segment).all()
        (observed,) = turn.tells
        assert isinstance(observed, Observe)
        assert observed.begin == told
        told = observed.end
    assert told == plan.tokens


@given(DRIVEN)
def test_by_segments_the_same_windows_are_asked(plan: ScriptWindows) -> None:
    asked = [
        number
        for turn in plan.schedule(Room(tokens=64, vocabulary_size=5)).turns(0)
        for ask in turn.asks
        for number in ask.windows.tolist()
    ]
    assert sorted(asked) == list(range(len(plan.whole)))
    whole = ScriptWindows(plan.tokens, plan.context, plan.stride)
    assert whole.targets == int(plan.windows.counts[plan.whole].sum())


def test_windows_that_do_not_end_with_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="to be multiples of 16, found 40, 64, 1024"):
        ScriptWindows.driven(Rule(context=64, stride=16), tokens=1025, segment=40)


@given(RULES, st.integers(0, 1 << 32))
def test_several_rules_are_asked_together(rule: ScriptWindows, seed: int) -> None:
    """Each window once; the loss of each rule is the one that it has alone."""
    if not rule.targets:
        return
    rules = [rule, *rule.others().values()]
    assert all(counted(other) != counted(rule) for other in rules[1:])
    together = Together(rules)
    starts, lengths, firsts, *_ = together.windows
    shapes = list(zip(starts, lengths, firsts, strict=True))
    assert len(set(shapes)) == len(shapes)
    costs = np.random.default_rng(seed).random((rule.tokens + 1, rule.tokens + 1))
    sums = np.array([sum(costs[s, s + f + 1 : s + n + 1]) for s, n, f in shapes])
    for each, loss in zip(rules, together.losses(sums), strict=True):
        alone = [costs[start, target] for target, start in counted(each)]
        assert loss == pytest.approx(sum(alone) / len(alone))
    asked = [
        (int(start), ask.length, int(first))
        for turn in together.schedule(Room(64, 10)).turns(0)
        for ask in turn.asks
        for start, first in zip(ask.starts, ask.firsts, strict=True)
    ]
    assert sorted(asked) == sorted(shapes)


def test_rules_that_cannot_be_told_apart_are_no_others() -> None:
    whole = ScriptWindows(tokens=1025, context=128, stride=128)
    assert set(whole.others()) == {"a context of 64", "a stride of 64", "a tail that is cut"}
    sliding = ScriptWindows(tokens=1025, context=128, stride=64, tail="repeated")
    assert set(sliding.others()) == {
        "a context of 64", "a stride of 128", "the first window's tail alone",
        "a tail that is scored", "a tail that is dropped", "a tail that is cut",
    }  # fmt: skip
