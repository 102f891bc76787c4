"""Documents as a codec is asked about them, and what is wrong with its answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.data.format.shards import Tokens
from harness.errors import InfrastructureError

PART_BYTES = 1 << 29
"""Text of one sandbox, which is held in memory: a hundred sandboxes for the field's train text."""
IDS_PER_BYTE, MORE_IDS = 2, 16
"""A document may have two ids for each byte and some more: capitals cost bytes an operator."""
_TOKEN = np.dtype("<u2")


@dataclass(frozen=True)
class Stated:
    """What a tokenizer says of itself."""

    vocabulary_size: int
    bos_id: int


class CodecError(Exception):
    """An answer that breaks the contract, as a sentence without its subject.

    ``document`` is the document that it is about, where it is about one.
    """

    def __init__(self, problem: str, document: "Document | None" = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.document = document


@dataclass(frozen=True, slots=True)
class Document:
    """A document to be encoded or decoded.

    Attributes:
        split: where it is from.
        number: its place there, from 1.
        content: a text in UTF-8, or ids as little-endian uint16.
        text_bytes: bytes of its text.
    """

    split: Literal["train", "validation"]
    number: int
    content: bytes
    text_bytes: int

    @property
    def name(self) -> str:
        """What sentences call it."""
        return f"{self.split} document {self.number}"

    @property
    def most_ids(self) -> int:
        """The most ids that it may have."""
        return IDS_PER_BYTE * self.text_bytes + MORE_IDS

    def encoded(self, ids: Tokens) -> "Document":
        """The same document as its ids, to be decoded."""
        return Document(self.split, self.number, packed(ids), self.text_bytes)


def packed(ids: Tokens) -> bytes:
    """Ids as they are sent: little-endian uint16."""
    return ids.astype(_TOKEN, copy=False).tobytes()


def unpacked(content: bytes) -> Tokens:
    """The inverse of :func:`packed`: uint16[N], read-only."""
    return np.frombuffer(content, dtype=_TOKEN)


def ids_of(shards: Iterable[Tokens], bos_id: int) -> Iterator[Tokens]:
    """The ids of each document, without BOS, of a stream that is cut into shards anywhere.

    Raises:
        InfrastructureError: the stream does not begin with BOS.
    """
    begun = False
    carried: list[Tokens] = []
    for shard in shards:
        starts = np.flatnonzero(shard == bos_id).tolist()
        if len(shard) and not begun and (not starts or starts[0] != 0):
            raise InfrastructureError(
                "tokens that do not begin with BOS", remedy="remove the derived dataset"
            )
        end = 0
        for start in starts:
            carried.append(shard[end:start])
            if begun:
                yield np.concatenate(carried)
            carried, begun, end = [], True, start + 1
        carried.append(shard[end:])
    if begun:
        yield np.concatenate(carried)
