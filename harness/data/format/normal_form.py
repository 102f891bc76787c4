"""The normal form of a tokenizer: what determines its tokens, and nothing else.

A SentencePiece model is an untrusted file with room for any message: 32 bits of score for each
piece, the trainer's notes, data of self-tests, unknown fields, padding. A tokenizer has no byte
budget of its own, so none of that is shown to a sandbox. What is left of a model:

- its pieces in order, with their types;
- scores: none for BPE, since a merge is chosen by its rank, which is its position here; 8 bits each
  for Unigram (``score_levels.py``); none for the other kinds, which use none;
- the flags that change its tokens, and which pieces are BOS, EOS and PAD;
- the normalizer's table, by name if it is one of SentencePiece's own, else with all its bytes.

From that the harness builds a file of its own (:meth:`NormalForm.model`), which is proven on every
document, tokenizes the texts and is shown to sandboxes. The bytes that it brings along are computed
from :meth:`NormalForm.serialized`. Pieces and their order can carry a message too: both are counted
in it.

An honest BPE model keeps its tokens exactly: its trainer gives rank ``i`` the score ``-i``. For a
Unigram model the tokens may change, and they are proven like those of any other file. Its scores
move by at most half a step, a step being a 255th of their range (0.04 nats for 8,192 pieces of
English). So a segmentation changes only where two segmentations of a text differ by less than half
a step for each piece in which they differ: among almost equally likely ones, another one is chosen.
"""

import enum
import lzma
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.format.normalizer_tables import own_name
from harness.data.format.protobuf import (
    WireError,
    bytes_field,
    fields,
    float_field,
    number_field,
)
from harness.data.format.reading import RESTORE
from harness.data.format.score_levels import levels_of, score_at
from harness.data.format.shards import TOKEN_LIMIT
from harness.data.format.tokenizers import ByteTokenizer, TokenizerError, parse_tokenizer

_NOT_A_MODEL = "not a SentencePiece model"


class Type(enum.IntEnum):
    """What a piece is."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Kind(enum.IntEnum):
    """How a model segments a text."""

    UNIGRAM = 1
    BPE = 2
    WORD = 3
    CHAR = 4


# Fields of SentencePiece's messages, by their numbers.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _VOCABULARY_SIZE, _SUFFIX, _BYTE_FALLBACK = 3, 4, 24, 35
_NAME, _TABLE, _DUMMY_PREFIX, _EXTRA_SPACES, _ESCAPE_SPACES = 1, 2, 3, 4, 5
_SPECIAL = {"unk": (40, 45, "<unk>"), "bos": (41, 46, "<s>"), "eos": (42, 47, "</s>")}
_SPECIAL |= {"pad": (43, 48, "<pad>")}
_NO_ID = (1 << 64) - 1  # -1, as it is written


@dataclass(frozen=True)
class Flags:
    """Settings that change the tokens; the defaults are SentencePiece's own."""

    byte_fallback: bool = False
    treat_whitespace_as_suffix: bool = False
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True


@dataclass(frozen=True)
class NormalForm:
    """What determines the tokens of a SentencePiece model.

    Attributes:
        kind: how it segments a text.
        flags: see :class:`Flags`.
        pieces: the pieces in the order of their ids.
        types: a :class:`Type` for each piece, as bytes.
        special: ids of ``unk``, ``bos``, ``eos`` and ``pad``, -1 for one that is absent.
        table: the normalizer's table; empty if there is none.
        levels: for a Unigram model, one byte for each piece of type NORMAL; else empty.
        ends: the scores of level 0 and level 255, float32.
    """

    kind: Kind
    flags: Flags
    pieces: tuple[str, ...]
    types: bytes
    special: dict[str, int]
    table: bytes = b""
    levels: bytes = b""
    ends: tuple[float, float] = (0.0, 0.0)

    def serialized(self) -> bytes:
        """Its canonical serialization: two forms are equal exactly if their serializations are.

        Known tables are given by name alone. Texts, types and levels are grouped, each in one
        block, because they compress best that way.
        """
        name = own_name(self.table)
        head = [f"sentencepiece {self.kind.name.lower()} {len(self.pieces)}"]
        head += [f"{name}={int(value)}" for name, value in vars(self.flags).items() if value]
        head += [f"{name}={place}" for name, place in self.special.items()]
        if self.kind is Kind.UNIGRAM:
            head += [end.hex() for end in self.ends]
        head.append(f"table={len(self.table)}" if name is None else name)
        escaped = (piece.replace("\\", "\\\\").replace("\n", "\\n") for piece in self.pieces)
        texts = "".join(f"{line}\n" for line in (" ".join(head), *escaped)).encode()
        return texts + self.types + self.levels + (self.table if name is None else b"")

    def model(self) -> bytes:
        """The model file that the harness builds from it."""
        found = [
            bytes_field(
                _PIECES,
                bytes_field(_PIECE, piece.encode())
                + float_field(_SCORE, score)
                + number_field(_TYPE, kind),
            )
            for piece, score, kind in zip(self.pieces, self._scores(), self.types, strict=True)
        ]
        trainer = [
            number_field(_MODEL_TYPE, self.kind),
            number_field(_VOCABULARY_SIZE, len(self.pieces)),
            number_field(_SUFFIX, self.flags.treat_whitespace_as_suffix),
            number_field(_BYTE_FALLBACK, self.flags.byte_fallback),
        ]
        for name, (id_field, piece_field, _) in _SPECIAL.items():
            place = self.special[name]
            trainer.append(number_field(id_field, place if place >= 0 else _NO_ID))
            if place >= 0:
                trainer.append(bytes_field(piece_field, self.pieces[place].encode()))
        normalizer = [
            bytes_field(_NAME, b"identity" if not self.table else b"own"),
            bytes_field(_TABLE, self.table),
            number_field(_DUMMY_PREFIX, self.flags.add_dummy_prefix),
            number_field(_EXTRA_SPACES, self.flags.remove_extra_whitespaces),
            number_field(_ESCAPE_SPACES, self.flags.escape_whitespaces),
        ]
        found.append(bytes_field(_TRAINER, b"".join(trainer)))
        found.append(bytes_field(_NORMALIZER, b"".join(normalizer)))
        return b"".join(found)

    def _scores(self) -> list[float]:
        """The score of each piece; 0 where no score is ever used."""
        scores = [0.0] * len(self.pieces)
        ranked = [i for i, kind in enumerate(self.types) if kind in (Type.NORMAL, Type.UNUSED)]
        if self.kind is Kind.BPE:
            for rank, i in enumerate(ranked):
                scores[i] = float(-rank)
        if self.kind is Kind.UNIGRAM:
            normal = [i for i in ranked if self.types[i] == Type.NORMAL]
            for i, level in zip(normal, self.levels, strict=True):
                scores[i] = score_at(level, self.ends)
        return scores


@dataclass(frozen=True)
class Normal:
    """A tokenizer in the form in which everybody but its author sees it.

    Attributes:
        model: the content of its file.
        serialized: the bytes that count for its weight.
    """

    model: bytes
    serialized: bytes

    @property
    def compressed_bytes(self) -> int:
        """Its weight: the size of :attr:`serialized` compressed with lzma (preset 9, extreme)."""
        return compressed_bytes(self.serialized)


def compressed_bytes(serialized: bytes) -> int:
    """The weight of a serialized normal form in bytes."""
    return len(lzma.compress(serialized, preset=9 | lzma.PRESET_EXTREME))


def normal(model: bytes) -> Normal:
    """Bring the content of a tokenizer's file to normal form, the byte tokenizer's JSON included.

    Raises:
        TokenizerError: it is no tokenizer, or one without a normal form.
    """
    if model[:1] == b"{":
        parse_tokenizer(model)
        return Normal(ByteTokenizer().model, b"pure bytes\n")
    form = normal_form(model)
    return Normal(form.model(), form.serialized())


def normal_form(model: bytes) -> NormalForm:
    """The normal form of a SentencePiece model; everything else in the file is left out.

    No C++ library is used, so the worst that a hostile file can do is be refused.

    Raises:
        TokenizerError: it is no such model, or has a piece that is no text or a score that is no
            number.
    """
    try:
        found = list(fields(model))
        pieces = [_piece(content) for number, content in found if number == _PIECES]
        # A message may come in several parts, which together are one message.
        trainer, normalizer = (
            dict(fields(b"".join(_bytes(content) for number, content in found if number == which)))
            for which in (_TRAINER, _NORMALIZER)
        )
        kind = Kind(_number(trainer, _MODEL_TYPE, Kind.UNIGRAM))
    except (WireError, ValueError) as error:
        raise _unusable(f"{_NOT_A_MODEL}: {error}") from error
    if not pieces or len(pieces) > TOKEN_LIMIT:
        raise _unusable(f"{_NOT_A_MODEL} of 1 to {TOKEN_LIMIT:,} pieces: it has {len(pieces):,}")
    texts, scores, types = zip(*pieces, strict=True)
    levels, ends = b"", (0.0, 0.0)
    if kind is Kind.UNIGRAM:
        used = [score for score, type_ in zip(scores, types, strict=True) if type_ == Type.NORMAL]
        try:
            levels, ends = levels_of(used)
        except ValueError as error:
            raise _unusable(str(error)) from error
    try:
        return NormalForm(
            kind=kind,
            flags=Flags(
                byte_fallback=bool(_number(trainer, _BYTE_FALLBACK, 0)),
                treat_whitespace_as_suffix=bool(_number(trainer, _SUFFIX, 0)),
                add_dummy_prefix=bool(_number(normalizer, _DUMMY_PREFIX, 1)),
                remove_extra_whitespaces=bool(_number(normalizer, _EXTRA_SPACES, 1)),
                escape_whitespaces=bool(_number(normalizer, _ESCAPE_SPACES, 1)),
            ),
            pieces=texts,
            types=bytes(types),
            special=_special(trainer, texts, types),
            table=_bytes(normalizer.get(_TABLE, b"")),
            levels=levels,
            ends=ends,
        )
    except WireError as error:
        raise _unusable(f"{_NOT_A_MODEL}: {error}") from error


def _float32(content: bytes) -> float:
    [value] = struct.unpack("<f", content)
    return float(value)


def _piece(content: int | bytes) -> tuple[str, float, Type]:
    found = dict(fields(_bytes(content)))
    score = _bytes(found.get(_SCORE, bytes(4)))
    if len(score) != 4:
        raise WireError("a piece's score is no float32")
    return (
        _bytes(found.get(_PIECE, b"")).decode(),
        _float32(score),
        Type(_number(found, _TYPE, Type.NORMAL)),
    )


def _special(
    trainer: dict[int, int | bytes], texts: Sequence[str], types: Sequence[Type]
) -> dict[str, int]:
    """The ids of special pieces, found as SentencePiece finds them: by text and type."""
    places: dict[str, int] = {}
    for place, (text, kind) in enumerate(zip(texts, types, strict=True)):
        if kind == Type.CONTROL and text:
            places.setdefault(text, place)
    unknown = [place for place, kind in enumerate(types) if kind == Type.UNKNOWN]
    found = {"unk": unknown[0] if unknown else -1}
    for name in ("bos", "eos", "pad"):
        _, field, usual = _SPECIAL[name]
        named = _bytes(trainer.get(field, b"")).decode(errors="replace")
        # A name that no piece has leaves the default, as in a file without any name.
        found[name] = places.get(named, places.get(usual, -1))
    return found


def _number(message: dict[int, int | bytes], field: int, default: int) -> int:
    value = message.get(field, default)
    if isinstance(value, bytes):
        raise WireError(f"field {field} is no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("a number where bytes are expected")
    return value


def _unusable(problem: str) -> TokenizerError:
    return TokenizerError(problem, file=Path("tokenizer"), remedy=RESTORE)
