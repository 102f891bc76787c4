"""What lies in place of the validation split: train text of its names and lengths, from a draw."""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.build import imposing
from harness.data.build.decoy import validation_name, write_decoy
from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.manifest import FileEntry, Manifest
from harness.data.format.shards import read_shard, shard_bytes, write_shard
from harness.errors import InfrastructureError
from harness.evidence.draws import DECOY
from harness.safeio.files import sha256_of_bytes

BOS = 1


@pytest.fixture(scope="module", autouse=True)
def nothing_is_waited_for() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


def dataset(root: Path, train: Sequence[Sequence[int]], val: Sequence[int]) -> Dataset:
    """Train shards of these tokens, and validation shards of these lengths."""
    (root / "train").mkdir(parents=True)
    files = []
    for number, tokens in enumerate(train):
        path = f"train/source_{number}.bin"
        write_shard(root / path, np.array(tokens, dtype=np.uint16))
        files.append(entry(path, "train", len(tokens)))
    files += [entry(f"val/source_{n}.bin", "val", count) for n, count in enumerate(val)]
    return Dataset(root, manifest(bos_id=BOS, vocabulary_size=60_000, files=tuple(files)))


def manifest(**fields: Any) -> Manifest:
    """A manifest with the few fields that these tests read."""
    return Manifest.model_construct(**fields)


def entry(path: str, kind: str, tokens: int) -> FileEntry:
    return FileEntry.model_validate(
        {
            "path": path,
            "kind": kind,
            "bytes": shard_bytes(tokens),
            "sha256": "0" * 64,
            "tokens": tokens,
        }
    )


def decoy(source: Dataset, folder: Path, secret: bytes) -> list[list[int]]:
    """The tokens of its files, in the order of their names, each read as a shard."""
    folder.mkdir()
    digests = write_decoy(source, folder, secret=secret)
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == list(digests)
    assert [sha256_of_bytes(path.read_bytes()) for path in paths] == [
        digest.hex() for digest in digests.values()
    ]
    return [read_shard(path, vocabulary_size=60_000).tolist() for path in paths]


tokens = st.lists(st.sampled_from([BOS, 2, 3, 4, 5]), min_size=1, max_size=60)


@given(
    train=st.lists(tokens, min_size=1, max_size=3),
    val=st.lists(st.integers(1, 150), min_size=1, max_size=3),
    secret=st.binary(min_size=32, max_size=32),
    piece=st.sampled_from([3, 1 << 22]),
)
def test_it_is_the_train_stream_round_and_round_from_a_drawn_document(
    train: list[list[int]], val: list[int], secret: bytes, piece: int
) -> None:
    stream = list(itertools.chain(*train))
    if BOS not in stream:
        stream[0] = train[0][0] = BOS
    starts = [place for place, token in enumerate(stream) if token == BOS]
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(imposing, "PIECE_TOKENS", piece)
        found = decoy(dataset(Path(place), train, val), Path(place) / "out", secret)
    assert [len(shard) for shard in found] == val
    begin = starts[int.from_bytes(secret, "big") % len(starts)]
    rounds = itertools.chain(stream[begin:], itertools.cycle(stream[starts[0] :]))
    assert list(itertools.chain(*found)) == list(itertools.islice(rounds, sum(val)))
    assert found[0][0] == BOS


def test_it_follows_from_the_secret_of_plan_and_seed_alone(tmp_path: Path) -> None:
    train = [[BOS, *range(2, 2 + length)] for length in range(3, 40)]
    source = dataset(tmp_path, train, [30])

    def drawn(name: str, nonce: str, seed: int) -> list[list[int]]:
        return decoy(source, tmp_path / name, DECOY.of(nonce, seed))

    assert drawn("a", "n", 5) == drawn("b", "n", 5)
    others = [drawn(f"seed {seed}", "n", seed) for seed in range(20)]
    others += [drawn(f"nonce {seed}", f"n{seed}", 5) for seed in range(20)]
    assert len({str(other) for other in others}) > 15  # of 37 documents


def test_no_stretch_of_it_is_one_of_the_validation_split(tmp_path: Path, data_root: Path) -> None:
    source = open_dataset(data_root, DEMO_NAME)
    (shard,) = decoy(source, tmp_path / "out", DECOY.of("n", 5))
    (true,) = source.manifest.of_kind("val")
    split = read_shard(source.directory / true.path, vocabulary_size=1024)
    assert (validation_name(0), len(shard)) == ("fineweb_val_000000.bin", len(split))
    length = 64
    windows = np.lib.stride_tricks.sliding_window_view
    of_split = {row.tobytes() for row in windows(split, length)}
    theirs = windows(np.array(shard, dtype=split.dtype), length)
    assert not any(row.tobytes() in of_split for row in theirs)


def test_shards_without_a_document_are_damaged(tmp_path: Path) -> None:
    source = dataset(tmp_path, [[2, 3, 4]], [10])
    with pytest.raises(InfrastructureError, match="hold no BOS"):
        decoy(source, tmp_path / "out", b"\0" * 32)
