import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.build.baselines import (
    WittenBellBigram,
    unigram_bpb,
    unigram_probabilities,
    witten_bell_bigram_bpb,
)

VOCABULARY_SIZE = 7
streams = st.lists(st.integers(0, VOCABULARY_SIZE - 1), min_size=1, max_size=60)
targets = st.lists(st.integers(0, VOCABULARY_SIZE - 1), min_size=2, max_size=30)


def unigram(train: list[int], token: int) -> float:
    return (train.count(token) + 1) / (len(train) + VOCABULARY_SIZE)


def bigram(train: list[int], history: int, token: int) -> float:
    followers = [after for before, after in itertools.pairwise(train) if before == history]
    if not followers:
        return unigram(train, token)
    distinct = len(set(followers))
    share = distinct / (len(followers) + distinct)
    return (1 - share) * Counter(followers)[token] / len(followers) + share * unigram(train, token)


@given(train=streams, val=targets, val_bytes=st.integers(1, 1000))
def test_equal_to_plain_loops(train: list[int], val: list[int], val_bytes: int) -> None:
    one = two = 0.0
    for history, token in itertools.pairwise(val):
        one -= math.log2(unigram(train, token))
        two -= math.log2(bigram(train, history, token))
    arrays = np.array(train, dtype=np.uint16), np.array(val, dtype=np.uint16)
    assert unigram_bpb(*arrays, VOCABULARY_SIZE, val_bytes) == pytest.approx(one / val_bytes)
    assert witten_bell_bigram_bpb(*arrays, VOCABULARY_SIZE, val_bytes) == pytest.approx(
        two / val_bytes
    )


@given(train=streams)
def test_probabilities_add_up_to_one(train: list[int]) -> None:
    tokens = np.array(train, dtype=np.uint16)
    assert unigram_probabilities(tokens, VOCABULARY_SIZE).sum() == pytest.approx(1)
    model = WittenBellBigram.fit(tokens, VOCABULARY_SIZE)
    vocabulary = np.arange(VOCABULARY_SIZE, dtype=np.uint16)
    for history in vocabulary:
        probabilities = model.probabilities(np.full_like(vocabulary, history), vocabulary)
        assert probabilities.sum() == pytest.approx(1)
        assert (probabilities > 0).all()


def test_pairs_of_the_largest_vocabulary_do_not_overflow() -> None:
    tokens = np.array([65535, 65534, 65535, 65534], dtype=np.uint16)
    model = WittenBellBigram.fit(tokens, 65536)
    seen, unseen = model.probabilities(
        np.array([65535, 65535], dtype=np.uint16), np.array([65534, 65535], dtype=np.uint16)
    )
    assert seen > 2 / 3
    assert unseen < 1e-3
