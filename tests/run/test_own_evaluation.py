"""The texts on which a script's own evaluation is run; whole runs are in tests/upstream_entries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.entry import RestsOn
from harness.run.own_evaluation import FEW_LETTERS, Texts, letters_for
from tests.factories.upstream import upstream_entry

secrets = st.binary(min_size=32, max_size=32)


@given(secrets, st.integers(1_000, 100_000))
def test_a_text_is_the_same_up_to_a_point_in_its_middle_part(secret: bytes, count: int) -> None:
    texts = Texts(secret=secret, size=1024, bos=1, alphabet=1023)
    before = np.zeros(count, np.uint16)
    changed, point = texts.changed(before), texts.point(count)
    assert 0.4 * count - 1 <= point <= 0.7 * count + 1
    assert changed.shape == before.shape and changed.dtype == before.dtype
    assert (changed[:point] == before[:point]).all()
    assert (changed[point:] != before[point:]).mean() > 0.9


@given(secrets)
def test_what_follows_the_point_is_drawn_from_the_whole_vocabulary(secret: bytes) -> None:
    few = Texts(secret=secret, size=1024, bos=1, alphabet=FEW_LETTERS)
    assert len(np.unique(few.changed(np.zeros(20_000, np.uint16)))) > 900
    assert len(np.unique(few.drawn(20_000).tokens)) == FEW_LETTERS + 1


@pytest.mark.parametrize("rests_on", ["chunks", "documents", "otherwise"])
def test_what_learns_is_given_the_whole_vocabulary(rests_on: RestsOn) -> None:
    assert letters_for(upstream_entry(rests_on=rests_on), size=1024) == 1023
    assert letters_for(upstream_entry(whole=True), size=8192) == 8191


def test_what_counts_is_given_few_letters() -> None:
    cache = upstream_entry(rests_on="cache")
    assert letters_for(cache, size=1024) == FEW_LETTERS
    assert letters_for(cache, size=16) == 15
