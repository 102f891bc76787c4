"""A submission's SentencePiece model as a tokenizer of the codec beside it: this code is ours.

The model is a file that the harness built from the normal form of a stranger's. It is parsed by a
C++ library, so this runs in a sandbox, and nothing that it says is trusted.
"""

from pathlib import Path
from typing import Any


class Pieces:
    """A SentencePiece model."""

    def __init__(self, model: bytes) -> None:
        """Parse a model; raises whatever the library raises."""
        from sentencepiece import SentencePieceProcessor

        found: Any = SentencePieceProcessor()
        found.LoadFromSerializedProto(model)
        self._processor = found
        self.vocabulary_size = int(found.vocab_size())
        self.bos_id = int(found.bos_id())
        self._textless = frozenset(
            i
            for i in range(self.vocabulary_size)
            if found.is_control(i) or found.is_unknown(i) or found.is_unused(i)
        )

    def encode(self, text: str) -> list[int]:
        """The ids of a text; raises MemoryError where memory ran out."""
        try:
            ids: list[int] = self._processor.encode(text)
        # The library reports a lack of memory only in the text of some errors.
        except Exception as error:
            if "bad_alloc" in str(error):
                raise MemoryError from error
            raise
        return ids

    def encode_either(self, published: str, text: str) -> list[int]:
        """The ids of ``published`` if they decode to ``text``, else those of ``text``.

        ``text`` was normalized before. Normalizing twice does not always give the same as once.
        """
        ids = self.encode(published)
        if self._textless.isdisjoint(ids) and self.decode(ids) == text:
            return ids
        return self.encode(text)

    def decode(self, ids: list[int]) -> str:
        """The text of ids."""
        return str(self._processor.decode(ids))


def make(model: Path) -> Pieces:
    """The tokenizer of a model's file."""
    return Pieces(model.read_bytes())
