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


@dataclass(frozen=True)
class Group:
    """Some documents: how many, their share of all bytes, the largest one's bytes.

    ``difference`` is second less first on their text alone, in bits per byte of it.
    """

    documents: int
    text: float
    difference: float
    largest_bytes: int


def along(
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    text_bytes: NDArray[np.int64],
    *,
    parts: int,
) -> tuple[Group, ...]:
    """Stretches of about as much text each, in the order of the split; see :func:`where`."""
    before = np.cumsum(text_bytes) - text_bytes / 2
    total = max(int(text_bytes.sum()), 1)
    part = np.minimum((before * parts / total).astype(np.int64), parts - 1)
    return _groups(first, second, text_bytes, part, parts)


def by_size(
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    text_bytes: NDArray[np.int64],
    *,
    parts: int,
) -> tuple[Group, ...]:
    """Parts of as many documents each, the shortest ones first; see :func:`where`."""
    weighed = np.flatnonzero(text_bytes > 0)
    order = weighed[np.argsort(text_bytes[weighed], kind="stable")]
    part = np.full(len(text_bytes), -1, np.int64)
    part[order] = np.arange(len(order)) * parts // max(len(order), 1)
    return _groups(first, second, text_bytes, part, parts)


def _groups(
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    text_bytes: NDArray[np.int64],
    part: NDArray[np.int64],
    parts: int,
) -> tuple[Group, ...]:
    """One group for each number of a part that any document with text has, in their order."""
    bits = np.mean(second, axis=0) - np.mean(first, axis=0)
    total = float(text_bytes.sum())
    found = []
    for number in range(parts):
        inside = (part == number) & (text_bytes > 0)
        if not inside.any():
            continue
        sizes = text_bytes[inside]
        whole = float(sizes.sum())
        found.append(
            Group(
                documents=len(sizes),
                text=whole / total,
                difference=math.fsum(bits[inside].tolist()) / whole,
                largest_bytes=int(sizes.max()),
            )
        )
    return tuple(found)
