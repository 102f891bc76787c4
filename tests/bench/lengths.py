"""How long the documents of FineWeb's validation split are, as the field's own logs say.

The field's entries that learn document by document sort all 50,000 by length, take 64 at a time,
and print the shortest and the longest of some batches: ``batch 778/782 ... doc_len:7961-8997`` (the
logs of upstream's record of 2026-04-10, tokens of a vocabulary of 8,192; the last batch holds 16).
The longest stand in a log of 2026-04-29, in other tokens: 30,339 to 97,114, of 47,851,520 in all
where these are 40.54 million. Between those places the logarithm of the length is straight in the
normal quantile of the place: that makes 40,494,100 tokens, and all are scaled to the true number.
Whoever draws from a log-normal instead takes its deviation from the same logs: 1.04, that of a
median of 473 at a mean of 811.
"""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.scoring.schedules.asking import Indices

DOCUMENTS = 50_000
TOKENS = {8_192: 40_540_000, 1_024: 62_021_846}
"""By vocabulary, of the 151,080,891 bytes."""
_SCALE = 40_540_000 / 47_851_520
_PLACES = (
    (1, 45),
    (64, 70),
    (256, 80),
    (1_408, 104),
    (2_816, 122),
    (5_440, 154),
    (9_408, 202),
    (13_120, 252),
    (16_640, 307),
    (20_224, 373),
    (23_808, 449),
    (27_136, 530),
    (30_208, 618),
    (33_216, 723),
    (35_904, 834),
    (38_784, 986),
    (41_536, 1_188),
    (44_160, 1_467),
    (45_824, 1_754),
    (47_488, 2_353),
    (48_256, 2_899),
    (49_024, 3_962),
    (49_344, 4_937),
    (49_600, 6_355),
    (49_792, 8_997),
    (49_921, 14_510),
    (49_984, 25_988),
    (50_000, round(97_114 * _SCALE)),
)
"""Of the documents by length, the place of some from 1, and their tokens."""


def fineweb(*, documents: int = DOCUMENTS, tokens: int | None = None) -> Indices:
    """int64[D], ascending: tokens of each document, BOS included; with the usual mean by default.

    Of fewer documents, those in the same places of the whole.
    """
    if tokens is None:
        tokens = TOKENS[8_192] * documents // DOCUMENTS
    normal = NormalDist()
    places = [normal.inv_cdf((place - 0.5) / DOCUMENTS) for place, _ in _PLACES]
    wanted = [normal.inv_cdf((place + 0.5) / documents) for place in range(documents)]
    logarithms = np.log([length for _, length in _PLACES])
    return scaled(np.exp(np.interp(wanted, places, logarithms)), tokens)


def log_normal(
    rng: np.random.Generator, *, deviation: float, documents: int = DOCUMENTS, tokens: int
) -> Indices:
    """int64[D], ascending: drawn, ``deviation`` being that of the logarithm."""
    return scaled(np.sort(np.exp(deviation * rng.standard_normal(documents))), tokens)


def scaled(lengths: npt.NDArray[np.float64], tokens: int) -> Indices:
    """int64[D]: lengths float64[D] as whole tokens, at least 2, that come to ``tokens``."""
    whole: Indices = np.maximum(2, np.floor(lengths * (tokens / lengths.sum()))).astype(np.int64)
    missing = tokens - int(whole.sum())
    if missing < 0:
        raise ValueError(f"{len(lengths):,} documents do not fit {tokens:,} tokens")
    whole[:missing] += 1
    return whole
