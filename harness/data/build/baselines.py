"""Count-based language models over tokens: a trained model must beat them to have learned anything.

Every target 1..N-1 of the validation stream is scored, BOS targets included; they weigh 0 bytes.
All probabilities are normalized over the whole vocabulary.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.format.shards import Tokens

Probabilities = NDArray[np.float64]
Counts = NDArray[np.int64]


def unigram_bpb(
    train_tokens: Tokens, val_tokens: Tokens, vocabulary_size: int, val_bytes: int
) -> float:
    """Bits per byte of a unigram model with add-one smoothing."""
    probabilities = unigram_probabilities(train_tokens, vocabulary_size)
    return float(-np.log2(probabilities[val_tokens[1:]]).sum() / val_bytes)


def witten_bell_bigram_bpb(
    train_tokens: Tokens, val_tokens: Tokens, vocabulary_size: int, val_bytes: int
) -> float:
    """Bits per byte of a bigram model, Witten-Bell interpolated with the unigram model."""
    model = WittenBellBigram.fit(train_tokens, vocabulary_size)
    probabilities = model.probabilities(val_tokens[:-1], val_tokens[1:])
    return float(-np.log2(probabilities).sum() / val_bytes)


def unigram_probabilities(train_tokens: Tokens, vocabulary_size: int) -> Probabilities:
    """p(w) = (c(w) + 1) / (N + V) for every token: float64[V]."""
    counts = np.bincount(train_tokens, minlength=vocabulary_size)
    return (counts + 1) / (len(train_tokens) + vocabulary_size)


@dataclass(frozen=True)
class WittenBellBigram:
    """p(w | h) = (c(h, w) + d(h) p(w)) / (c(h) + d(h)), d(h) distinct tokens follow h.

    For an unseen history it is p(w). Source: Witten and Bell, "The zero-frequency
    problem", IEEE Transactions on Information Theory 37(4), 1991, method C.
    """

    unigram: Probabilities
    pairs: Counts
    pair_counts: Counts
    history_counts: Counts
    distinct_followers: Counts

    @classmethod
    def fit(cls, train_tokens: Tokens, vocabulary_size: int) -> "WittenBellBigram":
        """Count the bigrams of uint16[N]; needs about 32 bytes of memory for each token."""
        pairs, pair_counts = np.unique(
            _pairs(train_tokens[:-1], train_tokens[1:], vocabulary_size), return_counts=True
        )
        return cls(
            unigram=unigram_probabilities(train_tokens, vocabulary_size),
            pairs=pairs,
            pair_counts=pair_counts,
            history_counts=np.bincount(train_tokens[:-1], minlength=vocabulary_size),
            distinct_followers=np.bincount(pairs // vocabulary_size, minlength=vocabulary_size),
        )

    def probabilities(self, histories: Tokens, targets: Tokens) -> Probabilities:
        """p(target | history) for each position: float64[N] from two uint16[N]."""
        base = self.unigram[targets]
        if not len(self.pairs):
            return base
        wanted = _pairs(histories, targets, len(self.unigram))
        places = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        counts = np.where(self.pairs[places] == wanted, self.pair_counts[places], 0)
        distinct = self.distinct_followers[histories]
        seen = self.history_counts[histories] + distinct
        return np.where(seen > 0, (counts + distinct * base) / np.maximum(seen, 1), base)

    def nats(self, stream: Tokens, targets: Counts) -> Probabilities:
        """What it pays for some targets of a stream, by their index (1 or more): float64[K]."""
        return -np.log(self.probabilities(stream[targets - 1], stream[targets]))


def _pairs(histories: Tokens, targets: Tokens, vocabulary_size: int) -> Counts:
    return histories.astype(np.int64) * vocabulary_size + targets
