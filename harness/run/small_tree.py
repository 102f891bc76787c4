"""A small tree of train text under the names that upstream's scripts look for.

A script that is only brought to its evaluation, or only tried out, needs some tokens to load. What
stands in place of the validation split is train text as well, so that no script is shown a
validation token but those that the model is asked about. Where it is scored, it is no text at all:
who could learn there would have weights that are in no artifact, made on no clock.
"""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.contest.bridge import Bridge
from harness.contest.driven import segment_of
from harness.contest.track import Track
from harness.data.build.decoy import validation_name
from harness.data.build.imposing import TrainStream, file_name
from harness.data.format.dataset import Dataset
from harness.data.format.shards import Tokens, write_shard
from harness.errors import InfrastructureError
from harness.run.script_job import Script
from harness.safeio.files import disk_errors
from harness.upstream.tree import shards_folder, tokenizer_file

BYTE_SHARD = "fineweb_val_bytes_000000.bin"
TRAIN_TOKENS = 1 << 18
FEWEST_TARGETS, FEWEST_TARGETS_SMALL = 1 << 17, 1 << 13
"""Of the validation split: as many as fill a batch of a script at its full size, or made small."""
FEWEST_CHUNKS = 3
"""Of a loop that learns from them: it does not from the last."""
_BYTES_A_TOKEN = 3

Rewrite = Callable[[Tokens], Tokens]
"""Other tokens in place of the validation split: uint16[N], as many as before."""


def targets_for(context: int, *, at_least: int) -> int:
    """A number of validation targets of which no script drops any.

    Scripts cut their validation tokens to whole windows, and to whole batches of them, which hold
    powers of two.
    """
    unit = math.lcm(context, 1 << 10)
    return unit * -(-at_least // unit)


def small_script(
    bridge: Bridge,
    code: Path,
    track: Track,
    dataset: Dataset,
    folder: Path,
    *,
    accelerators: tuple[str, ...],
    skip: int,
    rewrite: Rewrite = lambda tokens: tokens,
    noise: bytes | None = None,
) -> tuple[Script, Tokens]:
    """A script on a small tree, written to ``folder``; and its validation tokens, uint16[N]."""
    windows = bridge.windows_on(rehearsal=track.rehearsal)
    least = FEWEST_TARGETS_SMALL if track.rehearsal else FEWEST_TARGETS
    if segment_of(bridge, track.adaptive, rehearsal=track.rehearsal).targets:
        least = max(least, FEWEST_CHUNKS * (bridge.chunk_on(rehearsal=track.rehearsal) or 0))
    validation = write_small_tree(
        folder,
        dataset,
        targets=targets_for(windows.context if windows else 1, at_least=least),
        byte_counts=bridge.vocabulary.byte_counts,
        skip=skip,
        rewrite=rewrite,
        noise=noise,
    )
    script = Script(
        bridge=bridge,
        code=code,
        data=folder,
        vocabulary_size=dataset.manifest.vocabulary_size,
        decoy_tokens=len(validation),
        limits=track.sandbox,
        small=track.rehearsal,
        accelerators=accelerators,
    )
    return script, validation


def write_small_tree(
    folder: Path,
    dataset: Dataset,
    *,
    targets: int,
    byte_counts: bool = False,
    train_tokens: int = TRAIN_TOKENS,
    skip: int = 0,
    rewrite: Rewrite = lambda tokens: tokens,
    noise: bytes | None = None,
) -> Tokens:
    """Write a small tree, and return what stands in place of the validation split.

    That begins with BOS and has no other: later scripts look at each document by itself, and the
    loss that they print can be compared with ours in one document alone.

    Args:
        folder: becomes the root of the tree; made, and readable for everybody.
        dataset: in the tokens of the script; its train shards are taken.
        targets: of the validation split; it has one token more.
        byte_counts: whether a file with the bytes of each validation token is wanted beside it.
        train_tokens: of the train shard.
        skip: where in the train text it begins; any number, a drawn one where that matters.
        rewrite: makes the validation split of those tokens.
        noise: a secret; tokens drawn by it, evenly among those that occur, stand in place of all
            text then, and only BOS is where it was.

    Raises:
        InfrastructureError: the dataset has no train text, or the disk failed.
    """
    size = dataset.manifest.vocabulary_size
    shards, tokenizer = folder / shards_folder(size), folder / tokenizer_file(size)
    text = _train_text(dataset, begin=skip, count=2 * targets + train_tokens)
    bos = dataset.manifest.bos_id
    if noise is not None:
        text = _drawn(text, bos=bos, secret=noise)
    spoken = text[text != bos][:targets]
    if len(spoken) < targets:
        raise InfrastructureError(
            f"the train shards of dataset {dataset.manifest.name} hold no text",
            remedy="build it again: see harness data",
        )
    validation = rewrite(np.concatenate([[bos], spoken]).astype(np.uint16))
    with disk_errors(folder):
        for place in (shards, tokenizer.parent):
            place.mkdir(parents=True)
        write_shard(shards / file_name(0), text[-train_tokens:])
        write_shard(shards / validation_name(0), validation)
        if byte_counts:
            counts = np.full(len(validation), _BYTES_A_TOKEN, np.uint16)
            write_shard(shards / BYTE_SHARD, counts)
        shutil.copyfile(dataset.tokenizer_path, tokenizer)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    return validation


def _train_text(dataset: Dataset, *, begin: int, count: int) -> Tokens:
    """So many train tokens, from the ``begin``-th on, after the last of them from the first."""
    stream = TrainStream.of(dataset)
    if not stream.tokens:
        return np.empty(0, np.uint16)
    parts, place = [], begin % stream.tokens
    while count > 0:
        end = min(place + count, stream.tokens)
        parts += list(stream.pieces(place, end))
        count, place = count - (end - place), 0
    return np.concatenate(parts)


def _drawn(text: Tokens, *, bos: int, secret: bytes) -> Tokens:
    """As many tokens that say nothing."""
    kinds = np.unique(text[text != bos])
    if not len(kinds):
        return text
    drawn = np.random.default_rng(int.from_bytes(secret, "big")).choice(kinds, len(text))
    return np.where(text == bos, text, drawn).astype(np.uint16)
