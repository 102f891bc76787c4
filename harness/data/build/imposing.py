"""Writes the train shards that one run is shown, from the train shards of a dataset.

Whole documents are copied in the order of the recipe, into files with the field's format and names.
The dataset's files are read in place, through the page cache; memory holds some tens of bytes per
document and one piece of a shard, however large the shards are.
"""

import bisect
import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.format.dataset import Dataset
from harness.data.format.manifest import Manifest
from harness.data.format.reading import damaged
from harness.data.format.shards import HEADER_BYTES, Tokens, header_of, map_shard, shard_bytes
from harness.evidence.imposed import Recipe, denied_documents, files_shown, recipe_of
from harness.evidence.results import Shown
from harness.safeio.files import digest_of_named, disk_errors

PIECE_TOKENS = 1 << 22
"""Most tokens that are looked at, or handed on, at once: 8 MiB."""
_BUFFER_BYTES = 1 << 20


def file_name(number: int) -> str:
    """The name of a train shard, as upstream's scripts look for it."""
    return f"fineweb_train_{number:06d}.bin"


def most_shown_bytes(manifest: Manifest, *, own_tokenizer: bool) -> int:
    """The most bytes that the files of one run can have.

    An entry's own tokenizer, which may not have been used yet, makes at most one token per byte of
    text and, for each document, one for its beginning and one for a space added there.
    """
    files = manifest.of_kind("train")
    if not own_tokenizer:
        return sum(file.bytes for file in files)
    texts = manifest.of_kind("docs_train")
    tokens = sum((file.text_bytes or 0) + 2 * (file.documents or 0) for file in texts)
    return shard_bytes(tokens) + HEADER_BYTES * len(files)


def write_shown(
    dataset: Dataset, folder: Path, *, nonce: str, seed: int, denied_share: float
) -> Shown:
    """Write the train shards of a run into ``folder``, which is empty.

    Tokens before the first document's beginning belong to no document and are never shown. Files
    are synced to disk on return, so that writing them back later slows nobody down.

    Args:
        dataset: checked; its train shards are one stream, in which BOS begins a document.
        folder: receives the files, and nothing else.
        nonce: the nonce of the plan.
        seed: the seed of the run.
        denied_share: the share of the documents that the track denies a run.

    Raises:
        InfrastructureError: there is no document in the shards, or the disk is full.
    """
    stream = TrainStream.of(dataset)
    starts = stream.documents(dataset)
    shown = len(starts) - denied_documents(len(starts), denied_share=denied_share)
    recipe = recipe_of(
        nonce=nonce,
        seed=seed,
        denied_share=denied_share,
        documents=len(starts),
        files=min(files_shown(len(stream.shards), denied_share=denied_share), shown),
    )
    ends = np.append(starts[1:], stream.tokens)
    stretches = _stretches(recipe, starts, ends)
    digests = {}
    for stretch, number in zip(stretches, recipe.order, strict=True):
        path = folder / file_name(number)
        digests[path.name] = write_synced(path, _pieces_of(stream, stretch), _tokens_of(stretch))
    tokens = sum(_tokens_of(stretch) for stretch in stretches)
    return Shown(
        files=len(stretches),
        documents=shown,
        denied_documents=len(starts) - shown,
        tokens=tokens,
        denied_tokens=stream.tokens - tokens,
        recipe_sha256=recipe.sha256(),
        sha256=digest_of_named(digests),
    )


Stretch = NDArray[np.int64]
"""Starts and ends in the stream of a dataset, of whole documents each, that make up one file:
int64[2, R]."""


def _stretches(recipe: Recipe, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[Stretch]:
    """The ranges that each file holds, in the order of the documents, for about equal files."""
    shown = recipe.shown()
    starts, ends = starts[shown], ends[shown]
    # The positions where a document does not directly follow the one before it.
    breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    found = []
    for first, last in itertools.pairwise(_cuts(ends - starts, len(recipe.order))):
        inner = breaks[np.searchsorted(breaks, first + 1) : np.searchsorted(breaks, last)]
        low, high = np.append(first, inner), np.append(inner, last)
        found.append(np.stack([starts[low], ends[high - 1]]))
    return found


def _cuts(lengths: NDArray[np.int64], files: int) -> list[int]:
    """Where to cut a list of documents with these lengths, so that files are as equal as possible.

    Each of ``files`` (at most as many as documents) gets at least one. Returns ``files + 1``
    indices.
    """
    until = np.cumsum(lengths)
    cuts = [0]
    for number in range(1, files):
        wanted = int(until[-1]) * number // files
        place = int(np.searchsorted(until, wanted))
        # until[place - 1] < wanted <= until[place]: take the nearer of the two.
        before = int(until[place - 1]) if place else 0
        place += wanted - before > int(until[place]) - wanted
        cuts.append(min(max(place, cuts[-1] + 1), len(lengths) - (files - number)))
    return [*cuts, len(lengths)]


class TrainStream:
    """The train shards of a dataset, one after the other."""

    def __init__(self, shards: Sequence[Tokens]) -> None:
        self.shards = shards
        self._bases = [0, *itertools.accumulate(len(shard) for shard in shards)]
        self.tokens = self._bases[-1]

    @classmethod
    def of(cls, dataset: Dataset) -> "TrainStream":
        """That of a dataset."""
        return cls([map_shard(path) for path in train_paths(dataset)])

    def documents(self, dataset: Dataset) -> NDArray[np.int64]:
        """Where each document begins, in order; at least one.

        Raises:
            InfrastructureError: there is no document in the shards.
        """
        bos = dataset.manifest.bos_id
        starts = self.places_of(bos)
        if not len(starts):
            raise damaged(train_paths(dataset)[0], f"the train shards hold no BOS (id {bos})")
        return starts

    def places_of(self, token: int) -> NDArray[np.int64]:
        """All positions of a token, in order."""
        found, place = [np.zeros(0, dtype=np.int64)], 0
        for piece in self.pieces(0, self.tokens):
            found.append(np.flatnonzero(piece == token) + place)
            place += len(piece)
        return np.concatenate(found)

    def pieces(self, start: int, end: int) -> Iterator[Tokens]:
        """A range of the stream in pieces of limited size, each within one shard."""
        number = bisect.bisect_right(self._bases, start) - 1
        while start < end:
            base, limit = self._bases[number], self._bases[number + 1]
            stop = min(end, limit, start + PIECE_TOKENS)
            if stop > start:
                yield self.shards[number][start - base : stop - base]
            start = stop
            number += stop == limit


def train_paths(dataset: Dataset) -> list[Path]:
    """The train shards of a dataset, in order."""
    return [dataset.directory / entry.path for entry in dataset.manifest.of_kind("train")]


def _tokens_of(stretch: Stretch) -> int:
    starts, ends = stretch
    return int((ends - starts).sum())


def _pieces_of(stream: TrainStream, stretch: Stretch) -> Iterator[Tokens]:
    for start, end in stretch.T.tolist():
        yield from stream.pieces(start, end)


def write_synced(path: Path, pieces: Iterable[Tokens], tokens: int) -> bytes:
    """Write so many tokens as one shard, which must not exist, and return its SHA-256.

    It is on disk on return, so that writing it back later slows nobody down.
    """
    digest = hashlib.sha256()
    with disk_errors(path), path.open("xb", buffering=_BUFFER_BYTES) as file:
        header = header_of(tokens)
        file.write(header)
        digest.update(header)
        for piece in pieces:
            file.write(piece.data)
            digest.update(piece.data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
    return digest.digest()
