"""One way to make a dataset: any documents, any tokenizer, same bytes every time."""

import gzip
import json
import multiprocessing
import os
import signal
import string
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.data.build import encoding
from harness.data.build.building import TextLost, build_dataset
from harness.data.build.byte_audit import Table
from harness.data.build.encoding import encode_documents
from harness.data.build.tokenizing import document_files, tokenize_documents, tokenizer_at
from harness.data.format.dataset import Dataset, open_dataset
from harness.data.format.documents import read_documents, write_documents
from harness.data.format.manifest import TextRule
from harness.data.format.tokenizers import (
    AnyTokenizer,
    ByteTokenizer,
    Tokenizer,
    TokenizerError,
    load_tokenizer,
    parse_tokenizer,
    train_bpe,
)
from harness.errors import InfrastructureError, UsageError
from tests.factories.playground import harness

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
spaces = st.text(st.sampled_from(" \t\n\u00a0\u2581\u3000ab.\ufb01\u2026\u0301e"), max_size=60)
FIELD = ("fineweb_1024_bpe.model", "fineweb_8192_bpe.model")


def make(
    documents: list[str],
    tokenizer: AnyTokenizer,
    root: Path,
    *,
    name: str = "own",
    text: TextRule = "raw",
    validation_documents: int = 2,
    workers: int = 1,
) -> Dataset:
    return tokenize_documents(
        documents,
        tokenizer,
        root,
        name=name,
        validation_documents=validation_documents,
        source="test",
        text=text,
        workers=workers,
    )


@pytest.fixture(scope="session")
def corpus(dataset: Dataset) -> list[str]:
    return [
        *read_documents(dataset.documents_path),
        *read_documents(dataset.directory / "docs_train.jsonl"),
    ]


@pytest.fixture(scope="session")
def demo_tokenizer(dataset: Dataset) -> AnyTokenizer:
    return load_tokenizer(dataset.tokenizer_path)


def test_the_first_documents_are_validation(
    corpus: list[str], demo_tokenizer: AnyTokenizer, tmp_path: Path
) -> None:
    made = make(corpus[:5], demo_tokenizer, tmp_path)
    opened = open_dataset(tmp_path, "own")
    assert opened.facts() == made.facts()
    assert list(read_documents(opened.documents_path)) == corpus[:2]
    assert list(read_documents(opened.directory / "docs_train.jsonl")) == corpus[2:5]
    assert opened.manifest.totals.validation_bytes == sum(len(t.encode()) for t in corpus[:2])


@pytest.mark.parametrize("text", ["raw", "normalized"])
def test_any_number_of_workers_gives_the_same_bytes(
    corpus: list[str],
    demo_tokenizer: AnyTokenizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: TextRule,
) -> None:
    monkeypatch.setattr(encoding, "BATCH_CHARACTERS", 5000)
    monkeypatch.setattr(encoding, "ALONE_BATCHES", 1)
    many = make(corpus, demo_tokenizer, tmp_path / "a", text=text, workers=2)
    one = make(corpus, demo_tokenizer, tmp_path / "b", text=text, workers=1)
    files = {p.relative_to(many.directory) for p in many.directory.rglob("*") if p.is_file()}
    assert len(files) >= 6
    for name in files:
        assert (many.directory / name).read_bytes() == (one.directory / name).read_bytes(), name


def test_documents_are_not_read_far_ahead(demo_tokenizer: AnyTokenizer) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "x = 1\n" * 1000

    batches = encode_documents(endless(), demo_tokenizer, workers=1)
    first = next(batches)
    assert read <= 2 * encoding.BATCH_CHARACTERS / 6000
    assert np.count_nonzero(first.tokens == demo_tokenizer.bos_id) == len(first.raw)


@pytest.mark.parametrize("times", ["once", "always"])
def test_a_worker_killed_once_costs_nothing_and_again_is_our_error(
    demo_tokenizer: AnyTokenizer, monkeypatch: pytest.MonkeyPatch, times: str
) -> None:
    monkeypatch.setattr(encoding, "BATCH_CHARACTERS", 2000)
    monkeypatch.setattr(encoding, "ALONE_BATCHES", 1)
    documents = [f"y = {number}\n" * 400 for number in range(200)]
    batches = encode_documents(documents, demo_tokenizer, workers=2)
    raw = [*next(batches).raw, *next(batches).raw]
    enough = threading.Event()

    def kill() -> None:
        while True:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)
            if times == "once" or enough.wait(0.05):
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        if times == "once":
            killer.join()
            assert raw + [text for batch in batches for text in batch.raw] == documents
        else:
            with pytest.raises(InfrastructureError, match="ended from outside") as error:
                list(batches)
            assert not isinstance(error.value, TokenizerError)
    finally:
        enough.set()
        killer.join()


def test_workers_import_nothing_from_the_working_directory(
    demo_tokenizer: AnyTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BATCH_CHARACTERS", 2000)
    monkeypatch.setattr(encoding, "ALONE_BATCHES", 1)
    for name in ("multiprocessing", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    assert len(list(encode_documents(["y = 2\n" * 400] * 8, demo_tokenizer, workers=2))) > 2
    assert not (tmp_path / "imported").exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_lossy_tokenizer_is_named_with_document_and_place(
    shared_data: Path, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(shared_data / "tokenizers" / FIELD[0])
    with pytest.raises(TextLost, match=r"document 2: .*character 4 onwards: expected '  spaces'"):
        make(["fine", "two   spaces", "x"], tokenizer, tmp_path)
    with pytest.raises(TextLost) as error:
        make(["a\nline", "fine", "x"], tokenizer, tmp_path)
    assert error.value.document == 1
    assert error.value.problem.startswith("character 1 onwards: expected '\\nline'")
    assert list(tmp_path.iterdir()) == []


def test_train_documents_need_not_come_back(shared_data: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    tokenize_documents(
        ["fine", "a\nline", "b  c", "good"],
        load_tokenizer(shared_data / "tokenizers" / FIELD[0]),
        tmp_path,
        name="own",
        validation_documents=1,
        source="test",
        note=notes.append,
    )
    assert notes[0].startswith("2 of 3 train documents do not come back exactly")
    assert "document 1, character 1" in notes[0]


def test_a_normalized_dataset_keeps_both_texts(shared_data: Path, tmp_path: Path) -> None:
    raw = ["  \ufb01ne,\n\nindeed\u2026 ", "already plain", "train\ntext"]
    tokenizer = load_tokenizer(shared_data / "tokenizers" / FIELD[0])
    made = make(raw, tokenizer, tmp_path, text="normalized")
    opened = open_dataset(tmp_path, "own")
    assert opened.manifest.text == "normalized"
    assert list(read_documents(opened.documents_path)) == ["fine, indeed...", "already plain"]
    assert list(read_documents(made.directory / "docs_raw.jsonl")) == raw[:2]
    assert opened.validation_document_bytes().tolist() == [15, 13]
    # A submission's own tokenizer must restore that text, and cannot choose another.
    text = list(read_documents(opened.documents_path))
    own = make([*text, "x"], ByteTokenizer(), tmp_path, name="bytes")
    assert own.facts().validation_bytes == made.facts().validation_bytes == 28


def test_a_normalization_that_is_no_fixed_point_is_no_loss(
    shared_data: Path, tmp_path: Path
) -> None:
    """NFKC of NFKC may be another text: a ligature and an accent come apart, then together."""
    published = ["\ufb01\u0301n", "plain"]
    reference, other = (load_tokenizer(shared_data / "tokenizers" / model) for model in FIELD)
    made = make([*published, "x"], reference, tmp_path, text="normalized")
    texts = list(read_documents(made.documents_path))
    assert texts[0] == "fi\u0301n"
    assert reference.normalized(texts[0]) == "f\u00edn"
    with pytest.raises(TextLost, match="document 1"):
        make([*texts, "x"], other, tmp_path, name="from_text")
    own = build_dataset(
        ["x"], texts, other.model, tmp_path / "own_tokens", source="test", published_val=published
    )
    assert list(read_documents(own.documents_path)) == texts
    assert own.facts().validation_bytes == made.facts().validation_bytes
    tokens = [1, *other.encode(published[0]).tolist(), 1, *other.encode("plain").tolist()]
    assert own.validation_tokens().tolist() == tokens
    # A tokenizer that changes nothing cannot use the published text, and does not need it.
    exact = build_dataset(
        ["x"], texts, ByteTokenizer().model, tmp_path / "b", source="test", published_val=published
    )
    assert exact.facts().validation_tokens == made.facts().validation_bytes + 2


@pytest.mark.parametrize(("model", "tokens"), [(FIELD[0], 197_276), (FIELD[1], 126_301)])
def test_the_field_s_figures(shared_data: Path, tmp_path: Path, model: str, tokens: int) -> None:
    outcome = harness(
        "data",
        "tokenize",
        shared_data / "english/docs_val.jsonl.gz",
        "--validation-documents",
        "100",
        "--tokenizer",
        shared_data / "tokenizers" / model,
        "--dest",
        tmp_path / "english",
    )
    assert outcome.code == 0, outcome.err
    facts = open_dataset(tmp_path, "english").facts()
    assert facts.validation_tokens == tokens + 100
    assert facts.validation_bytes == 490_760
    assert f"{tokens + 100:,}" in outcome.out


@settings(max_examples=60)
@given(text=any_text | spaces)
@example(text="\u2581")
@example(text=" \u2581 x")
@example(text="\x00\x12\ufeff\u200b\u00ad")
def test_tokens_are_the_normalized_text(shared_data: Path, text: str) -> None:
    """The rule of bytes depends on this: normalizing alone gives the text that encoding keeps."""
    for model in FIELD:
        tokenizer = _loaded(shared_data / "tokenizers" / model)
        tokens = tokenizer.encode(text)
        assert tokenizer.mismatch(tokens, tokenizer.normalized(text)) == ""


_cache: dict[Path, AnyTokenizer] = {}


def _loaded(path: Path) -> AnyTokenizer:
    return _cache.setdefault(path, load_tokenizer(path))


@settings(max_examples=100)
@given(text=any_text)
def test_pure_bytes_give_every_text_back(text: str) -> None:
    tokenizer = ByteTokenizer()
    tokens = tokenizer.encode(text)
    assert tokens.tolist() == [4 + byte for byte in text.encode()]
    assert tokenizer.mismatch(tokens, text) == ""
    assert tokenizer.normalized(text) == text


words = st.text(string.ascii_lowercase + "äß€ \n", min_size=1, max_size=40)


@settings(max_examples=12)
@given(texts=st.lists(words, min_size=4, max_size=12), size=st.integers(270, 340))
def test_bits_per_byte_do_not_depend_on_the_tokenizer_s_table(texts: list[str], size: int) -> None:
    """A model that spends 8 bits on each byte of text has 8 BPB under every tokenizer."""
    try:
        trained = Tokenizer(train_bpe(texts, vocabulary_size=size))
    except InfrastructureError:
        return  # not enough text for so many pieces
    text_bytes = sum(len(text.encode()) for text in texts)
    for tokenizer in (trained, ByteTokenizer()):
        table = Table(tokenizer)
        bits = 0
        for text in texts:
            tokens = tokenizer.encode(text)
            assert tokenizer.mismatch(tokens, text) == ""
            bits += 8 * int(table.by_decoding(tokens).sum())
        assert bits / text_bytes == 8


def test_a_pure_byte_dataset_is_like_any_other(corpus: list[str], tmp_path: Path) -> None:
    tokenizer, name = tokenizer_at("bytes")
    made = tokenize_documents(
        corpus[:4],
        tokenizer,
        tmp_path,
        name="byte260",
        validation_documents=2,
        source="test",
        tokenizer_name=name,
    )
    opened = open_dataset(tmp_path, "byte260")
    assert opened.facts() == made.facts()
    assert opened.facts().vocabulary_size == 260
    assert opened.facts().validation_tokens == opened.facts().validation_bytes + 2
    assert isinstance(load_tokenizer(opened.tokenizer_path), ByteTokenizer)


@pytest.mark.parametrize(
    "content",
    [
        b"{}x",
        b'{"tokenizer_type": "other", "vocab_size": 260}',
        b'{"tokenizer_type": "pure_byte", "vocab_size": 261}',
        b'{"tokenizer_type": "pure_byte", "config": {"byte_offset": 3}, "vocab_size": 260}',
        b'{"tokenizer_type": "pure_byte", "vocab_size": 260, "more": 1}',
    ],
)
def test_what_is_no_byte_tokenizer_is_refused(content: bytes) -> None:
    with pytest.raises(TokenizerError, match="neither a SentencePiece model nor"):
        parse_tokenizer(content)


@pytest.mark.parametrize("count", [0, 10**20])
def test_no_count_of_validation_documents_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match=f"{count} validation documents: must be at least 1"):
        make(["a", "b"], ByteTokenizer(), tmp_path, validation_documents=count)


def test_documents_may_be_packed_or_in_a_directory(tmp_path: Path) -> None:
    write_documents(tmp_path / "docs_val.jsonl", ["a", "b"])
    with gzip.open(tmp_path / "docs_train.jsonl.gz", "wt") as file:
        file.write('{"text": "c"}\n{"text": "d", "more": 1}\n')
    files, count = document_files([tmp_path])
    assert (list(files), count) == (["a", "b", "c", "d"], 2)
    done, total = files.position()
    assert done == total == sum(path.stat().st_size for path in tmp_path.iterdir())
    files, count = document_files([tmp_path / "docs_train.jsonl.gz", tmp_path / "docs_val.jsonl"])
    assert (list(files), count) == (["c", "d", "a", "b"], None)


def packed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_damaged_documents_are_placed(tmp_path: Path) -> None:
    good = gzip.compress(b"".join(b'{"text": "%d"}\n' % n for n in range(20_000)))
    for name, content, problem in (
        ("cut.jsonl.gz", good[: len(good) // 2], r"cut\.jsonl\.gz:\d+: not a whole gzip"),
        ("no.jsonl.gz", b"plain", r"no\.jsonl\.gz:1: not a whole gzip"),
        ("x.jsonl", b'{"text": "a"}\n{"text": 3}\n', ":2: expected an object with a string"),
    ):
        with pytest.raises(UsageError, match=problem):
            list(document_files([packed(tmp_path / name, content)])[0])
    with pytest.raises(UsageError, match=r"absent\.jsonl: no such file"):
        document_files([tmp_path / "absent.jsonl"])
    with pytest.raises(UsageError, match=r"holds neither docs_val\.jsonl nor"):
        document_files([tmp_path])
    with pytest.raises(UsageError, match="a directory; give it alone"):
        document_files([tmp_path, tmp_path / "x.jsonl"])


def test_a_mark_before_and_empty_lines_behind_are_left_out(tmp_path: Path) -> None:
    packed(tmp_path / "docs_val.jsonl", b'\xef\xbb\xbf{"text": "a"}\r\n{"text": "b"}\r\n\r\n\n')
    packed(tmp_path / "docs_train.jsonl", b'{"text": "c"}\n   \n')
    files, count = document_files([tmp_path])
    assert (list(files), count) == (["a", "b", "c"], 2)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b'{"text": "a"}\n\n{"text": "b"}\n', 2, "an empty line between documents"),
        (b'{"text": "a"}\n{text}\n', 2, 'not valid JSON; expected an object such as {"text": '),
        (b'{"text": "a"}\n{"text": "\xff"}\n', 2, "not UTF-8 at byte 10 of the line"),
        (b'{"text": "\\ud800"}\n', 1, "character 0 of the text is half a surrogate pair"),
        ('{"text": "a"}\n'.encode("utf-16"), 1, "begins with the byte order mark of UTF-16"),
    ],
)
def test_own_documents_are_mended_not_copied_again(
    tmp_path: Path, content: bytes, line: int, problem: str
) -> None:
    """The user's file is the user's to mend: exit code 2, and no word of the field's datasets."""
    documents = packed(tmp_path / "own.jsonl", content)
    common = [documents, "--tokenizer", "bytes"]
    made = harness("data", "tokenize", *common, "--dest", tmp_path / "ds",
                   "--validation-documents", "1")  # fmt: skip
    weighed = harness("data", "bytes", *common)
    for outcome in (made, weighed):
        assert outcome.code == 2
        assert f"{documents}:{line}: {problem}" in outcome.err
        assert "remedy: mend that line of the file" in outcome.err
        assert "copy the dataset again" not in outcome.err
    assert not (tmp_path / "ds").exists()


def test_what_the_user_named_is_missing(tmp_path: Path) -> None:
    write_documents(tmp_path / "x.jsonl", ["a"])
    for documents, tokenizer, problem in (
        ("absent.jsonl", "bytes", "absent.jsonl: no such file"),
        ("x.jsonl", "absent.model", "absent.model: no such file"),
        ("x.jsonl", "x.jsonl", "neither a SentencePiece model nor the JSON"),
    ):
        where = tokenizer if tokenizer == "bytes" else tmp_path / tokenizer
        outcome = harness("data", "bytes", tmp_path / documents, "--tokenizer", where)
        assert outcome.code == 2
        assert problem in outcome.err
        assert "copy the dataset again" not in outcome.err


def test_wrong_usage_of_the_command(tmp_path: Path) -> None:
    write_documents(tmp_path / "x.jsonl", ["some text", "more"])
    base = ["data", "tokenize", tmp_path / "x.jsonl", "--tokenizer", "bytes", "--dest"]
    outcome = harness(*base, tmp_path / "own")
    assert outcome.code == 2
    assert "--validation-documents N" in outcome.err
    assert harness(*base, tmp_path / "own", "--validation-documents", "0").code == 2
    assert harness(*base, tmp_path / "o w n", "--validation-documents", "1").code == 2
    assert harness(*base, tmp_path / "own", "--validation-documents", "1").code == 0
    again = harness(*base, tmp_path / "own", "--validation-documents", "1")
    assert again.code == 3
    assert "exists already" in again.err
    assert harness(*base, tmp_path / "own", "--validation-documents", "1", "--force").code == 0
    content = json.loads((tmp_path / "own/manifest.json").read_bytes())
    assert content["source"] == "documents x.jsonl"
