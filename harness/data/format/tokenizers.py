"""Tokenizers: load them, train one, and check that decoding restores every text exactly.

Two kinds: SentencePiece models, and the field's pure bytes, which need no model at all.
"""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.data.format.documents import first_difference
from harness.data.format.reading import RESTORE, content_of
from harness.data.format.shards import TOKEN_LIMIT, Tokens
from harness.errors import InfrastructureError
from harness.models import Exact

MODEL_BYTES_LIMIT = 256 << 20
SPACE_SYMBOL = "\u2581"
"""How SentencePiece writes a space."""

SPELLED = (
    "its vocabulary has no piece for the space alone (U+2581), so spaces are spelled in the 3 "
    "bytes of that symbol"
)


class TokenizerError(InfrastructureError):
    """A file that is no usable tokenizer. The caller knows whose fault that is."""


class AnyTokenizer(ABC):
    """A tokenizer: encodes texts to tokens and decodes them again.

    Attributes:
        model: the content of the file that it came from.
        vocabulary_size: number of ids, special ones included.
        bos_id: id put before each document; it stands for no text.
        textless: bool[vocabulary_size], true for ids that may not stand inside a document:
            control symbols, the unknown symbol and unused pieces, BOS among them.
    """

    model: bytes
    vocabulary_size: int
    bos_id: int
    textless: NDArray[np.bool_]

    @abstractmethod
    def encode(self, text: str) -> Tokens:
        """Tokens of one text, without BOS: uint16[N]."""

    @abstractmethod
    def decode(self, tokens: Tokens) -> str:
        """The text of one document's tokens; the caller leaves BOS out."""

    @abstractmethod
    def normalized(self, text: str) -> str:
        """``text`` after this tokenizer's own normalization, which is done before it encodes.

        It is not computed from tokens, so it can be compared with what tokens decode to.
        """

    def mismatch(self, tokens: Tokens, text: str) -> str:
        """Why ``tokens`` (without BOS) are not exactly ``text``; empty when they are."""
        textless = self.textless[tokens]
        if textless.any():
            index = int(np.argmax(textless))
            return f"token {index} is the special id {int(tokens[index])}, which stands for no text"
        decoded = self.decode(tokens)
        if decoded == text:
            return ""
        return f"{difference(text, decoded)}{self.explained(decoded, text)}"

    def explained(self, decoded: str, text: str) -> str:
        """Why a text is not restored, as the end of a sentence, where the tokenizer itself says."""
        return ""


def difference(expected: str, found: str) -> str:
    """Where two different texts first differ, with a short excerpt of both."""
    at = first_difference(expected, found)
    return (
        f"character {at} onwards: expected {expected[at : at + 20]!a}, "
        f"decoded {found[at : at + 20]!a}"
    )


class Tokenizer(AnyTokenizer):
    """A SentencePiece model held in memory."""

    def __init__(self, model: bytes, *, path: Path | None = None) -> None:
        """Parse a model; ``path`` is where it came from, for messages.

        Raises:
            TokenizerError: not a SentencePiece model, no BOS, or a vocabulary beyond uint16.
        """
        from sentencepiece import SentencePieceProcessor

        where = path or Path("tokenizer")
        self.processor: Any = SentencePieceProcessor()
        try:
            self.processor.LoadFromSerializedProto(model)
        except (RuntimeError, OSError) as error:
            raise _unusable(where, "not a SentencePiece model") from error
        self.model = model
        self.vocabulary_size = self.processor.vocab_size()
        self.bos_id = self.processor.bos_id()
        if self.bos_id < 0:
            raise _unusable(where, "the tokenizer has no BOS piece")
        if self.vocabulary_size > TOKEN_LIMIT:
            raise _unusable(where, f"{self.vocabulary_size} pieces do not fit in uint16")
        self.textless = np.array(
            [
                self.processor.is_control(i)
                or self.processor.is_unknown(i)
                or self.processor.is_unused(i)
                for i in range(self.vocabulary_size)
            ]
        )
        # A model may add a space before every text; decoding removes it again.
        shown = str(self.processor.normalize("a"))
        self.adds_a_space = shown.startswith(SPACE_SYMBOL)
        # Or behind every text, where decoding leaves it.
        self.adds_at_end = len(shown) > 1 and shown.endswith(SPACE_SYMBOL)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a ``.model`` file.

        Raises:
            InfrastructureError: it is missing, or no such file.
        """
        return cls(content_of(path, limit_bytes=MODEL_BYTES_LIMIT), path=path)

    def encode(self, text: str) -> Tokens:
        """See :class:`AnyTokenizer`."""
        return np.array(self.processor.encode(text), dtype=np.uint16)

    def decode(self, tokens: Tokens) -> str:
        """See :class:`AnyTokenizer`."""
        return str(self.processor.decode(tokens.tolist()))

    def explained(self, decoded: str, text: str) -> str:
        """See :class:`AnyTokenizer`."""
        if decoded.count(SPACE_SYMBOL) > text.count(SPACE_SYMBOL):
            return f"; {SPELLED}"
        if self.adds_at_end and decoded == f"{text} ":
            return "; it adds a space at the end of each text, which decoding leaves there"
        return ""

    def normalized(self, text: str) -> str:
        """See :class:`AnyTokenizer`."""
        shown = str(self.processor.normalize(text))
        if self.adds_a_space:
            shown = shown.removeprefix(SPACE_SYMBOL)
        return shown.replace(SPACE_SYMBOL, " ")


class _ByteConfig(Exact):
    pad_id: Literal[0] = 0
    bos_id: Literal[1] = 1
    eos_id: Literal[2] = 2
    unk_id: Literal[3] = 3
    byte_offset: Literal[4] = 4
    byte_count: Literal[256] = 256


class _ByteFile(Exact):
    """Content of the field's ``fineweb_pure_byte_260.json``."""

    tokenizer_type: Literal["pure_byte"] = "pure_byte"
    config: _ByteConfig = _ByteConfig()
    vocab_size: Literal[260] = 260


class ByteTokenizer(AnyTokenizer):
    """UTF-8 bytes as tokens: ids 0 to 3 are special (BOS is 1), byte ``b`` is ``4 + b``."""

    OFFSET = 4

    def __init__(self, model: bytes = b"") -> None:
        """Take the content of its file as ``model``, if it came from one."""
        self.model = model or (json.dumps(_ByteFile().model_dump(), indent=2) + "\n").encode()
        self.vocabulary_size = self.OFFSET + 256
        self.bos_id = 1
        self.textless = np.arange(self.vocabulary_size) < self.OFFSET

    def encode(self, text: str) -> Tokens:
        """See :class:`AnyTokenizer`."""
        return np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint16) + self.OFFSET

    def decode(self, tokens: Tokens) -> str:
        """See :class:`AnyTokenizer`; what is not UTF-8 becomes U+FFFD."""
        return (tokens - self.OFFSET).astype(np.uint8).tobytes().decode(errors="replace")

    def normalized(self, text: str) -> str:
        """The text unchanged: bytes need no normalization."""
        return text


def parse_tokenizer(model: bytes, *, path: Path | None = None) -> AnyTokenizer:
    """Make a tokenizer from a file's content: a SentencePiece model, or the byte tokenizer's JSON.

    Raises:
        TokenizerError: it is neither.
    """
    if model[:1] != b"{":
        return Tokenizer(model, path=path)
    try:
        _ByteFile.model_validate_json(model)
    except ValidationError as error:
        raise _unusable(
            path or Path("tokenizer"),
            "neither a SentencePiece model nor the JSON of the pure-byte tokenizer with 260 ids",
        ) from error
    return ByteTokenizer(model)


def load_tokenizer(path: Path) -> AnyTokenizer:
    """Read a tokenizer file of either kind.

    Raises:
        InfrastructureError: it is missing, or no such file.
    """
    return parse_tokenizer(content_of(path, limit_bytes=MODEL_BYTES_LIMIT), path=path)


def _unusable(path: Path, problem: str) -> TokenizerError:
    return TokenizerError(problem, file=path, remedy=RESTORE)


def train_bpe(texts: Sequence[str], *, vocabulary_size: int) -> bytes:
    """Train a byte-fallback BPE model that restores every text exactly.

    The one exception is U+2581, which SentencePiece keeps for the space. White space is kept
    unchanged and may form pieces, because indentation is a large part of source code. The same
    texts give the same bytes: BPE is not random, and a single thread fixes the order of everything.

    Raises:
        InfrastructureError: the texts are too short for that many pieces.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocabulary_size,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            max_sentence_length=1 << 24,
            num_threads=1,
            minloglevel=2,
            # The ids of the field's own models.
            pad_id=0,
            bos_id=1,
            eos_id=2,
            unk_id=3,
        )
    except RuntimeError as error:
        raise InfrastructureError(
            f"the tokenizer cannot be trained: {error}", remedy="use a larger corpus"
        ) from error
    return model.getvalue()
