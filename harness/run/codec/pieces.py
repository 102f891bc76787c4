"""What the harness itself knows of a SentencePiece model, without the library that parses one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.format.normal_form import Type, normal_form
from harness.data.format.shards import Tokens
from harness.run.codec.documents import CodecError, Document, Stated

IDS_PER_BYTE = 64
"""A character may be one byte, and become many by the model's own normalization: 33 by NFKC."""
_TEXTLESS = (Type.CONTROL, Type.UNKNOWN, Type.UNUSED)


@dataclass(frozen=True)
class Pieces:
    """A model in its normal form.

    Attributes:
        name: what sentences call it.
        sha256: digest of its file.
        textless: bool[vocabulary_size], true for ids that may not stand inside a document.
    """

    name: str
    sha256: str
    textless: NDArray[np.bool_]

    @classmethod
    def of(cls, name: str, sha256: str, model: bytes) -> "Pieces":
        """Read them from the content of the file; raises TokenizerError if it is no such file."""
        types = np.frombuffer(normal_form(model).types, dtype=np.uint8)
        return cls(name, sha256, np.isin(types, _TEXTLESS))

    def most_ids(self, document: Document) -> int:
        """How many ids are taken of a document; all together have a limit that is lower."""
        return IDS_PER_BYTE * (document.text_bytes + len(document.published) + 1)

    def check(self, document: Document, ids: Tokens, stated: Stated) -> None:
        """Check that the ids of a validation document all stand for text; raises CodecError."""
        if stated.vocabulary_size != len(self.textless):
            raise CodecError("says another vocabulary_size than its model has", document)
        textless = self.textless[ids]
        if document.split == "validation" and textless.any():
            at = int(np.argmax(textless))
            raise CodecError(
                f"does not give it back: id {at} is the special id {int(ids[at])}, which stands "
                "for no text",
                document,
            )
