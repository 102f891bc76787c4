"""Every target once, whatever the stream, the sequence length and the stride."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.windows import Request, WindowPlan, windows_at_once


@st.composite
def plans(draw: st.DrawFn) -> WindowPlan:
    length = draw(st.integers(1, 60))
    return WindowPlan(
        tokens=draw(st.integers(2, 400)),
        sequence_length=length,
        stride=draw(st.integers(1, length)),
        segment=draw(st.none() | st.integers(1, 80)),
    )


def requests_of(plan: WindowPlan, at_once: int, workers: int = 1) -> list[Request]:
    """The requests of all rounds."""
    stream = np.arange(plan.tokens).astype(np.uint16)
    rounds = plan.rounds(stream, windows_at_once=at_once, workers=workers)
    return [request for round_ in rounds for request in round_.requests]


@given(plans(), st.integers(1, 20), st.integers(1, 3))
def test_every_target_exactly_once(plan: WindowPlan, at_once: int, workers: int) -> None:
    requests = requests_of(plan, at_once, workers)
    scored = np.concatenate([request.targets.ravel() for request in requests])
    assert sorted(scored.tolist()) == list(range(1, plan.tokens))
    windows = np.concatenate([request.windows for request in requests])
    assert sorted(windows.tolist()) == list(range(len(plan)))


@given(plans(), st.integers(1, 20))
def test_windows_lie_within_the_stream_and_use_all_context(plan: WindowPlan, at_once: int) -> None:
    for request in requests_of(plan, at_once):
        assert len(request.starts) <= at_once
        assert request.length <= plan.length
        assert request.length == plan.length or (request.starts == 0).all()
        assert (request.starts >= 0).all()
        assert (request.starts + request.length <= plan.tokens - 1).all()
        assert 0 <= request.first < request.length
        if (request.windows > 0).all():
            # Each scored target has all tokens before it, or at least so many.
            whole = (request.starts == 0) | (request.first >= plan.length - plan.stride)
            assert whole.all()
            assert request.positions <= plan.stride


@given(plans(), st.integers(1, 20), st.integers(1, 3))
def test_a_segment_is_observed_when_all_its_targets_are_scored_and_none_was_shown_before(
    plan: WindowPlan, at_once: int, workers: int
) -> None:
    stream = np.arange(plan.tokens).astype(np.uint16)
    observed: list[int] = []
    scored: list[int] = []
    for drawn, segment in plan.rounds(stream, windows_at_once=at_once, workers=workers):
        requests = list(drawn)
        shown = max(int(request.tokens(stream).max()) for request in requests)
        scored += sorted(t for request in requests for t in request.targets.ravel().tolist())
        if segment is None:
            assert plan.segment is None
            continue
        assert len(segment) == plan.segment or scored[-1] == plan.targets
        observed += segment.tolist()
        assert observed == scored
        # A window shows nothing of a later segment, nor the last target of its own.
        assert shown < observed[-1]
    assert plan.segment is None or observed == list(range(1, plan.tokens))


def test_several_workers_share_every_segment() -> None:
    plan = WindowPlan(tokens=1 + 4 * 64, sequence_length=16, stride=4, segment=64)
    stream = np.zeros(plan.tokens, np.uint16)
    for round_ in [*plan.rounds(stream, windows_at_once=100, workers=8)][1:]:
        assert [len(request.windows) for request in round_.requests] == [2] * 8


def test_without_segments_all_is_one_round_and_nothing_is_observed() -> None:
    plan = WindowPlan(tokens=100, sequence_length=16, stride=4)
    (only,) = plan.rounds(np.zeros(100, np.uint16), windows_at_once=7, workers=2)
    assert only.observed is None
    assert plan.segments == 1


@pytest.mark.parametrize(("tokens", "length", "stride"), [(1, 4, 2), (9, 4, 5), (9, 4, 0)])
def test_nonsense_is_refused(tokens: int, length: int, stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        WindowPlan(tokens, length, stride)


@given(plans(), st.integers(2, 5000), st.integers(1, 10**6), st.integers(1, 10**7))
def test_requests_stay_within_their_budgets(
    plan: WindowPlan, vocabulary: int, tokens: int, logit_bytes: int
) -> None:
    count = windows_at_once(
        plan, vocabulary_size=vocabulary, token_budget=tokens, logit_bytes=logit_bytes
    )
    assert count >= 1
    if count > 1:
        assert count * plan.length <= tokens
        assert count * min(plan.stride, plan.length) * vocabulary * 4 <= logit_bytes
