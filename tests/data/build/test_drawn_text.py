"""Nobody who scores drawn text from what stands before each token gets below its floor."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.data.build.drawn_text import drawn_text
from harness.data.format.shards import Tokens

BOS = 1
secrets = st.binary(min_size=32, max_size=32)
sizes = st.sampled_from([(64, 8), (64, 63), (1024, 32), (1024, 1023)])


def counting(tokens: Tokens, size: int) -> float:
    """The mean cost of a good causal score: it counts, and knows every BOS beforehand."""
    counts = np.full(size, 0.05)
    counts[BOS] = 0
    nats = 0.0
    for token in tokens[1:].tolist():
        if token != BOS:
            nats -= math.log(counts[token] / counts.sum())
            counts[token] += 1
    return nats / (len(tokens) - 1)


@given(secrets, sizes)
def test_counting_stays_above_the_floor_and_comes_near_to_it(
    secret: bytes, size: tuple[int, int]
) -> None:
    vocabulary, alphabet = size
    made = drawn_text(secret, tokens=8193, size=vocabulary, bos=BOS, alphabet=alphabet)
    cost = counting(made.tokens, vocabulary)
    assert made.floor < cost < made.floor + 0.05 + alphabet * 20 / 8192


@given(secrets, sizes)
def test_a_token_that_is_seen_before_costs_less_than_the_floor(
    secret: bytes, size: tuple[int, int]
) -> None:
    """Who sees one target in eight before scoring it is below."""
    vocabulary, alphabet = size
    made = drawn_text(secret, tokens=8193, size=vocabulary, bos=BOS, alphabet=alphabet)
    honest = math.log(alphabet)
    assert honest * 7 / 8 < made.floor < honest


@given(secrets, sizes)
def test_the_text_is_documents_of_its_alphabet_and_follows_from_the_secret(
    secret: bytes, size: tuple[int, int]
) -> None:
    vocabulary, alphabet = size
    made = drawn_text(secret, tokens=4096, size=vocabulary, bos=BOS, alphabet=alphabet)
    starts = np.flatnonzero(made.tokens == BOS)
    assert made.tokens.dtype == np.uint16 and len(made.tokens) == 4096 and starts[0] == 0
    assert (np.diff(starts) >= 256).all() and (np.diff(starts) < 768).all()
    assert len(np.unique(made.tokens[made.tokens != BOS])) <= alphabet
    again = drawn_text(secret, tokens=4096, size=vocabulary, bos=BOS, alphabet=alphabet)
    assert (again.tokens == made.tokens).all()
    secret += b"x"
    other = drawn_text(secret, tokens=4096, size=vocabulary, bos=BOS, alphabet=alphabet)
    assert (other.tokens != made.tokens).any()
