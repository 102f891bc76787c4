"""Capitals become operators and come back; parts of other entries are theirs word for word."""

import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "submissions"
FOLDER, BOTH = ROOT / "capitals", ROOT / "capitals_and_adapters"


def _import_words() -> Any:
    spec = importlib.util.spec_from_file_location("words", FOLDER / "words.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


words = _import_words()
capitals = words.Capitals()
tokenizer = words.make(FOLDER / "words.model")
UP, UPPER, ESCAPE = words.OPERATORS
# Capitals and not, letters without a partner, what has a meaning of its own, parts of a word.
DELICATE = "abAB \u00c9\u00e9\u00df\u017f\u0130\u0131\u03a3\u03c3\u03c2K\u212ak"
DELICATE += "\u01c4\u01c5\u01c6\ufb01\0\n\t_.7"
DELICATE += "e\u0301\U00010400\U00010428" + "".join(words.ESCAPED)


@given(st.one_of(st.text(), st.text(DELICATE)))
@settings(max_examples=500)
def test_every_text_comes_back(text: str) -> None:
    plain = capitals.without(text)
    assert capitals.back(plain) == text
    assert not any(one in plain for one in "\u2581AB\u00c9\u03a3")
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Hello", "^hello"),
        ("say Hello", "say^ hello"),
        ("say  A B", "say ^ a^ b"),
        ("HTTP", "+http"),
        (" HTTPServer.MAX_SIZE", "+ http^server.+max_+size"),
        ("eMail ABc", "e^mail^ a^bc"),
        ("HELLOß STRAßE", "+helloß+ straß^e"),
        ("İ \u2581 \ue001A", "İ ~d ~a^a"),
        ("nothing here", "nothing here"),
    ],
)
def test_operators_stand_before_the_space_of_their_word(text: str, plain: str) -> None:
    found = capitals.without(text)
    assert found.replace(UP, "^").replace(UPPER, "+").replace(ESCAPE, "~") == plain


def test_one_piece_serves_a_word_in_both_spellings() -> None:
    small, large = tokenizer.encode("a value"), tokenizer.encode("a Value")
    operator = tokenizer.pieces.piece_to_id(UP)
    assert large == [small[0], operator, *small[1:]]
    assert tokenizer.pieces.piece_to_id("\u2581value") in small


def test_the_tokenizer_is_what_the_harness_asks_for() -> None:
    assert (tokenizer.vocabulary_size, tokenizer.bos_id) == (1024, 1)
    with pytest.raises(ValueError, match="model is missing"):
        words.make(None)
    for folder in (FOLDER, BOTH):
        manifest = tomllib.loads((folder / "submission.toml").read_text())
        assert manifest["tokenizer"] == {"code": "words:make", "model": "words.model"}
        assert json.loads((folder / "submission.json").read_text())["name"]


def test_the_entries_differ_in_what_they_are_about_and_in_nothing_else() -> None:
    """So what one scores without the other tells what it gains."""

    def read(folder: str, name: str) -> bytes:
        return (ROOT / folder / name).read_bytes()

    assert read("capitals", "train_gpt.py") == read("naive_baseline", "train_gpt.py")
    for name in ("words.py", "words.model"):
        assert read("capitals_and_adapters", name) == read("capitals", name)
    for name in ("train_gpt.py", "adapters.py"):
        assert read("capitals_and_adapters", name) == read("document_adapters", name)
    for name, other in (
        ("capitals", "naive_baseline"),
        ("capitals_and_adapters", "document_adapters"),
    ):
        ours, theirs = (
            tomllib.loads(read(one, "submission.toml").decode()) for one in (name, other)
        )
        assert (ours["train"], ours["score"]) == (theirs["train"], theirs["score"])
        assert ours["tracks"] == theirs["tracks"]
