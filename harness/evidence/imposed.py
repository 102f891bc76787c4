"""What one run is shown of the train documents: drawn, so that no two runs train on the same.

A script may ignore its seed. What it cannot ignore is text that is not there. So each run is denied
a drawn share of the train documents, and the rest is cut anew into files: the first stretch begins
at a drawn document, and which stretch becomes which file is drawn too.

Why single documents, and not whole shards. Order and cuts can be undone: who sorts what he is shown
by its content has the same order in every run. Only what is missing cannot be put back, so all
depends on what a script can do without. Of a hundred shards with ten denied, a script that needs
five finds the same five in more than half of all runs; of one shard with one stretch denied, a
script that needs a twentieth finds it untouched six times in seven. Of single documents, denied
thousand by thousand, whatever a script chooses loses about the share in every run: no choice of
files, documents or batches is spared. It costs no more, since all is written anew anyway.

What is left to who sorts by content and fixes every seed: the start of his weights, his order, and
the documents that two runs have in common, ``(1 - share) ** 2`` of all. A start that is lucky
whatever documents are missing is part of his method. What he cannot fix is how far one run falls
from another through the documents alone; ``docs/randomness.md`` has that measured.
"""

import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evidence.draws import SHARDS

BLOCK_DOCUMENTS = 1000
"""Documents are denied so many at a time: any stretch of the dataset loses about the share."""
_NUMBER = np.dtype("<u8")


@dataclass(frozen=True)
class Recipe:
    """What is shown, in numbers of documents and files as the dataset has them in order.

    Attributes:
        denied: bool[D], the documents that are not shown; at most half of them, never all.
        first: where the first stretch begins: with the first shown document from this one on, and
            after the last document of the dataset follows the first.
        order: a permutation: stretch ``j``, in the order of the documents, is file ``order[j]``.
    """

    denied: NDArray[np.bool_]
    first: int
    order: tuple[int, ...]

    def shown(self) -> NDArray[np.int64]:
        """The documents that are shown, in the order of the stretches: int64[S]."""
        kept = np.flatnonzero(~self.denied)
        return np.roll(kept, -int(np.searchsorted(kept, self.first)))

    def sha256(self) -> str:
        """SHA-256 of all of it."""
        digest = hashlib.sha256()
        for numbers in ([len(self.denied), self.first], self.order):
            digest.update(np.array([len(numbers), *numbers], dtype=_NUMBER).tobytes())
        digest.update(np.packbits(self.denied).tobytes())
        return digest.hexdigest()


def recipe_of(*, nonce: str, seed: int, denied_share: float, documents: int, files: int) -> Recipe:
    """What a run is shown: a function of these figures alone, whatever the documents hold.

    Of each thousand documents in a row as many are denied as the share says, to within one.

    Args:
        nonce: of the plan.
        seed: of the run.
        denied_share: of the track, at most a half.
        documents: how many the train shards hold, at least 1.
        files: how many the run is shown, at least 1.
    """
    denied = np.zeros(documents, dtype=np.bool_)
    before = 0
    for start in range(0, documents, BLOCK_DOCUMENTS):
        end = min(start + BLOCK_DOCUMENTS, documents)
        until = _rounded(end * denied_share)
        if end == documents:
            until = denied_documents(documents, denied_share=denied_share)
        chances = _numbers(nonce, seed, "denied", start, count=end - start)
        denied[start + np.argsort(chances, kind="stable")[: until - before]] = True
        before = until
    drawn = SHARDS.of(nonce, seed, "first")
    order = np.argsort(_numbers(nonce, seed, "order", count=files), kind="stable")
    denied.flags.writeable = False
    return Recipe(denied, int.from_bytes(drawn, "big") % documents, tuple(order.tolist()))


@functools.lru_cache(maxsize=1024)
def recipe_sha256(*, nonce: str, seed: int, denied_share: float, documents: int, files: int) -> str:
    """The digest of :func:`recipe_of`; a second on a dataset of ten million documents."""
    return recipe_of(
        nonce=nonce, seed=seed, denied_share=denied_share, documents=documents, files=files
    ).sha256()


def denied_documents(documents: int, *, denied_share: float) -> int:
    """How many of so many documents are denied: the share, to within half a document.

    At least one where there are two or more, so that runs differ; never all.
    """
    return min(max(_rounded(documents * denied_share), 1), documents - 1)


def files_shown(files: int, *, denied_share: float) -> int:
    """How many files are shown of so many, so that each is about as large as they were."""
    return max(1, _rounded(files * (1 - denied_share)))


def _rounded(figure: float) -> int:
    return math.floor(figure + 0.5)


def _numbers(nonce: str, seed: int, *words: object, count: int) -> NDArray[np.uint64]:
    """``count`` uniform numbers of 64 bits; by SHAKE-256, which gives the same for good."""
    stream = hashlib.shake_256(SHARDS.of(nonce, seed, *words)).digest(count * _NUMBER.itemsize)
    return np.frombuffer(stream, dtype=_NUMBER)
