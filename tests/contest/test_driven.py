"""By how many targets at a time a loop is driven, and which loops cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.bridge import Bridge, Evaluation, Rehearsal, Windows
from harness.contest.driven import segment_of
from harness.contest.track import LARGEST_SEGMENT, Adaptive
from tests.contest.test_bridge import bridge

ANY = Adaptive()


def learning(
    chunk: int | None, *, context: int = 64, stride: int = 16, **changes: object
) -> Bridge:
    """A bridge to a loop that learns from chunks."""
    loop = {"function": "eval_val", "model": "model", "learns": "chunks", "loop": "eval_ttt"}
    return bridge(
        evaluation=Evaluation.model_validate({**loop, "chunk": chunk, **changes}),
        windows=Windows(context=context, stride=stride),
        rehearsal=Rehearsal(),
    )


def test_a_segment_is_the_chunk() -> None:
    assert segment_of(learning(32768), ANY, rehearsal=False) == (32768, "")


def test_made_small_it_is_the_small_chunk() -> None:
    made = learning(32768)
    small = Rehearsal(windows=Windows(context=32, stride=8), chunk=256)
    assert segment_of(bridge(
        evaluation=made.evaluation, windows=made.windows, rehearsal=small
    ), ANY, rehearsal=True).targets == 256  # fmt: skip


@pytest.mark.parametrize(("chunk", "segment"), [(131072, 65536), (98304, 49152), (1 << 20, 65536)])
def test_of_a_large_chunk_it_is_the_largest_part_that_may_be(chunk: int, segment: int) -> None:
    assert segment_of(learning(chunk), ANY, rehearsal=False).targets == segment


@pytest.mark.parametrize(
    ("made", "adaptive", "why"),
    [
        (learning(100), ANY, "do not end with its chunks of 100"),
        (learning(1024, context=40), ANY, "windows of 40 tokens every 16 do not end"),
        (learning(32), ANY, "no whole part of 64 to 65,536"),
        (learning(16 * 65537), ANY, "its chunk of 1,048,592 has no whole part"),
        (learning(1024), Adaptive(least_segment=2048), "no whole part of 2,048 to 65,536"),
        (learning(1024), Adaptive(allowed=False), "allows no model that learns"),
        (learning(None), ANY, "evaluation.chunk is not known"),
        (learning(1024, loop=""), ANY, "evaluation.loop or"),
        (learning(1024, learns="documents"), ANY, "nothing in it learns from chunks"),
        (bridge(), ANY, "nothing in it learns from chunks"),
    ],
)
def test_what_cannot_be_driven_is_told_why(made: Bridge, adaptive: Adaptive, why: str) -> None:
    found = segment_of(made, adaptive, rehearsal=False)
    assert found.targets == 0
    assert why in found.why


@given(
    stride=st.integers(1, 64),
    windows=st.integers(1, 32),
    strides=st.integers(1, 5000),
    least=st.integers(1, LARGEST_SEGMENT),
)
def test_windows_and_chunks_end_with_segments(
    stride: int, windows: int, strides: int, least: int
) -> None:
    chunk, context = strides * stride, windows * stride
    made = learning(chunk, context=context, stride=stride)
    found = segment_of(made, Adaptive(least_segment=least), rehearsal=False).targets
    if found:
        assert chunk % found == 0 and found % stride == 0
        assert max(least, context) <= found <= min(chunk, LARGEST_SEGMENT)
    else:
        assert chunk < max(least, context) or chunk > LARGEST_SEGMENT
