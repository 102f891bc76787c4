"""Where a difference between two recipes lies among the documents; never whether there is one.

A seed moves all documents together, and the split is the whole population: a test over documents
with the seeds held fixed calls equal recipes different far too often.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Where:
    """Differences of documents, second less first, each in bits per byte of its own text.

    ``won`` and ``tied`` are shares of the documents that the second is better at, or as good;
    ``won_bytes`` the share of the text that the documents that were won make up. ``quantiles`` are
    those of ``QUANTILES``, every document counting once. ``variance`` is what the drawing of the
    documents adds to the variance of the whole difference: sum of w^2 (difference - mean)^2, with w
    the document's share of all bytes.
    """

    documents: int
    won: float
    tied: float
    won_bytes: float
    quantiles: tuple[float, ...]
    variance: float


def where(
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    text_bytes: NDArray[np.int64],
) -> Where:
    """Compare documents by their mean over runs.

    Args:
        first: bits of each document, float64[D], one array for each run of the first recipe.
        second: of the second.
        text_bytes: int64[D]; a document without text has no difference and is left out.
    """
    weighed = text_bytes > 0
    sizes = text_bytes[weighed]
    bits = np.mean(second, axis=0)[weighed] - np.mean(first, axis=0)[weighed]
    each, whole = bits / sizes, float(bits.sum() / sizes.sum())
    shares = sizes / sizes.sum()
    return Where(
        documents=len(sizes),
        won=float(np.mean(each < 0)),
        tied=float(np.mean(each == 0)),
        won_bytes=float(shares[each < 0].sum()),
        quantiles=tuple(float(value) for value in np.quantile(each, QUANTILES)),
        variance=math.fsum(np.square(shares * (each - whole)).tolist()),
    )
