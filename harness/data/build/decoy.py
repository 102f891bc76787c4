"""Text that lies in place of the validation split where a script is shown one.

A script that learns from the split before it writes its artifact learns nothing of the text that it
will be scored on. It may well find out: the true split is public. Then it knows that it learns
something useless, and nothing else.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.data.build.imposing import TrainStream, write_synced
from harness.data.format.dataset import Dataset
from harness.data.format.shards import Tokens


def validation_name(number: int) -> str:
    """The name of a validation shard, as upstream's scripts look for it."""
    return f"fineweb_val_{number:06d}.bin"


def write_decoy(dataset: Dataset, folder: Path, *, secret: bytes) -> dict[str, bytes]:
    """Write train text as files of the names and lengths that the validation split has.

    It begins with a document that is drawn and goes on in the order of the shards, from the last
    one back to the first document. Files are synced to disk, so that writing them back later slows
    nobody down.

    Args:
        dataset: checked; BOS begins each document.
        folder: has none of these files.
        secret: what is drawn from.

    Returns:
        The SHA-256 of each file, by name.

    Raises:
        InfrastructureError: the train shards hold no document, or the disk is full.
    """
    stream = TrainStream.of(dataset)
    starts = stream.documents(dataset)
    place = int(starts[int.from_bytes(secret, "big") % len(starts)])
    digests = {}
    for number, shard in enumerate(dataset.manifest.of_kind("val")):
        path, tokens = folder / validation_name(number), shard.tokens or 0
        pieces = _around(stream, place, tokens, first=int(starts[0]))
        digests[path.name] = write_synced(path, pieces, tokens)
        place = _after(stream, place, tokens, first=int(starts[0]))
    return digests


def _after(stream: TrainStream, place: int, tokens: int, *, first: int) -> int:
    """The place that so many tokens lead to, round and round from ``first`` to the end."""
    return first + (place - first + tokens) % (stream.tokens - first)


def _around(stream: TrainStream, place: int, tokens: int, *, first: int) -> Iterator[Tokens]:
    while tokens:
        end = min(stream.tokens, place + tokens)
        yield from stream.pieces(place, end)
        tokens -= end - place
        place = first
