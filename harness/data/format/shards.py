"""Token shards in the field's format.

A header of 256 little-endian int32 (magic, version, token count, then zeros), followed by the
tokens as little-endian uint16. Source: the ``fineweb_*.bin`` files of modded-nanogpt.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.format.reading import damaged, reading, regular_file_bytes
from harness.safeio.files import write_atomically
from harness.safeio.reading import open_named

MAGIC = 20240520
VERSION = 1
HEADER_BYTES = 1024
TOKEN_BYTES = 2
TOKEN_LIMIT = 1 << 16
CHECK_TOKENS = 1 << 20

Tokens = NDArray[np.uint16]

_HEADER = np.dtype("<i4")
_TOKEN = np.dtype("<u2")


def shard_bytes(tokens: int) -> int:
    """Size in bytes of a shard of ``tokens`` tokens."""
    return HEADER_BYTES + TOKEN_BYTES * tokens


def write_shard(path: Path, tokens: Tokens) -> None:
    """Write ``tokens`` (uint16[N]) as one shard, atomically.

    Raises:
        TypeError: not a one-dimensional uint16 array.
        ValueError: more tokens than the header's int32 can count.
        InfrastructureError: the disk is full or the directory is not writable.
    """
    if tokens.dtype != np.uint16 or tokens.ndim != 1:
        raise TypeError(f"tokens must be uint16[N], not {tokens.dtype}{list(tokens.shape)}")
    write_atomically(path, header_of(len(tokens)) + tokens.astype(_TOKEN, copy=False).tobytes())


def header_of(tokens: int) -> bytes:
    """The header of a shard of so many tokens.

    Raises:
        ValueError: more tokens than the header's int32 can count.
    """
    if tokens > np.iinfo(_HEADER).max:
        raise ValueError(f"a shard holds at most {np.iinfo(_HEADER).max} tokens")
    header = np.zeros(HEADER_BYTES // _HEADER.itemsize, dtype=_HEADER)
    header[:3] = MAGIC, VERSION, tokens
    return header.tobytes()


def read_shard(path: Path, *, vocabulary_size: int) -> Tokens:
    """The tokens of a shard as a read-only ``np.memmap``: uint16[N].

    Raises:
        InfrastructureError: wrong magic, wrong version, a size that contradicts the header, or a
            token outside of the vocabulary; the message names the file and the byte offset.
    """
    tokens = map_shard(path)
    _check_range(path, tokens, vocabulary_size)
    return tokens


def map_shard(path: Path) -> Tokens:
    """Like :func:`read_shard`, but without a check of the tokens: none is read yet."""
    size = regular_file_bytes(path)
    if size < HEADER_BYTES:
        raise damaged(
            path,
            f"truncated: ends at byte offset {size}, inside the header of {HEADER_BYTES} bytes",
        )
    with reading(path), open_named(path) as file:
        magic, version, count = (int(n) for n in np.frombuffer(file.read(12), dtype=_HEADER))
    if magic != MAGIC:
        raise damaged(path, f"wrong magic at byte offset 0: found {magic}, expected {MAGIC}")
    if version != VERSION:
        raise damaged(path, f"wrong version at byte offset 4: found {version}, expected {VERSION}")
    if count < 0:
        raise damaged(path, f"impossible token count at byte offset 8: {count}")
    expected = shard_bytes(count)
    if size < expected:
        raise damaged(
            path,
            f"truncated: ends at byte offset {size}; its {count} tokens need {expected} bytes",
        )
    if size > expected:
        raise damaged(
            path,
            f"{size - expected} bytes too many from byte offset {expected}, "
            f"where its {count} tokens end",
        )
    # The whole file is mapped, because an empty mapping (for a shard without tokens) is refused.
    with reading(path):
        return np.memmap(path, dtype=_TOKEN, mode="r")[HEADER_BYTES // TOKEN_BYTES :]


def _check_range(path: Path, tokens: Tokens, vocabulary_size: int) -> None:
    """Refuse a token that is not in the vocabulary; memory use does not depend on the size."""
    if vocabulary_size >= TOKEN_LIMIT:
        return
    for start in range(0, len(tokens), CHECK_TOKENS):
        chunk = tokens[start : start + CHECK_TOKENS]
        if int(chunk.max()) >= vocabulary_size:
            index = start + int(np.argmax(chunk >= vocabulary_size))
            raise damaged(
                path,
                f"token {int(tokens[index])} at byte offset {shard_bytes(index)} is beyond the "
                f"vocabulary of {vocabulary_size}",
            )


def concatenated(shards: Sequence[Tokens]) -> Tokens:
    """Several shards as one stream; a single shard stays memory-mapped."""
    return shards[0] if len(shards) == 1 else np.concatenate(shards)
