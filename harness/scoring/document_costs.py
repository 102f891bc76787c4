"""Has the model seen the validation text? The costs of single documents can show it.

Costs are compared with a plain compressor's, to distinguish an easy document (a license, a table of
numbers) from one that was memorized. ``judge/rules/`` decides what the figures mean.
"""

import functools
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.format.dataset import Dataset
from harness.data.format.documents import read_documents
from harness.evidence.results import DocumentCost, Gap, Spread, StreamPart

LEAST_BYTES = 500
"""Shorter documents are not judged one by one: chance alone makes some of them cheap."""
PARTS = 50
SHOWN = 256
_MAD_TO_SD = 1.4826
_LEAST_BPB = 1e-6
"""Smallest cost used, so that a document that costs nothing has a logarithm too."""

Bits = NDArray[np.float64]


def plain_bits(dataset: Dataset) -> Bits:
    """Bits that zlib needs for each validation document alone: float64[D]."""
    return _plain_bits(dataset.documents_path, dataset.manifest.documents.sha256)


@functools.lru_cache(maxsize=4)
def _plain_bits(path: Path, sha256: str) -> Bits:
    """Computed once, as it is the same for every seed; ``sha256`` only serves as a cache key."""
    return np.array(
        [8 * len(zlib.compress(text.encode(), level=6)) for text in read_documents(path)],
        dtype=np.float64,
    )


def costs_of(documents_file: Path) -> tuple[Bits, NDArray[np.int64]]:
    """Bits float64[D] and bytes int64[D] of each document, from a scoring's file."""
    with np.load(documents_file) as kept:
        return kept["nats"] / math.log(2), kept["bytes"]


def spread_of(bits: Bits, text_bytes: NDArray[np.int64], plain: Bits) -> Spread:
    """How a model's bits are spread over documents; three arrays of length D."""
    judged = np.flatnonzero(text_bytes >= LEAST_BYTES)
    lowest: tuple[DocumentCost, ...] = ()
    median = spread = None
    if len(judged):
        bpb, plain_bpb = bits[judged] / text_bytes[judged], plain[judged] / text_bytes[judged]
        logs = np.log(np.maximum(bpb, _LEAST_BPB) / plain_bpb)
        median = float(np.exp(np.median(logs)))
        spread = float(_MAD_TO_SD * np.median(np.abs(logs - np.median(logs))))
        lowest = tuple(
            DocumentCost(
                document=int(judged[place]) + 1,
                bytes=int(text_bytes[judged[place]]),
                bpb=float(bpb[place]),
                plain_bpb=float(plain_bpb[place]),
            )
            for place in np.argsort(bpb / plain_bpb, kind="stable")[:SHOWN]
        )
    return Spread(
        judged=len(judged),
        median_ratio=median,
        spread=spread,
        lowest=lowest,
        parts=_parts(bits, text_bytes, plain),
    )


def _parts(bits: Bits, text_bytes: NDArray[np.int64], plain: Bits) -> tuple[StreamPart, ...]:
    """The stream in at most ``PARTS`` stretches of whole documents."""
    total = int(text_bytes.sum())
    if not total:
        return ()
    middles = np.cumsum(text_bytes) - text_bytes / 2
    numbers = np.minimum((middles * PARTS / total).astype(np.int64), PARTS - 1)
    parts = []
    for number in np.unique(numbers):
        inside = numbers == number
        size = int(text_bytes[inside].sum())
        if size:
            parts.append(
                StreamPart(
                    documents=int(inside.sum()),
                    bytes=size,
                    bpb=float(bits[inside].sum() / size),
                    plain_bpb=float(plain[inside].sum() / size),
                )
            )
    return tuple(parts)


def gap_of(
    validation: tuple[Bits, NDArray[np.int64], Bits],
    holdout: tuple[Bits, NDArray[np.int64], Bits],
) -> Gap:
    """The gap between two sets of documents, each as bits, bytes and plain bits of length D.

    With R = sum(bits) / sum(plain bits) of each set, a ratio estimate whose variance is that of
    ``bits - R * plain`` over the documents (Cochran, Sampling Techniques, 1977, chapter 6).
    """
    here, there = _ratio(validation[0], validation[2]), _ratio(holdout[0], holdout[2])
    plain_here, plain_there = (
        float(plain.sum() / text_bytes.sum()) for _, text_bytes, plain in (validation, holdout)
    )
    return Gap(
        validation_bpb=here[0] * plain_here,
        holdout_bpb=there[0] * plain_there,
        validation_plain_bpb=plain_here,
        holdout_plain_bpb=plain_there,
        gap_bpb=(there[0] - here[0]) * plain_here,
        standard_error_bpb=math.hypot(here[1], there[1]) * plain_here,
    )


def _ratio(bits: Bits, plain: Bits) -> tuple[float, float]:
    """sum(bits) / sum(plain), and its standard error."""
    ratio = float(bits.sum() / plain.sum())
    count = len(bits)
    if count < 2:
        return ratio, abs(ratio)  # one document says nothing about others
    scatter = float(np.square(bits - ratio * plain).sum())
    return ratio, math.sqrt(count / (count - 1) * scatter) / float(plain.sum())
