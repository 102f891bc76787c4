"""The order in which a dataset is made, and what is left when the harness is killed."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.format.dataset import Dataset
from harness.data.format.documents import DocumentFiles
from harness.errors import InfrastructureError
from harness.inside import codec as wire
from harness.run.codec import making, proving
from harness.run.codec.documents import Document, ids_of, packed, unpacked
from harness.run.codec.making import in_parts, numbered
from harness.run.codec.parts import PartFacts, Parts
from harness.run.codec.phase import speak as one_sandbox
from harness.run.codec.proving import draw_by_bytes
from harness.run.derived import FOLDER, Limits, clear, kept, only_one, parts_of, set_limits
from tests.factories.results import phase
from tests.run.codec.conftest import TRAIN, VALIDATION, Bench, Benches

Spoken = list[tuple[str, int, list[Document]]]


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Spoken:
    """What each sandbox was shown, in order; small parts, so that there are many."""
    seen: Spoken = []
    real = one_sandbox

    def speak(coder, label, what, documents, answered, **options):  # type: ignore[no-untyped-def]
        seen.append((label, what, list(documents)))
        return real(coder, label, what, documents, answered, **options)

    monkeypatch.setattr(making, "speak", speak)
    monkeypatch.setattr(proving, "speak", speak)
    monkeypatch.setattr("harness.run.codec.making.PART_BYTES", 5000)
    return seen


def test_validation_text_comes_after_the_last_train_id_is_sealed(
    benches: Benches, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches()
    opened: list[list[str]] = []
    real = DocumentFiles

    def watched(paths: Sequence[Path]) -> DocumentFiles:
        if bench.stock.dataset.documents_path in paths:
            opened.append([label for label, _, _ in spoken])
        return real(paths)

    monkeypatch.setattr(making, "DocumentFiles", watched)
    assert bench.problem == ""
    labels = [label for label, _, _ in spoken]
    trained = [label for label in labels if label.startswith("encode-train-")]
    assert len(trained) > 1 and labels[: len(trained)] == trained
    assert opened == [trained]
    for label, what, documents in spoken:
        splits = {document.split for document in documents}
        if label.startswith("encode-"):
            assert splits == {label.split("-")[1]}
        if label.startswith("decode-"):
            # Nobody who decodes is shown a text, and nobody is shown ids of both splits.
            assert what == wire.DECODE and splits == {label.split("-")[1]}
            assert all(len(one.content) == 2 * one.text_bytes for one in documents)
    # Each document was encoded once, and each validation document once more.
    for name, count in (("encode-train", len(TRAIN)), ("encode-validation", len(VALIDATION))):
        numbers = [d.number for label, _, part in spoken for d in part if label.startswith(name)]
        assert sorted(numbers) == list(range(1, count + 1))
    again = [d for label, _, part in spoken for d in part if label.startswith("again")]
    assert sum(d.split == "validation" for d in again) == len(VALIDATION)


def test_who_is_killed_goes_on_where_he_was(benches: Benches, spoken: Spoken) -> None:
    bench = benches()
    whole = bench.prove()
    labels = [label for label, _, _ in spoken]
    assert whole.proof is not None and not whole.proof.problem
    for at in range(len(labels)):
        shutil.rmtree(bench.stock.dataset.directory.parent / FOLDER)
        spoken.clear()
        with pytest.MonkeyPatch.context() as patch:
            _cut_off(patch, labels[at])
            with pytest.raises(KeyboardInterrupt):
                bench.prove()
        assert [label for label, _, _ in spoken] == labels[:at]
        again = bench.prove()
        assert [label for label, _, _ in spoken] == labels
        assert again.proof == whole.proof
        assert [phase.label for phase in again.phases] == labels
    root = bench.stock.dataset.directory.parent / FOLDER
    assert not list(root.glob(".*"))


def _cut_off(patch: pytest.MonkeyPatch, at: str) -> None:
    for module in (making, proving):
        real: Callable[..., object] = module.__dict__["speak"]

        def speak(coder, label, *rest, _real=real, **options):  # type: ignore[no-untyped-def]
            if label == at:
                raise KeyboardInterrupt
            return _real(coder, label, *rest, **options)

        patch.setattr(module, "speak", speak)


def test_a_part_that_was_changed_on_disk_is_made_again(benches: Benches, spoken: Spoken) -> None:
    bench = benches()
    with pytest.MonkeyPatch.context() as patch:
        _cut_off(patch, "encode-validation-1")
        with pytest.raises(KeyboardInterrupt):
            bench.prove()
    root = bench.stock.dataset.directory.parent / FOLDER
    (part,) = root.glob(".*.parts")
    (part / "train-1.bin").write_bytes((part / "train-1.bin").read_bytes()[:-2] + b"\1\0")
    spoken.clear()
    assert bench.problem == ""
    assert [label for label, _, _ in spoken][:2] == ["encode-train-1", "encode-validation-1"]


def test_what_was_left_of_others_is_removed(benches: Benches, spoken: Spoken) -> None:
    bench = benches()
    root = bench.stock.dataset.directory.parent / FOLDER
    other = parts_of(root, "0" * 64)
    other.mkdir(parents=True)
    assert bench.problem == ""
    assert not other.exists()
    other.mkdir()
    assert not clear(root)[1] and not other.exists()


def test_it_is_not_made_where_there_is_no_room(benches: Benches) -> None:
    bench = benches()
    root = bench.stock.dataset.directory.parent / FOLDER
    with only_one(root):
        set_limits(root, Limits(bytes=1000))
    with pytest.raises(InfrastructureError, match="more than the 1,000 that may be kept"):
        bench.prove()


def test_a_dataset_without_its_train_texts_cannot_serve(benches: Benches) -> None:
    bench = benches()
    manifest = bench.stock.dataset.manifest
    files = tuple(entry for entry in manifest.files if entry.kind != "docs_train")
    poor = Dataset(bench.stock.dataset.directory, manifest.model_copy(update={"files": files}))
    bench.stock.__dict__["dataset"] = poor
    with pytest.raises(InfrastructureError, match="docs_train"):
        bench.prove()


def test_what_it_is_kept_by(benches: Benches) -> None:
    """Another file of the entry, other limits and another sandbox make another dataset."""
    bench: Bench = benches()
    assert bench.problem == ""
    assert bench.allowed(memory_bytes=3 << 30).problem == ""
    assert len(kept(bench.stock.dataset.directory.parent / FOLDER)) == 2


def test_parts_are_cut_by_bytes_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.codec.making.PART_BYTES", 10)
    texts = ["abc", "", "d" * 30, "ef", "g" * 8, "h"]
    parts = list(in_parts(numbered(texts, train=True)))
    assert [[d.content.decode() for d in part] for part in parts] == [
        ["abc", "", "d" * 30],
        ["ef", "g" * 8],
        ["h"],
    ]
    assert [d.number for part in parts for d in part] == [1, 2, 3, 4, 5, 6]


@given(
    st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=8),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_a_stream_is_taken_apart_wherever_it_was_cut(
    documents: list[list[int]], cuts: list[int]
) -> None:
    stream = np.array([one for document in documents for one in (0, *document)], dtype=np.uint16)
    shards = np.split(stream, sorted({min(cut, len(stream)) for cut in cuts}))
    assert [ids.tolist() for ids in ids_of(shards, 0)] == documents


def test_a_stream_without_bos_is_refused() -> None:
    with pytest.raises(InfrastructureError):
        list(ids_of([np.array([5, 0], dtype=np.uint16)], 0))
    assert list(ids_of([], 0)) == []


@given(st.lists(st.integers(0, 65_535), max_size=50))
def test_ids_are_sent_as_they_are(ids: list[int]) -> None:
    assert unpacked(packed(np.array(ids, dtype=np.uint16))).tolist() == ids


def test_train_documents_are_drawn_by_their_bytes() -> None:
    is_drawn = draw_by_bytes("a" * 32, mean_bytes=1000)
    short = sum(is_drawn(100) for _ in range(100_000))
    mean = sum(is_drawn(1000) for _ in range(100_000))
    long = sum(is_drawn(100_000) for _ in range(1000))
    assert 150 < short < 260 and 1800 < mean < 2200 and long > 800
    again, other = (draw_by_bytes(nonce * 32, mean_bytes=1000) for nonce in "ab")
    first = [again(1000) for _ in range(300)]
    assert first != [other(1000) for _ in range(300)]


def test_a_part_is_there_once_its_facts_are(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts")
    assert parts.kept("one") is None
    facts = PartFacts(
        phase=phase("encode-train-1"),
        documents=1,
        text_bytes=2,
        vocabulary_size=5,
        bos_id=0,
    )
    parts.keep("one", facts, b"\1\0")
    found = parts.kept("one")
    assert found is not None and found.sha256 and found.documents == 1
    parts.path("one").unlink()
    assert parts.kept("one") is None
    (tmp_path / "parts" / "two.json").write_text("{}")
    assert parts.kept("two") is None
