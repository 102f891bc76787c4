"""SentencePiece models in sandboxes: the same tokens as the library makes on the host."""

import io
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentencepiece import SentencePieceTrainer

from harness.contest.track import Tokenizing
from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import DocumentFiles, read_documents
from harness.data.format.normal_form import normal
from harness.data.format.shards import Tokens
from harness.data.format.tokenizers import Tokenizer, train_bpe
from harness.evidence.results import TokenizerProof
from harness.inside import codec as wire
from harness.run.codec import models
from harness.run.codec.documents import CodecError, Document, Stated
from harness.run.codec.pieces import Pieces
from harness.run.codec.texts import Proven, texts_of_code
from harness.run.texts import StockTexts
from harness.run.tokenizing import NormalTokenizer, OwnTokenizer
from tests.factories.own_models import FACTS, coder, in_own_tokens, proven
from tests.factories.plans import entry
from tests.run.codec.conftest import TRAIN, VALIDATION


def own(model: bytes) -> NormalTokenizer:
    return NormalTokenizer("own.model", "tokenizer.model", normal(model).model)


def trained(texts: list[str], **options: Any) -> bytes:
    model = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 300,
        "byte_fallback": True,
        "minloglevel": 2,
    }
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, **(settings | options)
    )
    return model.getvalue()


def on_the_host(dataset: Dataset, tokenizer: NormalTokenizer, place: Path) -> Dataset:
    """The dataset as the library makes it in one process, published texts first."""
    raw = [dataset.directory / one.path for one in dataset.manifest.of_kind("docs_raw")]
    return build_dataset(
        DocumentFiles([dataset.directory / e.path for e in dataset.manifest.of_kind("docs_train")]),
        DocumentFiles([dataset.documents_path]),
        tokenizer.model,
        place,
        source="t",
        published_val=DocumentFiles(raw) if raw else None,
        workers=1,
    )


def streams(dataset: Dataset) -> tuple[Tokens, Tokens]:
    train = [tokens for _, tokens in dataset.shards("train")]
    return np.concatenate(train), dataset.validation_tokens()


def same(made: Dataset, host: Dataset) -> None:
    for mine, theirs in zip(streams(made), streams(host), strict=True):
        assert np.array_equal(mine, theirs)
    assert made.tokenizer_path.read_bytes() == host.tokenizer_path.read_bytes()
    assert made.tokenizer_path.name == host.tokenizer_path.name == "tokenizer.model"
    assert made.documents_path.read_bytes() == host.documents_path.read_bytes()
    facts = (made.manifest.vocabulary_size, made.manifest.bos_id, made.manifest.totals)
    assert facts == (host.manifest.vocabulary_size, host.manifest.bos_id, host.manifest.totals)


def proof_of(outcome: Proven | str) -> TokenizerProof:
    assert isinstance(outcome, Proven) and outcome.proof is not None, outcome
    return outcome.proof


@pytest.mark.long
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_the_demo_dataset_has_the_ids_that_the_library_makes(
    data_root: Path, tmp_path: Path, kind: str
) -> None:
    stock = open_dataset(data_root, "demo_sp1024")
    texts = list(read_documents(stock.directory / "docs_train.jsonl"))[:60]
    options: dict[str, Any] = {
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
    }
    model = trained(texts, model_type=kind, vocab_size=600, **options)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/demo_sp1024").symlink_to(stock.directory)
    dataset = Dataset(tmp_path / "data/demo_sp1024", stock.manifest)
    brought = OwnTokenizer("own.model", "tokenizer.model", model)
    with ExitStack() as holds:
        outcome = proven(brought, StockTexts(dataset, None), tmp_path, holds=holds)
        proof = proof_of(outcome)
        assert not proof.problem
        assert proof.sha256 == brought.sha256 and proof.bytes == len(model)
        assert proof.normal_form_sha256 == own(model).sha256
        assert isinstance(outcome, Proven)
        # Train documents are asked about again, but need not come back.
        labels = [phase.label for phase in outcome.phases]
        assert labels == [
            "encode-train-1",
            "encode-validation-1",
            "again-validation-1",
            "decode-validation-1",
        ]
        runs = coder(own(model), tmp_path)
        found = texts_of_code(
            runs, entry(), FACTS, StockTexts(dataset, None), proof, holds=holds
        ).scored
        same(found, on_the_host(dataset, own(model), tmp_path / "host"))
    # Its sandboxes saw our code and the normal form, and nothing else.
    shown = {path.name: path.read_bytes() for path in runs.code.iterdir()}
    assert set(shown) == {"pieces.py", "tokenizer.model"}
    assert shown["tokenizer.model"] == own(model).model


@pytest.mark.long
@pytest.mark.parametrize("size", [300, 310])
def test_published_text_is_encoded_first_and_the_text_that_is_counted_next(
    tmp_path: Path, size: int
) -> None:
    """NFKC of NFKC may be another text, and white space may be folded: see ``building.py``."""
    published = [
        "\ufb01\u0301n",
        "plain",
        "  two  spaces\n",
        "",
        "\u00a0x \ufb01ne\u2026",
        "NUL \0",
    ]
    train = ["x", "train \ufb01\u0301 \ufdfa text ", "\ufdfa" * 5, *TRAIN]
    reference, content = Tokenizer(trained(TRAIN)), trained(TRAIN, vocab_size=size)
    assert reference.normalized(reference.normalized(published[0])) == "f\u00edn"
    made = build_dataset(
        train, published, reference.model, tmp_path / "data/d", source="t", text="normalized"
    )
    mine = own(content)
    brought = OwnTokenizer("own.model", "tokenizer.model", content)
    stock = StockTexts(made, None)
    with ExitStack() as holds:
        proof = proof_of(proven(brought, stock, tmp_path, holds=holds))
        assert not proof.problem
        found = in_own_tokens(mine, made, tmp_path, holds=holds).dataset
        assert found is not None
        same(found, on_the_host(made, mine, tmp_path / "host"))
    # One that changes nothing needs the text that is counted.
    exact = train_bpe(TRAIN, vocabulary_size=300)
    with ExitStack() as holds:
        brought = OwnTokenizer("own.model", "tokenizer.model", exact)
        assert not proof_of(proven(brought, stock, tmp_path, holds=holds)).problem
        found = in_own_tokens(own(exact), made, tmp_path, holds=holds).dataset
        assert found is not None
        same(found, on_the_host(made, own(exact), tmp_path / "exact"))


def test_all_kinds_of_text_have_the_ids_that_the_library_makes(tmp_path: Path) -> None:
    model = train_bpe(TRAIN, vocabulary_size=300)
    dataset = build_dataset(TRAIN, VALIDATION, model, tmp_path / "data/d", source="t")
    with ExitStack() as holds:
        found = in_own_tokens(own(model), dataset, tmp_path, holds=holds).dataset
        assert found is not None
        same(found, on_the_host(dataset, own(model), tmp_path / "host"))


def test_one_that_needs_too_much_memory_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = (Path(__file__).parents[2] / "factories/memory_bomb.model").read_bytes()
    model = train_bpe(TRAIN, vocabulary_size=300)
    texts = [one.read_text() for one in Path(__file__).parent.glob("test_*.py")]
    dataset = build_dataset(texts, VALIDATION, model, tmp_path / "data/d", source="t")
    allowed: Tokenizing = models.ALLOWED.model_copy(update={"memory_bytes": 1 << 30})
    monkeypatch.setattr(models, "ALLOWED", allowed)
    with ExitStack() as holds:
        found = in_own_tokens(own(bomb), dataset, tmp_path, holds=holds)
    assert found.dataset is None and found.failed is not None
    assert found.failed.problem.startswith("own.model: encoding train document ")
    assert "needs more memory than it may have" in found.failed.problem


def test_one_without_bos_cannot_serve(tmp_path: Path) -> None:
    model = train_bpe(TRAIN, vocabulary_size=300)
    dataset = build_dataset(TRAIN, VALIDATION, model, tmp_path / "data/d", source="t")
    without = OwnTokenizer("own.model", "tokenizer.model", trained(TRAIN, bos_id=-1))
    with ExitStack() as holds:
        proof = proof_of(proven(without, StockTexts(dataset, None), tmp_path, holds=holds))
    assert proof.problem.startswith("own.model: has no bos_id")


def test_what_an_answer_may_hold_follows_from_the_normal_form() -> None:
    """The library is not believed: which ids stand for text is known without it."""
    model = normal(train_bpe(TRAIN, vocabulary_size=300)).model
    pieces, host = Pieces.of("own.model", "", model), Tokenizer(model)
    assert np.array_equal(pieces.textless, host.textless)
    one, stated = Document("validation", 7, b"abc", 3), Stated(300, 1)
    pieces.check(one, np.array([10, 299], np.uint16), stated)
    pieces.check(replace(one, split="train"), np.array([0], np.uint16), stated)
    with pytest.raises(CodecError, match="id 1 is the special id 3, which stands for no text"):
        pieces.check(one, np.array([10, 3], np.uint16), stated)
    with pytest.raises(CodecError, match="another vocabulary_size"):
        pieces.check(one, np.array([10], np.uint16), Stated(301, 1))


def test_a_published_text_is_sent_before_the_one_that_is_counted() -> None:
    both = Document("validation", 1, b"text", 4, b"published")
    assert both.asked(wire.ENCODE) == b"text"
    assert both.asked(wire.ENCODE_EITHER) == b"\x09\0\0\0publishedtext"
    assert both.encoded(np.array([5], np.uint16)).published == b""
