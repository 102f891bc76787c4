"""Every target once, whatever the stream, the sequence length and the stride."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scoring.windows import WindowPlan, windows_at_once


@st.composite
def plans(draw: st.DrawFn) -> WindowPlan:
    length = draw(st.integers(1, 60))
    return WindowPlan(
        tokens=draw(st.integers(2, 400)),
        sequence_length=length,
        stride=draw(st.integers(1, length)),
    )


@given(plans(), st.integers(1, 20))
def test_every_target_exactly_once(plan: WindowPlan, at_once: int) -> None:
    requests = list(plan.requests(windows_at_once=at_once))
    scored = np.concatenate([request.targets.ravel() for request in requests])
    assert sorted(scored.tolist()) == list(range(1, plan.tokens))
    windows = np.concatenate([request.windows for request in requests])
    assert sorted(windows.tolist()) == list(range(len(plan)))


@given(plans(), st.integers(1, 20))
def test_windows_lie_within_the_stream_and_use_all_context(plan: WindowPlan, at_once: int) -> None:
    for request in plan.requests(windows_at_once=at_once):
        assert len(request.starts) <= at_once
        assert request.length == plan.length
        assert (request.starts >= 0).all()
        assert (request.starts + request.length <= plan.tokens - 1).all()
        assert 0 <= request.first < request.length
        if (request.windows > 0).all():
            # Each scored target has at least sequence_length - stride tokens before it.
            assert request.first >= plan.length - plan.stride


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
