"""SentencePiece tokenizers: load, train, and hold to giving every text back exactly."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.documents import first_difference
from harness.data.reading import damaged, reading, regular_file_bytes
from harness.data.shards import TOKEN_LIMIT, Tokens
from harness.errors import InfrastructureError


class Tokenizer:
    """A SentencePiece model held in memory.

    Attributes:
        vocabulary_size: number of pieces, special ones included.
        bos_id: id put before each document; it stands for no text.
        textless: bool[vocabulary_size], true for ids that may not stand inside a document:
            control symbols, the unknown symbol and unused pieces, BOS among them.
    """

    def __init__(self, model: bytes, *, path: Path | None = None) -> None:
        """Parse a model; ``path`` is where it came from, for messages.

        Raises:
            InfrastructureError: not a SentencePiece model, no BOS, or a vocabulary beyond uint16.
        """
        from sentencepiece import SentencePieceProcessor

        where = path or Path("tokenizer")
        self._processor: Any = SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, OSError) as error:
            raise damaged(where, "not a SentencePiece model") from error
        self.vocabulary_size: int = self._processor.vocab_size()
        self.bos_id: int = self._processor.bos_id()
        if self.bos_id < 0:
            raise damaged(where, "the tokenizer has no BOS piece")
        if self.vocabulary_size > TOKEN_LIMIT:
            raise damaged(where, f"{self.vocabulary_size} pieces do not fit in uint16")
        self.textless: NDArray[np.bool_] = np.array(
            [
                self._processor.is_control(i)
                or self._processor.is_unknown(i)
                or self._processor.is_unused(i)
                for i in range(self.vocabulary_size)
            ]
        )

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a ``.model`` file.

        Raises:
            InfrastructureError: missing, or not such a file.
        """
        regular_file_bytes(path)
        with reading(path):
            return cls(path.read_bytes(), path=path)

    def encode(self, text: str) -> Tokens:
        """Tokens of one text, without BOS: uint16[N]."""
        return np.array(self._processor.encode(text), dtype=np.uint16)

    def decode(self, tokens: Tokens) -> str:
        """Text of one document's tokens, BOS left out by the caller."""
        return str(self._processor.decode(tokens.tolist()))

    def mismatch(self, tokens: Tokens, text: str) -> str:
        """Why ``tokens`` (without BOS) are not exactly ``text``; empty when they are."""
        textless = self.textless[tokens]
        if textless.any():
            index = int(np.argmax(textless))
            return f"token {index} is the special id {int(tokens[index])}, which stands for no text"
        decoded = self.decode(tokens)
        if decoded == text:
            return ""
        at = first_difference(text, decoded)
        return (
            f"character {at} onwards: expected {text[at : at + 20]!a}, "
            f"decoded {decoded[at : at + 20]!a}"
        )


def train_bpe(texts: Sequence[str], *, vocabulary_size: int) -> bytes:
    """Train a byte-fallback BPE model that gives every text back exactly.

    The one exception is U+2581, which SentencePiece keeps for the space. White space is kept as
    it stands and may form pieces, because indentation is a large part of source code. Same texts,
    same bytes: BPE draws nothing, and one thread fixes the order of everything.

    Raises:
        InfrastructureError: the texts do not hold enough for that many pieces.
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
