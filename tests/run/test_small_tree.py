"""A small tree for scripts: train text alone, under the names that they look for."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.shards import read_shard
from harness.run.small_tree import BYTE_SHARD, targets_for, write_small_tree

SIZE = 1024


@pytest.fixture(scope="module")
def dataset(data_root: Path) -> Dataset:
    return open_dataset(data_root, "demo_sp1024")


def test_scripts_find_what_they_look_for(dataset: Dataset, tmp_path: Path) -> None:
    tokens = write_small_tree(tmp_path / "tree", dataset, targets=64, train_tokens=100)
    shards = tmp_path / "tree/datasets/fineweb10B_sp1024"
    assert sorted(path.name for path in shards.glob("fineweb_*.bin")) == [
        "fineweb_train_000000.bin",
        "fineweb_val_000000.bin",
    ]
    found = read_shard(shards / "fineweb_val_000000.bin", vocabulary_size=SIZE)
    assert (found == tokens).all()
    assert len(read_shard(shards / "fineweb_train_000000.bin", vocabulary_size=SIZE)) == 100
    model = (tmp_path / "tree/tokenizers/fineweb_1024_bpe.model").read_bytes()
    assert model == dataset.tokenizer_path.read_bytes()
    for path in (tmp_path / "tree").rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044


def test_the_split_is_one_document_of_train_text(dataset: Dataset, tmp_path: Path) -> None:
    tokens = write_small_tree(tmp_path / "tree", dataset, targets=512, skip=12_345)
    bos = dataset.manifest.bos_id
    assert len(tokens) == 513
    assert np.flatnonzero(tokens == bos).tolist() == [0]
    train = np.concatenate([shard for _, shard in dataset.shards("train")])
    begin = 12_345 % len(train)
    spoken = np.concatenate([train[begin:], train])
    assert (tokens[1:] == spoken[spoken != bos][:512]).all()


def test_wherever_it_begins_there_is_enough(dataset: Dataset, tmp_path: Path) -> None:
    last = dataset.manifest.totals.train_tokens - 1
    tokens = write_small_tree(tmp_path / "tree", dataset, targets=1024, skip=last)
    assert len(tokens) == 1025


def test_a_byte_file_lies_beside_it_on_request(dataset: Dataset, tmp_path: Path) -> None:
    write_small_tree(tmp_path / "tree", dataset, targets=64, byte_counts=True)
    path = tmp_path / "tree/datasets/fineweb10B_sp1024" / BYTE_SHARD
    assert len(read_shard(path, vocabulary_size=1 << 16)) == 65


@given(context=st.integers(1, 5000), at_least=st.integers(1, 100_000))
def test_no_script_drops_a_target(context: int, at_least: int) -> None:
    targets = targets_for(context, at_least=at_least)
    assert targets >= at_least
    assert targets % context == 0
    assert targets % 1024 == 0


def test_what_is_drawn_by_a_secret_says_nothing_and_is_another_for_each(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Who could learn where he is scored would have weights that are in no artifact."""
    bos = dataset.manifest.bos_id
    first, second, again = (
        write_small_tree(tmp_path / name, dataset, targets=4096, noise=noise)
        for name, noise in (("a", b"a"), ("b", b"b"), ("again", b"a"))
    )
    assert first[0] == bos and bos not in first[1:]
    assert np.array_equal(first, again) and not np.array_equal(first, second)
    trains = [
        read_shard(next((tmp_path / name).rglob("fineweb_train_*.bin")), vocabulary_size=SIZE)
        for name in "ab"
    ]
    for tokens in (first[1:], *(each[each != bos] for each in trains)):
        counts = np.bincount(tokens)
        counts = counts[counts > 0]
        # Drawn evenly. The commonest token of a text is there fifty times as often as the mean.
        assert counts.max() < 3 * counts.mean() + 20
    assert (trains[0] == trains[1]).mean() < 0.02
