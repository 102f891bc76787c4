"""The train shards of one run: whole documents of the dataset, none twice, none that is denied."""

import hashlib
import itertools
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.build import imposing
from harness.data.build.imposing import most_shown_bytes, write_shown
from harness.data.format.dataset import Dataset
from harness.data.format.manifest import FileEntry, Manifest
from harness.data.format.shards import read_shard, shard_bytes, write_shard
from harness.errors import InfrastructureError
from harness.evidence.imposed import recipe_of
from harness.evidence.results import Shown
from harness.safeio.files import digest_of_named

Document = tuple[int, ...]
BOS, SIZE, SHARE = 1, 60_000, 0.1


@pytest.fixture(scope="module", autouse=True)
def nothing_is_waited_for() -> Iterator[None]:
    """A hundred examples of ten files each need not be synced to disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


def dataset(root: Path, tokens: Sequence[int], cuts: Sequence[int]) -> Dataset:
    """The tokens as one stream, cut into shards at ``cuts``, wherever documents begin."""
    (root / "train").mkdir(parents=True)
    files = []
    stream = np.array(tokens, dtype=np.uint16)
    for number, (start, end) in enumerate(itertools.pairwise([0, *sorted(cuts), len(stream)])):
        path = f"train/source_{number}.bin"
        write_shard(root / path, stream[start:end])
        count = end - start
        files.append(
            FileEntry(
                path=path, kind="train", bytes=shard_bytes(count), sha256="0" * 64, tokens=count
            )
        )
    made = manifest(bos_id=BOS, vocabulary_size=SIZE, files=tuple(files))
    return Dataset(root, made)


def manifest(**fields: Any) -> Manifest:
    """A manifest with the few fields that these tests read."""
    return Manifest.model_construct(**fields)


def show(source: Dataset, folder: Path, *, nonce: str = "n", seed: int = 5) -> Shown:
    folder.mkdir()
    return write_shown(source, folder, nonce=nonce, seed=seed, denied_share=SHARE)


def documents_in(folder: Path) -> list[list[Document]]:
    """The documents of each file, in the order of the names; each begins with BOS."""
    found = []
    for path in sorted(folder.iterdir()):
        tokens = read_shard(path, vocabulary_size=SIZE).tolist()
        assert tokens[0] == BOS
        starts = [place for place, token in enumerate(tokens) if token == BOS]
        found.append([tuple(tokens[a:b]) for a, b in itertools.pairwise([*starts, len(tokens)])])
    return found


@st.composite
def sources(draw: st.DrawFn) -> tuple[list[Document], list[int], list[int]]:
    """Documents, tokens before the first one, and where the shards are cut."""
    lengths = draw(st.lists(st.integers(0, 40) | st.integers(0, 400), min_size=1, max_size=80))
    documents = [
        (BOS, *(2 + (7 * number + place) % 5000 for place in range(length)))
        for number, length in enumerate(lengths)
    ]
    before = draw(st.lists(st.integers(2, 9), max_size=3))
    total = len(before) + sum(map(len, documents))
    cuts = draw(st.lists(st.integers(0, total), max_size=8))
    return documents, before, cuts


@given(source=sources(), seed=st.integers(0, 2**31 - 1))
def test_what_is_shown_is_whole_and_is_all_but_what_is_denied(
    source: tuple[list[Document], list[int], list[int]], seed: int
) -> None:
    documents, before, cuts = source
    tokens = [*before, *itertools.chain(*documents)]
    with tempfile.TemporaryDirectory() as name:
        made = dataset(Path(name, "source"), tokens, cuts)
        facts = show(made, Path(name, "shown"), seed=seed)
        files = documents_in(Path(name, "shown"))
        names = sorted(path.name for path in Path(name, "shown").iterdir())
    asked = {"nonce": "n", "seed": seed, "denied_share": SHARE}
    recipe = recipe_of(**asked, documents=len(documents), files=len(files))  # type: ignore[arg-type]
    kept = [documents[number] for number in recipe.shown()]
    stretches = [files[number] for number in recipe.order]
    assert list(itertools.chain(*stretches)) == kept  # whole, once each, in the drawn order
    denied = Counter(documents[number] for number in np.flatnonzero(recipe.denied))
    assert Counter(kept) + denied == Counter(documents)
    assert names == [f"fineweb_train_{number:06d}.bin" for number in range(len(files))]
    wanted = max(1, int((len(cuts) + 1) * (1 - SHARE) + 0.5))
    assert len(files) == min(wanted, len(kept))
    sizes = [sum(map(len, file)) for file in files]
    assert all(sizes)
    longest = max(map(len, kept))
    assert all(abs(size - sum(sizes) / len(sizes)) <= longest for size in sizes)
    assert facts.recipe_sha256 == recipe.sha256()
    assert (facts.files, facts.documents, facts.tokens) == (len(files), len(kept), sum(sizes))
    assert facts.denied_documents == denied.total()
    assert facts.tokens + facts.denied_tokens == len(tokens)


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    """Three hundred documents in five shards; no document ends where a shard does."""
    documents = [[BOS, *range(100 + number, 120 + number)] for number in range(300)]
    return dataset(tmp_path / "source", list(itertools.chain(*documents)), [1000, 2500, 4001, 5000])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_draw_shows_the_same_bytes(source: Dataset, tmp_path: Path) -> None:
    one, again = (show(source, tmp_path / name) for name in ("one", "again"))
    assert one == again
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    digests = {
        name: hashlib.sha256(content).digest()
        for name, content in contents(tmp_path / "one").items()
    }
    assert one.sha256 == digest_of_named(digests)


@pytest.mark.parametrize(("nonce", "seed"), [("n", 6), ("m", 5)])
def test_another_draw_shows_others_under_the_same_names(
    source: Dataset, tmp_path: Path, nonce: str, seed: int
) -> None:
    one = show(source, tmp_path / "one")
    other = show(source, tmp_path / "other", nonce=nonce, seed=seed)
    assert one.sha256 != other.sha256 and one.recipe_sha256 != other.recipe_sha256
    shown = [set(itertools.chain(*documents_in(tmp_path / name))) for name in ("one", "other")]
    assert 0.75 * 300 < len(shown[0] & shown[1]) < 0.87 * 300  # 81 of a hundred in common
    assert contents(tmp_path / "one").keys() == contents(tmp_path / "other").keys()


def test_sorted_by_content_runs_differ_in_what_is_missing_alone(
    source: Dataset, tmp_path: Path
) -> None:
    """All that a cheater can undo is undone; two different sets of documents are left."""
    show(source, tmp_path / "one", seed=1)
    show(source, tmp_path / "other", seed=2)
    one, other = (
        sorted(itertools.chain(*documents_in(tmp_path / name))) for name in ("one", "other")
    )
    assert one != other
    missing = set(one) ^ set(other)
    assert 0.13 < len(missing) / 300 < 0.2  # 0.18 on average, less what both deny
    assert [d for d in one if d not in missing] == [d for d in other if d not in missing]


def test_no_file_shares_an_inode_with_the_dataset(source: Dataset, tmp_path: Path) -> None:
    show(source, tmp_path / "shown")
    inodes = {path.stat().st_ino for path in source.train_directory.iterdir()}
    for path in (tmp_path / "shown").iterdir():
        status = path.stat()
        assert status.st_ino not in inodes and status.st_nlink == 1
        assert status.st_mode & 0o777 == 0o644  # the sandbox's user is another one


def test_shards_without_any_document_are_refused(tmp_path: Path) -> None:
    made = dataset(tmp_path / "source", [5, 6, 7], [])
    with pytest.raises(InfrastructureError, match=r"source_0.*no BOS \(id 1\)"):
        show(made, tmp_path / "shown")


def test_memory_does_not_grow_with_the_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imposing, "PIECE_TOKENS", 1 << 16)
    document = [BOS, *range(2, 40_001)]
    made = dataset(tmp_path / "source", document * 200, [3_000_000])
    tracemalloc.start()
    facts = show(made, tmp_path / "shown")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 2 * facts.tokens > 14_000_000
    assert peak < 3_000_000


def test_disk_is_reckoned_before_a_tokenizer_was_used() -> None:
    def texts(text_bytes: int, documents: int) -> FileEntry:
        return FileEntry(
            path="docs_train.jsonl",
            kind="docs_train",
            bytes=1,
            sha256="0" * 64,
            documents=documents,
            text_bytes=text_bytes,
        )

    shard = FileEntry(
        path="train/a.bin", kind="train", bytes=shard_bytes(100), sha256="0" * 64, tokens=100
    )
    made = manifest(files=(shard, texts(400, 10)))
    assert most_shown_bytes(made, own_tokenizer=False) == shard_bytes(100)
    # 400 bytes of text, a beginning and a space each: pure bytes are fewer.
    assert most_shown_bytes(made, own_tokenizer=True) >= shard_bytes(410)
