import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.format.dataset import DEMO_NAME, Dataset, open_dataset
from harness.data.format.documents import read_documents
from harness.data.format.shards import read_shard, write_shard
from harness.data.format.tokenizers import Tokenizer
from harness.errors import InfrastructureError, UsageError
from tests.data.conftest import Folder


def test_it_opens_with_the_figures_of_its_files(dataset: Dataset) -> None:
    steps: list[tuple[str, int, int]] = []
    opened = open_dataset(
        dataset.directory.parent, DEMO_NAME, progress=lambda *step: steps.append(step)
    )
    assert opened == dataset
    facts = opened.facts()
    tokens = opened.validation_tokens()
    byte_counts = opened.validation_document_bytes()
    texts = [json.loads(line)["text"] for line in opened.documents_path.open("rb")]
    assert facts.digest == opened.digest
    assert facts.validation_tokens == len(tokens)
    assert facts.validation_documents == len(texts) == len(byte_counts)
    assert byte_counts.tolist() == [len(text.encode()) for text in texts]
    assert facts.validation_bytes == byte_counts.sum()
    assert facts.vocabulary_size == 1024
    assert 0 < facts.baselines["witten_bell_bigram"] < facts.baselines["unigram"] < 8
    assert isinstance(tokens, np.memmap)
    assert [p.name for p in opened.train_directory.iterdir()] == ["fineweb_train_000000.bin"]
    assert [p for p in opened.tokenizer_path.parent.iterdir()] == [opened.tokenizer_path]
    assert steps
    assert all(0 <= done <= total for _, done, total in steps)


def test_the_stream_is_bos_and_tokens_of_each_document(dataset: Dataset) -> None:
    tokenizer = Tokenizer.load(dataset.tokenizer_path)
    expected = [
        token
        for text in read_documents(dataset.documents_path)
        for token in [1, *tokenizer.encode(text).tolist()]
    ]
    assert dataset.validation_tokens().tolist() == expected


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


def make_link(path: Path) -> None:
    path.rename(path.parents[2] / "elsewhere")
    path.symlink_to(path.parents[2] / "elsewhere")


def link_folder(path: Path) -> None:
    path.parent.rename(path.parents[2] / "elsewhere")
    path.parent.symlink_to(path.parents[2] / "elsewhere")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: list[tuple[str, Callable[[Folder], object], str, str]] = [
    ("train byte", lambda f: flip_a_byte(f.train), "fineweb_train_000000.bin", "sha256 is "),
    ("val byte", lambda f: flip_a_byte(f.val), "fineweb_val_000000.bin", "sha256 is "),
    ("text byte", lambda f: flip_a_byte(f.documents), "docs_val.jsonl", "sha256 is "),
    (
        "tokenizer byte",
        lambda f: flip_a_byte(f.path / "tokenizer/demo_1024_bpe.model"),
        "demo_1024_bpe.model",
        "sha256 is ",
    ),
    ("absent shard", lambda f: f.train.unlink(), "fineweb_train_000000.bin", "missing"),
    ("absent documents", lambda f: f.documents.unlink(), "docs_val.jsonl", "missing"),
    ("longer", lambda f: append(f.val, b"xx"), "fineweb_val_000000.bin", "the manifest says"),
    ("empty", lambda f: f.val.write_bytes(b""), "fineweb_val_000000.bin", "0 bytes"),
    ("link", lambda f: make_link(f.train), "fineweb_train_000000.bin", "symbolic link"),
    ("linked folder", lambda f: link_folder(f.train), "train", "symbolic link"),
    ("folder", lambda f: make_folder(f.val), "fineweb_val_000000.bin", "not a regular file"),
    (
        "unlisted shard",
        lambda f: shutil.copy(f.val, f.train.parent / "fineweb_val_000000.bin"),
        "train",
        "'fineweb_val_000000.bin' is not listed",
    ),
    (
        "hidden file beside the tokenizer",
        lambda f: append(f.path / "tokenizer/.targets", b"x"),
        "tokenizer",
        "'.targets' is not listed",
    ),
    (
        "other name",
        lambda f: f.edit_manifest(lambda c: c.update(name="demo2")),
        "manifest.json",
        "expected 'demo_sp1024', found 'demo2'",
    ),
]


@pytest.mark.parametrize(
    ("damage", "file", "problem"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE]
)
def test_damage_is_refused(
    folder: Folder, damage: Callable[[Folder], object], file: str, problem: str
) -> None:
    open_dataset(folder.root, DEMO_NAME)
    damage(folder)
    with pytest.raises(InfrastructureError) as error:
        open_dataset(folder.root, DEMO_NAME)
    assert f"{file}: " in error.value.message
    assert problem in error.value.message
    assert error.value.remedy


# What follows has the right sizes and digests, so that only the content itself can give it away.


def rewritten(folder: Folder, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tokens = np.array(read_shard(folder.val, vocabulary_size=1024))
    write_shard(folder.val, change(tokens))
    folder.reseal()


def drop_second_bos(tokens: np.ndarray) -> np.ndarray:
    return np.delete(tokens, np.flatnonzero(tokens == 1)[1])


def swap_first_text_token(tokens: np.ndarray) -> np.ndarray:
    tokens[1] = 500 if tokens[1] != 500 else 501
    return tokens


TOKEN_DAMAGE: list[tuple[str, Callable[[np.ndarray], np.ndarray], str]] = [
    ("BOS missing", drop_second_bos, "BOS in the validation stream; the manifest says"),
    ("BOS added", lambda t: np.append(t, np.uint16(1)), "BOS in the validation stream"),
    ("start", lambda t: t[1:], "does not start with BOS"),
    ("token", swap_first_text_token, ":1: not what tokens 0 to "),
    ("tail cut", lambda t: t[:-1], "of the validation stream say: character "),
    ("padding", lambda t: np.insert(t, 5, np.uint16(0)), "token 4 is the special id 0"),
    ("EOS at the end", lambda t: np.append(t, np.uint16(2)), "is the special id 2"),
    ("beyond", lambda t: np.append(t, np.uint16(1024)), "is beyond the vocabulary of 1024"),
]


@pytest.mark.parametrize(
    ("change", "problem"), [d[1:] for d in TOKEN_DAMAGE], ids=[d[0] for d in TOKEN_DAMAGE]
)
def test_tokens_that_are_not_the_documents_are_refused(
    folder: Folder, change: Callable[[np.ndarray], np.ndarray], problem: str
) -> None:
    rewritten(folder, change)
    with pytest.raises(InfrastructureError) as error:
        open_dataset(folder.root, DEMO_NAME)
    assert problem in error.value.message


def test_an_altered_text_is_placed(folder: Folder) -> None:
    lines = folder.documents.read_bytes().splitlines(keepends=True)
    text = json.loads(lines[2])["text"]
    other = "Z" if text[10] != "Z" else "Y"
    lines[2] = json.dumps({"text": text[:10] + other + text[11:]}).encode() + b"\n"
    folder.documents.write_bytes(b"".join(lines))
    folder.reseal()
    with pytest.raises(InfrastructureError, match=r"docs_val\.jsonl:3: .*character 10 "):
        open_dataset(folder.root, DEMO_NAME)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"documents": 3}, "BOS in the validation stream; the manifest says 3 documents"),
        ({"text_bytes": 4}, "bytes of text; the manifest says 4"),
    ],
)
def test_counts_that_are_not_the_documents_are_refused(
    folder: Folder, counts: dict[str, int], problem: str
) -> None:
    folder.reseal(**counts)
    with pytest.raises(InfrastructureError, match=problem):
        open_dataset(folder.root, DEMO_NAME)


def test_a_document_too_few_or_too_many_is_refused(folder: Folder) -> None:
    lines = folder.documents.read_bytes().splitlines(keepends=True)
    folder.documents.write_bytes(b"".join(lines[:-1]))
    folder.reseal()
    with pytest.raises(InfrastructureError, match=f"{len(lines) - 1} documents; the manifest says"):
        open_dataset(folder.root, DEMO_NAME)
    folder.documents.write_bytes(b"".join([*lines, lines[0]]))
    folder.reseal()
    with pytest.raises(InfrastructureError, match=f":{len(lines) + 1}: more documents than"):
        open_dataset(folder.root, DEMO_NAME)


@pytest.mark.parametrize(
    "line",
    [
        b"\n\n{}\n",
        b"text\n",
        b"[]\n",
        b'{"text": 3}\n',
        b'{"body": "x"}\n',
        b'{"text": "\xff"}\n',
        b'{"text": "\\ud800"}\n',
        b"[" * 100_000 + b"\n",
        b'{"text": ' + b"1" * 5000 + b"}\n",
    ],
    ids=lambda line: ascii(line[:20]),
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(b'{"text": "one"}\n' + line)
    documents = read_documents(path)
    assert next(documents) == "one"
    with pytest.raises(InfrastructureError, match=r"docs\.jsonl:2: "):
        next(documents)


def test_another_tokenizer_is_refused(folder: Folder) -> None:
    folder.edit_manifest(lambda content: content.update(vocabulary_size=2048))
    with pytest.raises(InfrastructureError, match="has 1024 pieces; the manifest says 2048"):
        open_dataset(folder.root, DEMO_NAME)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", ".hidden", "x\n", "a" * 101])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        open_dataset(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (DEMO_NAME, "harness data demo"),
        ("fineweb10B_sp1024", "harness data fetch fineweb10B_sp1024 --dest {root}"),
        ("mine", "or make it with `harness data fetch` or `harness data tokenize`"),
    ],
)
def test_an_absent_dataset_can_be_had(tmp_path: Path, name: str, remedy: str) -> None:
    with pytest.raises(InfrastructureError, match="there is no dataset") as error:
        open_dataset(tmp_path, name)
    assert error.value.remedy.endswith(remedy.format(root=tmp_path))
