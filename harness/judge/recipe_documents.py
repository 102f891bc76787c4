"""Where the difference between two recipes lies among the documents; never whether there is one."""

import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evidence.integrity import LARGEST_DOCUMENTS_BYTES
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.given import Given
from harness.models import Fact
from harness.safeio.reading import read_inside
from harness.statistics.documents import QUANTILES, Group, along, by_size, where
from harness.statistics.tests import TwoSample

STRETCHES = 10
SIZES = 4


class Share(Fact):
    """Some documents of the split, and the difference on their text alone.

    ``text`` is their share of all bytes, ``of_difference`` what they contribute to the difference
    of the whole: ``difference_bpb`` times ``text``. ``largest_bytes`` is the longest one's size.
    """

    documents: int
    text: float
    difference_bpb: float
    of_difference_bpb: float
    largest_bytes: int


class Documents(Fact):
    """Where the difference lies, see :class:`harness.statistics.documents.Where`.

    ``on_others_error`` and ``on_others_99`` are of the difference that other documents of the same
    kind would show. ``stretches`` are parts of the stream of about as much text each, in its order,
    ``sizes`` parts of as many documents each, from the shortest to the longest ones.
    """

    documents: int
    won: float
    tied: float
    won_bytes: float
    levels: tuple[float, ...]
    quantiles_bpb: tuple[float, ...]
    on_others_error_bpb: float
    on_others_99_bpb: tuple[float, float]
    stretches: tuple[Share, ...]
    sizes: tuple[Share, ...]


def documents_between(
    first: Sequence[Given], second: Sequence[Given], found: TwoSample
) -> tuple[Documents | None, str]:
    """Where the difference ``found`` lies; or why that cannot be said."""
    sides, sizes = [], []
    for given in (first, second):
        side = []
        for each in given:
            if each.directory is None:
                return None, "a verdict's file holds no costs of documents; name run directories"
            for run in each.runs:
                if run.role == "seed" and run.scores is not None:
                    bits, text_bytes = _costs(each.directory, run)
                    side.append(bits)
                    sizes.append(text_bytes)
        sides.append(side)
    if any(not np.array_equal(sizes[0], other) for other in sizes[1:]):
        return None, "the documents of the runs do not have the same bytes"
    lies = where(sides[0], sides[1], sizes[0])
    error = math.sqrt(found.error**2 + lies.variance)
    half = (found.interval_99[1] - found.difference) / found.error * error
    return (
        Documents(
            documents=lies.documents,
            won=lies.won,
            tied=lies.tied,
            won_bytes=lies.won_bytes,
            levels=QUANTILES,
            quantiles_bpb=lies.quantiles,
            on_others_error_bpb=error,
            on_others_99_bpb=(found.difference - half, found.difference + half),
            stretches=_shares(along(sides[0], sides[1], sizes[0], parts=STRETCHES)),
            sizes=_shares(by_size(sides[0], sides[1], sizes[0], parts=SIZES)),
        ),
        "",
    )


def _costs(directory: RunDirectory, run: Run) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Bits float64[D] and bytes int64[D]; the file was compared with the evidence already."""
    path = directory.documents(run, "score")
    content = read_inside(
        directory.path, path.relative_to(directory.path), limit_bytes=LARGEST_DOCUMENTS_BYTES
    )
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return kept["nats"] / math.log(2), kept["bytes"]


def _shares(groups: Sequence[Group]) -> tuple[Share, ...]:
    return tuple(
        Share(
            documents=group.documents,
            text=group.text,
            difference_bpb=group.difference,
            of_difference_bpb=group.difference * group.text,
            largest_bytes=group.largest_bytes,
        )
        for group in groups
    )
