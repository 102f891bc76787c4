"""Documents as a codec is asked about them, and what is wrong with its answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.data.format.shards import Tokens
from harness.errors import InfrastructureError
from harness.inside import codec as wire

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
        published: its text as it was published, in UTF-8; empty where that is the same, or where
            the tokenizer is not to know it.
    """

    split: Literal["train", "validation"]
    number: int
    content: bytes
    text_bytes: int
    published: bytes = b""

    @property
    def name(self) -> str:
        """What sentences call it."""
        return f"{self.split} document {self.number}"

    @property
    def most_ids(self) -> int:
        """The most ids that it may have."""
        return IDS_PER_BYTE * self.text_bytes + MORE_IDS

    def asked(self, what: int) -> bytes:
        """What a server is sent of it, for something that is to be done with it."""
        if what != wire.ENCODE_EITHER:
            return self.content
        return wire.FIRST.pack(len(self.published)) + self.published + self.content

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


def numbered(
    texts: Iterable[str],
    *,
    train: bool,
    first: int = 1,
    published: Iterable[str] | None = None,
) -> Iterator[Document]:
    """Documents to be encoded, numbered in order; ``published`` are the same as published."""
    split: Literal["train", "validation"] = "train" if train else "validation"
    if published is None:
        for number, text in enumerate(texts, start=first):
            content = text.encode()
            yield Document(split, number, content, len(content))
        return
    for number, (text, before) in enumerate(zip(texts, published, strict=True), start=first):
        content = text.encode()
        other = b"" if before == text else before.encode()
        yield Document(split, number, content, len(content), other)


def in_parts(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in order, as many together as one sandbox gets."""
    part: list[Document] = []
    size = 0
    for document in documents:
        part.append(document)
        size += document.text_bytes + len(document.published)
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
