import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.data.format.dataset import Dataset
from harness.data.format.tokenizers import Tokenizer, train_bpe
from harness.errors import InfrastructureError

# U+2581 is SentencePiece's own sign for the space; documents that hold it are left out.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"))
code = st.text(st.sampled_from(string.ascii_lowercase + " \t\r\n\"'()=:_#"), max_size=400)


@pytest.fixture(scope="session")
def tokenizer(dataset: Dataset) -> Tokenizer:
    return Tokenizer.load(dataset.tokenizer_path)


@given(text=texts | code)
@example(text="")
@example(text="   leading, trailing   ")
@example(text="\tif x:\r\n\t\treturn  '  '\n\n\n")
@example(text="<s></s><unk><pad><0x0A> \u2047 \ufeff\U0001f40d")
@example(text="nul \0 inside")
def test_every_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert tokenizer.mismatch(tokens, text) == ""
    assert not tokenizer.textless[tokens].any()


def test_special_ids_are_the_field_s(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocabulary_size == 1024
    assert tokenizer.bos_id == 1
    assert np.flatnonzero(tokenizer.textless).tolist() == [0, 1, 2, 3]


def test_a_mismatch_is_placed(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("def f():\n    return 1\n")
    problem = tokenizer.mismatch(tokens, "def f():\n    return 2\n")
    assert "character 20 onwards: expected '2\\n', decoded '1\\n'" in problem
    assert "character 22" in tokenizer.mismatch(tokens, "def f():\n    return 1\n\n")


def test_a_special_token_inside_a_document_is_a_mismatch(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("x = 1")
    padded = np.insert(tokens, 1, 0)
    assert tokenizer.decode(padded) == "x = 1"
    assert "token 1 is the special id 0" in tokenizer.mismatch(padded, "x = 1")


def test_training_is_deterministic_and_silent(
    library: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = [path.read_text() for path in sorted(library.glob("*.py")) if path.name < "l"]
    source = [text for text in source if text and "\0" not in text]
    assert train_bpe(source, vocabulary_size=512) == train_bpe(source, vocabulary_size=512)
    assert capfd.readouterr() == ("", "")


def test_too_small_a_corpus_is_our_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InfrastructureError, match="cannot be trained"):
        train_bpe(["a b"], vocabulary_size=1024)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(InfrastructureError) as error:
        Tokenizer.load(path)
    assert str(path) in error.value.message
