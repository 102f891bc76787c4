"""The normal form of tokenizers: what makes tokens stays, all else is gone, and it is weighed."""

import io
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from harness.data.format.documents import read_documents
from harness.data.format.normal_form import (
    Flags,
    Kind,
    NormalForm,
    Type,
    compressed_bytes,
    normal,
    normal_form,
)
from harness.data.format.normalizer_tables import OWN_TABLES, own_name
from harness.data.format.protobuf import bytes_field, fields, float_field, number_field
from harness.data.format.score_levels import levels_of, score_at
from harness.data.format.tokenizers import (
    ByteTokenizer,
    Tokenizer,
    TokenizerError,
    parse_tokenizer,
    train_bpe,
)

TEXTS = [
    "".join(
        f"{word} \n\t" for word in f"one {n} two {n * n} Thr\u00e9e \u4e16\u754c {n}\\n".split()
    )
    for n in range(300)
]
UNSEEN = ["two  three\n\none \u4e17 7, 7 \\ 49 caf\u00e9 ", "", " ", "one two", "\U0001f600\ufb01"]
LOSSLESS: dict[str, Any] = {
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "byte_fallback": True,
}


def trained(**options: Any) -> bytes:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        num_threads=1,
        minloglevel=2,
        **{"vocab_size": 300, "hard_vocab_limit": False, **options},
    )
    return model.getvalue()


MODELS: dict[str, Callable[[], bytes]] = {
    "bpe": lambda: train_bpe(TEXTS, vocabulary_size=330),
    "unigram": lambda: trained(model_type="unigram", vocab_size=330, **LOSSLESS),
    "word": lambda: trained(model_type="word"),
    "char": lambda: trained(model_type="char", **LOSSLESS),
    "defaults": lambda: trained(model_type="bpe"),
    "suffix": lambda: trained(model_type="bpe", treat_whitespace_as_suffix=True),
    "symbols": lambda: trained(
        model_type="bpe",
        user_defined_symbols=["one", "\n"],
        control_symbols=["<c>"],
        bos_piece="[BOS]",
        pad_id=7,
        **LOSSLESS,
    ),
    "unigram symbols": lambda: trained(
        model_type="unigram", user_defined_symbols=["tw"], eos_id=-1, **LOSSLESS
    ),
    "folds case": lambda: trained(model_type="bpe", normalization_rule_name="nfkc_cf"),
}


@pytest.mark.parametrize("name", MODELS)
def test_tokens_flags_and_ids_are_those_of_the_model(name: str) -> None:
    raw = MODELS[name]()
    mine, theirs = (SentencePieceProcessor(model_proto=m) for m in (normal(raw).model, raw))
    assert mine.vocab_size() == theirs.vocab_size()
    for what in ("unk_id", "bos_id", "eos_id", "pad_id"):
        assert getattr(mine, what)() == getattr(theirs, what)()
    for place in range(mine.vocab_size()):
        assert mine.id_to_piece(place) == theirs.id_to_piece(place)
        for what in ("is_control", "is_unknown", "is_unused", "is_byte"):
            assert getattr(mine, what)(place) == getattr(theirs, what)(place)
    for text in (*TEXTS, *UNSEEN):
        assert mine.normalize(text) == theirs.normalize(text)
        tokens = theirs.encode(text)
        assert mine.decode(tokens) == theirs.decode(tokens)
        if "unigram" not in name:
            assert mine.encode(text) == tokens
        assert mine.decode(mine.encode(text)) == theirs.decode(tokens)


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_normal_form_of_itself(name: str) -> None:
    found = normal(MODELS[name]())
    assert normal(found.model) == found


def test_scores_of_an_honest_bpe_model_are_its_own() -> None:
    raw = train_bpe(TEXTS, vocabulary_size=330)
    mine, theirs = (SentencePieceProcessor(model_proto=m) for m in (normal(raw).model, raw))
    scores = [mine.get_score(place) for place in range(330)]
    assert scores == [theirs.get_score(place) for place in range(330)]
    assert len(set(scores)) == 330 - 260


SECRET = b"0.7071067811865476, weights of another model"


def parts_of(model: bytes) -> list[tuple[int, int | bytes]]:
    return list(fields(model))


def written(parts: list[tuple[int, int | bytes]]) -> bytes:
    return b"".join(
        bytes_field(number, value) if isinstance(value, bytes) else number_field(number, value)
        for number, value in parts
    )


def with_message(model: bytes, which: int, change: Callable[[bytes], bytes]) -> bytes:
    """The model with every message of one number changed."""
    return written(
        [
            (number, change(value) if number == which and isinstance(value, bytes) else value)
            for number, value in parts_of(model)
        ]
    )


def with_scores(model: bytes, score: Callable[[int], float]) -> bytes:
    place = iter(range(1 << 20))
    return with_message(model, 1, lambda piece: piece + float_field(2, score(next(place))))


def test_nothing_else_that_a_file_carries_is_left() -> None:
    raw = train_bpe(TEXTS, vocabulary_size=330)
    clean = normal(raw)
    rank = normal_form(raw).types.count(Type.NORMAL)
    stuffed = {
        "trainer's notes": with_message(raw, 2, lambda m: m + bytes_field(1, SECRET)),
        "a field of the trainer": with_message(raw, 2, lambda m: m + bytes_field(150, SECRET)),
        "name of the rule": with_message(raw, 3, lambda m: m + bytes_field(1, SECRET)),
        "rule as text": with_message(raw, 3, lambda m: m + bytes_field(6, SECRET)),
        "field of a piece": with_message(raw, 1, lambda m: m + bytes_field(99, SECRET)),
        "a piece twice": with_message(raw, 1, lambda m: bytes_field(1, SECRET) + m),
        "self-test": raw + bytes_field(4, bytes_field(1, bytes_field(1, SECRET))),
        "denormalizer": raw + bytes_field(5, bytes_field(1, SECRET)),
        "unknown field": raw + bytes_field(77, SECRET) + float_field(78, 0.25),
        "shape of the unknown symbol": with_message(raw, 2, lambda m: m + bytes_field(44, SECRET)),
        "seeds of the trainer": with_message(raw, 2, lambda m: m + bytes_field(54, SECRET)),
        "scores": with_scores(raw, lambda place: -place - 0.1 * (place % 7)),
        "another place": b"".join(
            bytes_field(number, value)
            for number, value in reversed(parts_of(raw))
            if number != 1
            if isinstance(value, bytes)
        )
        + written([part for part in parts_of(raw) if part[0] == 1]),
    }
    for name, model in stuffed.items():
        assert model != raw, name
        assert parse_tokenizer(model).vocabulary_size == 330, name  # SentencePiece takes it
        assert normal(model) == clean, name
    assert rank == 330 - 4 - 256


def test_a_score_of_a_unigram_model_keeps_eight_bits() -> None:
    raw = MODELS["unigram"]()
    form = normal_form(raw)
    scores = [SentencePieceProcessor(model_proto=raw).get_score(i) for i in range(len(form.types))]
    used = [score for score, kind in zip(scores, form.types, strict=True) if kind == Type.NORMAL]
    assert form.ends == (min(used), max(used))
    again = SentencePieceProcessor(model_proto=form.model())
    mine = [again.get_score(i) for i, kind in enumerate(form.types) if kind == Type.NORMAL]
    step = (max(used) - min(used)) / 255
    assert max(abs(a - b) for a, b in zip(mine, used, strict=True)) <= step / 2 + 1e-6
    assert len(set(mine)) <= 256
    # What is less than half a step tells nothing.
    inner = {round(score, 4) for score in mine} - {round(end, 4) for end in form.ends}
    assert len(inner) > 10

    def nudged(place: int) -> float:
        score = again.get_score(place)
        return score + (step / 3 * (-1) ** place if round(score, 4) in inner else 0)

    assert normal(with_scores(form.model(), nudged)) == normal(raw)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_levels_of_levels_are_the_same(scores: list[float]) -> None:
    levels, ends = levels_of(scores)
    assert len(levels) == len(scores)
    rounded = [score_at(level, ends) for level in levels]
    assert levels_of(rounded) == (levels, ends)
    step = (ends[1] - ends[0]) / 255
    size = max(map(abs, scores))
    assert all(
        abs(a - b) <= step / 2 + size * 2.0**-13 for a, b in zip(rounded, scores, strict=True)
    )
    order = np.argsort(scores)
    assert (np.diff(np.array(rounded)[order]) >= 0).all()  # none overtakes another


TEXT = st.text(st.characters(codec="utf-8"), max_size=6)


@given(
    st.lists(st.tuples(TEXT, st.sampled_from(list(Type)), FLOATS), min_size=1, max_size=12),
    st.sampled_from(list(Kind)),
    st.builds(Flags, *(st.booleans() for _ in range(5))),
    st.binary(max_size=20),
)
def test_any_form_survives_its_own_file_and_no_two_share_a_text(
    pieces: list[tuple[str, Type, float]], kind: Kind, flags: Flags, table: bytes
) -> None:
    texts, types, _ = zip(*pieces, strict=True)
    controls = {text for text, type_ in zip(texts, types, strict=True) if type_ == Type.CONTROL}
    content = b"".join(
        bytes_field(
            1, bytes_field(1, text.encode()) + float_field(2, score) + number_field(3, int(type_))
        )
        for text, type_, score in pieces
    )
    trainer = number_field(3, int(kind)) + number_field(24, flags.treat_whitespace_as_suffix)
    trainer += number_field(35, flags.byte_fallback)
    normalizer = bytes_field(2, table) + number_field(3, flags.add_dummy_prefix)
    normalizer += number_field(4, flags.remove_extra_whitespaces)
    normalizer += number_field(5, flags.escape_whitespaces)
    form = normal_form(content + bytes_field(2, trainer) + bytes_field(3, normalizer))
    assert (form.kind, form.flags, form.table, form.pieces) == (kind, flags, table, texts)
    assert (form.special["bos"] >= 0) == ("<s>" in controls)
    again = normal_form(form.model())
    assert again == form
    assert read_back(form.serialized()) == (texts, bytes(types), form.levels, table)


def read_back(serialized: bytes) -> tuple[tuple[str, ...], bytes, bytes, bytes]:
    """What a reader finds in the canonical text: that nothing is lost there."""
    head, rest = serialized.split(b"\n", 1)
    _, kind, count, *words = head.decode().split(" ")
    pieces = []
    for _ in range(int(count)):
        line, rest = rest.split(b"\n", 1)
        escapes = line.decode().split("\\\\")
        pieces.append("\\".join(part.replace("\\n", "\n") for part in escapes))
    types, rest = rest[: int(count)], rest[int(count) :]
    levels = types.count(Type.NORMAL) if kind == "unigram" else 0
    table = rest[levels:]
    assert ("identity" in words) == (not table)
    return tuple(pieces), types, rest[:levels], table


def test_tables_of_sentencepiece_are_known_and_count_as_their_name() -> None:
    for rule in ("nmt_nfkc", "nmt_nfkc_cf", "nfkc", "nfkc_cf", "identity"):
        form = normal_form(trained(model_type="bpe", normalization_rule_name=rule))
        name = own_name(form.table)
        assert name is not None and name.split(" ")[0] == rule
        assert len(form.serialized()) < 10_000
        assert form.table in form.model()
    assert len(set(OWN_TABLES.values())) == len(OWN_TABLES)


def test_another_table_is_weighed_with_all_its_bytes(tmp_path: Path) -> None:
    rule = tmp_path / "rule.tsv"
    rule.write_text("41\t61\n")
    raw = trained(model_type="bpe", normalization_rule_name="", normalization_rule_tsv=str(rule))
    form = normal_form(raw)
    assert own_name(form.table) is None
    assert form.serialized().endswith(form.table)
    own = normal_form(trained(model_type="bpe", normalization_rule_name="nfkc")).table
    changed = own[:-1] + bytes([own[-1] ^ 1])
    assert own_name(own) and own_name(changed) is None
    noise = np.random.default_rng(1).bytes(5000)
    stuffed = with_message(raw, 3, lambda m: m + bytes_field(2, form.table + noise))
    assert normal(stuffed).compressed_bytes > normal(raw).compressed_bytes + 5000


def test_pieces_and_their_order_are_weighed() -> None:
    raw = train_bpe(TEXTS, vocabulary_size=330)
    light = normal(raw).compressed_bytes
    rng = np.random.default_rng(2)
    letters = [chr(c) for c in range(0x4E00, 0x9FFF)]
    texts = ["".join(rng.choice(letters, 6)) for _ in range(2000)]
    pieces = b"".join(
        bytes_field(1, bytes_field(1, text.encode()) + float_field(2, 0.0)) for text in texts
    )
    assert parse_tokenizer(raw + pieces).vocabulary_size == 2330
    # 20,992 letters: 14.4 bits each.
    assert normal(raw + pieces).compressed_bytes > light + 2000 * 6 * 14.4 / 8
    by_place = {number: [v for n, v in parts_of(raw) if n == number] for number in (1, 2, 3)}
    normals = by_place[1][260:]
    other = [*by_place[1][:260], *(normals[i] for i in rng.permutation(len(normals)))]
    shuffled = written([*((1, piece) for piece in other), (2, by_place[2][0]), (3, by_place[3][0])])
    assert sorted(normal_form(shuffled).pieces) == sorted(normal_form(raw).pieces)
    assert normal(shuffled).serialized != normal(raw).serialized


def test_weight_is_that_of_lzma_at_its_best() -> None:
    found = normal(train_bpe(TEXTS, vocabulary_size=330))
    expected = len(lzma.compress(found.serialized, preset=9 | lzma.PRESET_EXTREME))
    assert found.compressed_bytes == compressed_bytes(found.serialized) == expected


def test_the_json_of_pure_bytes_carries_nothing_either() -> None:
    model = ByteTokenizer().model
    padded = model.replace(b"{", b"{" + b" \t" * 500, 1)
    assert normal(padded) == normal(model)
    assert normal(model).model == model
    assert normal(model).compressed_bytes < 100
    with pytest.raises(TokenizerError, match="neither"):
        normal(b'{"vocab_size": 261}')


PIECE = bytes_field(1, b"a")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "pieces: it has 0"),
        (b"\x0a\x03abc" * 50, "not a SentencePiece model"),
        (b"\x0a\xff\xff\xff\xff\x7fabc", "cut short"),
        (b"\xff" * 100, "a number of more than ten bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x0a", "a number is cut short"),
        (bytes_field(1, bytes_field(1, b"\xff\xfe")), "utf-8"),
        (bytes_field(1, number_field(1, 5)), "a number where bytes are expected"),
        (bytes_field(1, PIECE + bytes_field(2, b"abc")), "no float32"),
        (bytes_field(1, PIECE + number_field(3, 9)), "9 is not a valid Type"),
        (bytes_field(1, PIECE) + bytes_field(2, number_field(3, 9)), "9 is not a valid Kind"),
        (bytes_field(1, PIECE) + bytes_field(2, bytes_field(3, b"x")), "is no number"),
        (bytes_field(1, PIECE) + bytes_field(2, bytes_field(35, b"x")), "is no number"),
        (bytes_field(1, PIECE) + number_field(2, 5), "a number where bytes are expected"),
        (bytes_field(1, PIECE + float_field(2, float("nan"))), "not a finite number"),
        (bytes_field(1, PIECE + float_field(2, float("-inf"))), "not a finite number"),
        (bytes_field(1, PIECE) * 65_537, "it has 65,537"),
    ],
)
def test_what_is_no_model_is_refused_by_name(content: bytes, problem: str) -> None:
    with pytest.raises(TokenizerError, match=r"SentencePiece|finite") as caught:
        normal_form(content)
    assert problem in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 3000), st.integers(0, 200))
def test_a_damaged_model_is_refused_or_has_a_form(junk: bytes, at: int, cut: int) -> None:
    raw = SMALL[:at] + junk + SMALL[at + cut :]
    try:
        found = normal(raw)
    except TokenizerError:
        return
    assert normal(found.model) == found


SMALL = train_bpe(TEXTS[:40], vocabulary_size=300)


@pytest.mark.parametrize(
    ("name", "bytes_a_piece"), [("fineweb_1024_bpe", 2.8), ("fineweb_8192_bpe", 3.55)]
)
def test_the_fields_own_models_keep_their_tokens_and_weigh_little(
    shared_data: Path, name: str, bytes_a_piece: float
) -> None:
    raw = (shared_data / f"tokenizers/{name}.model").read_bytes()
    found = normal(raw)
    mine, theirs = Tokenizer(found.model), Tokenizer(raw)
    assert found.compressed_bytes < bytes_a_piece * theirs.vocabulary_size
    assert own_name(normal_form(raw).table) == "nmt_nfkc of 0.2.1"
    for text in read_documents(shared_data / "english/docs_val.jsonl.gz"):
        assert np.array_equal(mine.encode(text), theirs.encode(text))


def test_score_of_a_level_is_a_float32() -> None:
    for level in (0, 1, 77, 255):
        score = score_at(level, (-12.945585250854492, -3.142822265625))
        assert struct.unpack("<f", struct.pack("<f", score))[0] == score


def test_a_form_knows_its_ids() -> None:
    form = normal_form(MODELS["symbols"]())
    assert isinstance(form, NormalForm)
    assert form.pieces[form.special["bos"]] == "[BOS]"
    assert form.special["pad"] == 7
    assert normal_form(MODELS["unigram symbols"]()).special["eos"] == -1
