"""How the gallery's models were made: ``python make_models.py DATASET``, a demo dataset."""

import io
import random
import sys
from pathlib import Path

from sentencepiece import SentencePieceTrainer

from harness.data.format.documents import read_documents
from harness.data.format.protobuf import bytes_field, fields, float_field

HONEST = {
    "model_type": "bpe",
    "vocab_size": 384,
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "allow_whitespace_only_pieces": True,
    "max_sentence_length": 1 << 24,
    "num_threads": 1,
    "minloglevel": 2,
    "pad_id": 0,
    "bos_id": 1,
    "eos_id": 2,
    "unk_id": 3,
}
# A piece of a model, and one of the same length that no text is made of.
LONE_SPACE, NEVER_USED = (b"\x0a\x03" + piece.encode() for piece in ("\u2581", "zqx"))


def trained(texts: list[str], **changes: object) -> bytes:
    model = io.BytesIO()
    options = {**HONEST, **changes}
    SentencePieceTrainer.train(sentence_iterator=iter(texts), model_writer=model, **options)
    return model.getvalue()


def with_notes(model: bytes, dice: random.Random) -> bytes:
    """Weights in all that makes no token: scores, which keep their order, and notes."""
    parts, rank = [], 0
    for number, value in fields(model):
        assert isinstance(value, bytes)
        more = b""
        if number == 1:
            more = float_field(2, -rank - 0.9 * dice.random()) + bytes_field(99, b"weights: 1")
            rank += 1
        if number == 2:
            more = bytes_field(1, b"weights: " + dice.randbytes(20_000).hex().encode())
        parts.append(bytes_field(number, value + more))
    return b"".join(parts) + bytes_field(77, b"weights: " + dice.randbytes(10_000))


def with_pieces(model: bytes, dice: random.Random) -> bytes:
    """Weights in pieces that no text is made of: 14 bits in each letter."""
    letters = range(0x4E00, 0x4E00 + (1 << 14))
    pieces = ("".join(chr(dice.choice(letters)) for _ in range(64)) for _ in range(1000))
    return model + b"".join(bytes_field(1, bytes_field(1, piece.encode())) for piece in pieces)


def main() -> None:
    here = Path(__file__).parent
    texts = list(read_documents(Path(sys.argv[1], "docs_train.jsonl")))[:60]

    def rule(text: str) -> dict[str, object]:
        path = here / "rule.tsv"
        path.write_text(text)
        return {"normalization_rule_name": "", "normalization_rule_tsv": str(path)}

    capitals = "".join(f"{code:X}\t{code + 32:X}\n" for code in range(ord("A"), ord("Z") + 1))
    models = {
        "folds_case": trained(texts, **rule(capitals)),
        "more_bytes": trained(texts, **rule("65\t65 65\n")),
        "squeezes_space": trained(texts, remove_extra_whitespaces=True),
        "drops_characters": trained(
            texts, byte_fallback=False, character_coverage=0.98, vocab_size=256
        ),
        "no_lone_space": trained(texts).replace(LONE_SPACE, NEVER_USED),
    }
    (here / "rule.tsv").unlink()
    for name, model in models.items():
        (here / name / "tokenizer.model").write_bytes(model)
    for folder, stuffed in (
        ("ineffective/tokenizer_notes", with_notes(trained(texts), random.Random(1))),
        ("brought_along/tokenizer_pieces", with_pieces(trained(texts), random.Random(2))),
    ):
        (here.parent / folder / "tokenizer.model").write_bytes(stuffed)


if __name__ == "__main__":
    main()
