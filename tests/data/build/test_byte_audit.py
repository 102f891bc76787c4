"""The field's count of bytes by table against the bytes of text: where they differ, and why."""

import io
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.data.build.byte_audit import CAUSES, Table, Weighing, weigh
from harness.data.format.tokenizers import AnyTokenizer, ByteTokenizer, Tokenizer, load_tokenizer
from tests.data.build.test_tokenizing import FIELD
from tests.factories.playground import harness

CORPUS = [
    "the cat sat on the mat and the dog sat on the log",
    "    indented    code    here\n    more    of    it\n",
    "a far\u00e7ade of na\u00efve caf\u00e9s, \u20ac5 each",
] * 40


def trained(**options: Any) -> Tokenizer:
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 330,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "hard_vocab_limit": False,
        "pad_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "unk_id": 3,
        "minloglevel": 2,
    }
    SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, **{**settings, **options}
    )
    return Tokenizer(model.getvalue())


def without_space(tokenizer: Tokenizer) -> Tokenizer:
    """The same model with another character for the piece of the space alone."""
    piece, other = ("\n\x03" + each for each in ("\u2581", "\u2582"))
    assert tokenizer.model.count(piece.encode()) == 1
    return Tokenizer(tokenizer.model.replace(piece.encode(), other.encode()))


KINDS: dict[str, AnyTokenizer] = {
    "lossless": trained(),
    "spaces in pieces": trained(allow_whitespace_only_pieces=True),
    "space added": trained(add_dummy_prefix=True),
    "folding": trained(normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True),
    "no bytes": trained(byte_fallback=False, vocab_size=60),
    "bytes": ByteTokenizer(),
    "space spelled": without_space(trained(vocab_size=300)),
    "space spelled, added": without_space(trained(vocab_size=300, add_dummy_prefix=True)),
    "space at end": trained(treat_whitespace_as_suffix=True, add_dummy_prefix=True),
}
SPELLED = ("space spelled", "space spelled, added")


def weighed(kind: str, *texts: str) -> Weighing:
    return weigh(texts, KINDS[kind])


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("no bytes", "space at end", *SPELLED)]
)
def test_plain_text_weighs_the_same_both_ways(kind: str) -> None:
    found = weighed(kind, "the cat sat", "on the mat, caf\u00e9 \u20ac5", "")
    assert found.table_bytes == found.text_bytes == len("the cat saton the mat, caf 5") + 2 + 3
    assert (found.differing, found.causes, found.first) == (0, {}, [])
    assert found.documents == 3


def test_a_space_at_the_start_of_a_document_is_not_counted() -> None:
    found = weighed("lossless", "the cat", " the cat")
    assert found.causes == {"leading_space": (1, -1)}
    assert (found.first[0].document, found.first[0].place[:11]) == (2, "character 0")
    assert (found.first[0].table_bytes, found.first[0].text_bytes) == (7, 8)


def test_spaces_inside_a_piece_count_three_times() -> None:
    found = weighed("spaces in pieces", "the    cat")
    (documents, amount) = found.causes["inner_space"]
    assert documents == 1
    assert amount > 0
    assert amount % 2 == 0
    assert found.first[0].place.startswith("character 3, token ")


def test_a_space_that_the_tokenizer_adds_is_no_text() -> None:
    assert weighed("space added", "the cat").differing == 0


def test_normalization_is_named_even_where_the_sums_agree() -> None:
    found = weighed("folding", "the cat", "a\nline", "two  spaces", "\ufb01n")
    assert found.causes == {"normalization": (3, -1 - 1)}
    assert found.table_bytes - found.text_bytes == -2
    assert found.first[0].document == 2
    assert found.first[0].place.startswith("character 1 onwards: expected '\\nline'")


def test_what_the_tokenizer_does_not_know_counts_nothing() -> None:
    found = weighed("no bytes", "the \u4e16\u754c cat")
    # The unknown symbol is a boundary too, so the space after it is left out as well.
    assert found.table_bytes == len("the cat")
    assert found.text_bytes == len("the  cat") + 6
    assert found.causes["leading_space"] == (1, -1)
    assert "unknown" in found.causes
    assert found.first[0].place.startswith("character 4 onwards")


@pytest.mark.parametrize(("kind", "added"), [("space spelled", 0), ("space spelled, added", 3)])
def test_a_space_that_is_spelled_in_bytes_has_a_reason_of_its_own(kind: str, added: int) -> None:
    found = weighed(kind, "x  y z")
    assert found.causes == {"space_symbol": (1, 2 * 3 + added)}
    assert "the piece U+2581" in CAUSES["space_symbol"]
    tokenizer = KINDS[kind]
    problem = tokenizer.mismatch(tokenizer.encode("x y"), "x y")
    assert "no piece for the space alone (U+2581)" in problem


def test_a_space_that_is_added_at_the_end_has_one_too() -> None:
    found = weighed("space at end", "the cat")
    assert found.causes["added_space"] == (1, 1)
    assert "normalization" not in found.causes
    tokenizer = KINDS["space at end"]
    assert "adds a space at the end" in tokenizer.mismatch(tokenizer.encode("a"), "a")


def test_where_one_is_added_at_the_end_the_first_is_dropped() -> None:
    assert weighed("space at end", " ").causes == {}, "one is lost, and one is added"
    found = weighed("space at end", " the cat")
    assert found.causes["dropped_space"] == (1, -1)
    assert found.causes["added_space"] == (1, 1)
    assert "normalization" not in found.causes


def test_the_symbol_in_a_text_is_taken_for_a_space() -> None:
    assert weighed("lossless", "a\u2581b").causes == {"symbol_in_text": (1, -2)}
    assert weighed("bytes", "a\u2581b").causes == {}


def test_what_nothing_explains_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = trained()
    monkeypatch.setattr(tokenizer, "decode", lambda tokens: "quite another text")
    found = weigh(["the cat"], tokenizer)
    assert set(found.causes) == {"unexplained"}
    assert sum(amount for _, amount in found.causes.values()) == 0


@pytest.mark.parametrize("rule", ["normalized", "raw"])
def test_no_advice_is_given_that_does_not_help(tmp_path: Path, rule: str) -> None:
    (tmp_path / "docs.jsonl").write_text('{"text": "x  y z"}\n{"text": "on the mat"}\n')
    for kind, helps in (("space spelled", False), ("space at end", rule == "raw")):
        tokenizer = KINDS[kind]
        (tmp_path / "own.model").write_bytes(tokenizer.model)
        done = harness(
            *("data", "tokenize", tmp_path / "docs.jsonl", "--tokenizer", tmp_path / "own.model"),
            *("--dest", tmp_path / "ds", "--validation-documents", 1, "--text", rule),
        )
        cured = kind == "space at end" and rule == "normalized"
        assert done.code == (0 if cured else 2), "the tokenizer is the user's own, and to be mended"
        assert ("--text normalized" in done.err) is helps, done.err
        assert ("the piece U+2581" in done.err) is (kind == "space spelled")


text = st.text(
    st.sampled_from(string.ascii_lowercase + "   \n\u00e9\u20ac\u4e16\ufb01"), max_size=60
)


@settings(max_examples=200)
@given(texts=st.lists(text, max_size=4), kind=st.sampled_from(sorted(KINDS)))
@example(texts=["\u2581", " \u2581 "], kind="folding")
@example(texts=["   "], kind="space added")
@example(texts=[" "], kind="space at end")
@example(texts=["  a", "  "], kind="space at end")
def test_the_causes_add_up_to_the_difference(texts: list[str], kind: str) -> None:
    found = weigh(texts, KINDS[kind])
    assert found.text_bytes == sum(len(text.encode()) for text in texts)
    off = found.table_bytes - found.text_bytes
    assert off == sum(amount for _, amount in found.causes.values())
    assert "unexplained" not in found.causes
    if kind != "no bytes" and kind not in SPELLED:
        tokenizer = KINDS[kind]
        table = Table(tokenizer)
        for text in texts:
            tokens = tokenizer.encode(text)
            decoded = tokenizer.decode(tokens)
            expected = tokenizer.normalized(text)
            assert decoded == (expected.removeprefix(" ") if kind == "space at end" else expected)
            assert table.by_decoding(tokens).sum() == len(decoded.encode())


def test_the_field_s_models_on_english(shared_data: object) -> None:
    root = Path(str(shared_data))
    for model in FIELD:
        outcome = harness(
            "data",
            "bytes",
            root / "english/docs_val.jsonl.gz",
            "--tokenizer",
            root / "tokenizers" / model,
        )
        assert outcome.code == 0
        assert outcome.out.count("490,760") == 2
        assert "none in all" in outcome.out
    tokenizer = load_tokenizer(root / "tokenizers" / FIELD[0])
    found = weigh(["fine", "a\x12b \ufb01\u2026"], tokenizer)
    assert found.causes == {"normalization": (1, -2)}
