"""Compares the field's count of bytes, made with a table, with the bytes of the text.

The field's scripts never look at text: they add up, for each target, the bytes of its piece, plus
one for a leading space unless the token before it is a boundary. That is right for a lossless
tokenizer used as the field uses it, and wrong in ways that this module names. Source: the function
``build_sentencepiece_luts`` of the field's training scripts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.format.documents import text_bytes
from harness.data.format.reading import Progress, silent
from harness.data.format.shards import Tokens
from harness.data.format.tokenizers import SPACE_SYMBOL, AnyTokenizer, Tokenizer, difference

Cause = Literal[
    "leading_space",
    "inner_space",
    "unknown",
    "space_symbol",
    "added_space",
    "dropped_space",
    "symbol_in_text",
    "normalization",
    "unexplained",
]
CAUSES: dict[Cause, str] = {
    "leading_space": "a piece begins with a space after a boundary, such as BOS: the table does "
    "not count it, though it stands in the text",
    "inner_space": "a piece holds spaces other than its first character: the table counts the "
    "space symbol, 3 bytes, for each",
    "unknown": "an unknown or control piece stands in the text: the table counts nothing",
    "space_symbol": "the vocabulary has no piece for the space alone, so a space is spelled in the "
    "3 bytes of its symbol, which decoding leaves: use a tokenizer that has the piece U+2581",
    "added_space": "the tokenizer adds a space at the end of each text, which decoding leaves: "
    "train it without a dummy prefix",
    "dropped_space": "the tokenizer adds a space at the end of each text, and decoding drops the "
    "one that this text begins with: train it without a dummy prefix",
    "symbol_in_text": "the text holds U+2581, which the tokenizer takes for a space: 1 byte for 3",
    "normalization": "the tokenizer changes the text before it encodes: what it scores is not "
    "the document",
    "unexplained": "decoding gives back another text than the normalized one, and none of the "
    "other reasons says why",
}
SHOWN = 5


@dataclass(frozen=True)
class Differing:
    """A document whose count by table differs from its bytes of text.

    Attributes:
        document: its number, from 1.
        table_bytes: its bytes as the table counts them.
        text_bytes: UTF-8 bytes of its text.
        causes: by cause, how many bytes the table counts too many (or, if negative, too few).
        place: where the first difference is.
    """

    document: int
    table_bytes: int
    text_bytes: int
    causes: dict[Cause, int]
    place: str


@dataclass
class Weighing:
    """The sums over all documents; ``causes`` maps each cause to its documents and bytes."""

    documents: int = 0
    tokens: int = 0
    table_bytes: int = 0
    text_bytes: int = 0
    differing: int = 0
    causes: dict[Cause, tuple[int, int]] = field(default_factory=dict)
    first: list[Differing] = field(default_factory=list)

    def add(self, found: Differing) -> None:
        """Count a document that differs; the first few are kept as examples."""
        self.differing += 1
        for cause, amount in found.causes.items():
            documents, total = self.causes.get(cause, (0, 0))
            self.causes[cause] = documents + 1, total + amount
        if len(self.first) < SHOWN:
            self.first.append(found)


class Table:
    """Bytes of each id, as the table counts them and as they occur in decoded text.

    Attributes:
        base: int64[V], bytes of a piece without a leading space; byte pieces weigh 1, special
            ids 0.
        leading: bool[V], whether the piece begins with a space.
        decoded: int64[V], bytes that the id stands for in decoded text, any spaces included.
        textless: bool[V], special ids: boundaries after which no space is counted.
    """

    def __init__(self, tokenizer: AnyTokenizer) -> None:
        """Read the pieces."""
        size = tokenizer.vocabulary_size
        self.textless = tokenizer.textless
        self.base = np.where(self.textless, 0, 1).astype(np.int64)
        self.leading = np.zeros(size, dtype=bool)
        self.decoded = self.base.copy()
        self.loses_first_space = False
        if isinstance(tokenizer, Tokenizer):
            # SentencePiece decodes as if it had been added in front, wherever it was.
            self.loses_first_space = tokenizer.adds_a_space or tokenizer.adds_at_end
            for i in np.flatnonzero(~self.textless).tolist():
                if tokenizer.processor.is_byte(i):
                    continue
                piece = tokenizer.processor.id_to_piece(i)
                self.leading[i] = piece.startswith(SPACE_SYMBOL)
                self.base[i] = text_bytes(piece.removeprefix(SPACE_SYMBOL))
                self.decoded[i] = text_bytes(piece.replace(SPACE_SYMBOL, " "))

    def by_table(self, tokens: Tokens) -> NDArray[np.int64]:
        """Bytes of each token of one document, BOS before it: int64[N]."""
        return self.base[tokens] + self.leading[tokens] - self.uncounted(tokens)

    def uncounted(self, tokens: Tokens) -> NDArray[np.int64]:
        """Leading spaces not counted by the table, since they follow a boundary: int64[N]."""
        after_boundary = np.ones(len(tokens), dtype=bool)
        after_boundary[1:] = self.textless[tokens[:-1]]
        return (self.leading[tokens] & after_boundary).astype(np.int64)

    def by_decoding(self, tokens: Tokens) -> NDArray[np.int64]:
        """Bytes that each token stands for in the decoded document: int64[N]."""
        found = self.decoded[tokens]
        found[:1] -= self.lost(tokens)
        return found

    def lost(self, tokens: Tokens) -> int:
        """1 if decoding removes the document's first space, as one that was added, else 0."""
        return int(self.loses_first_space and len(tokens) > 0 and self.leading[tokens[0]])


def weigh(
    documents: Iterable[str],
    tokenizer: AnyTokenizer,
    *,
    position: Callable[[], tuple[int, int]] = lambda: (0, 1),
    progress: Progress = silent,
) -> Weighing:
    """Count the bytes of each document both ways; ``position``: bytes read, of how many."""
    table = Table(tokenizer)
    found = Weighing()
    for text in documents:
        tokens = tokenizer.encode(text)
        found.documents += 1
        found.tokens += len(tokens)
        by_table, weight = int(table.by_table(tokens).sum()), text_bytes(text)
        found.table_bytes += by_table
        found.text_bytes += weight
        causes = dict(_causes(table, tokenizer, tokens, text))
        if causes:
            place = _place(table, tokenizer, tokens, text)
            found.add(Differing(found.documents, by_table, weight, causes, place))
        if found.documents % 64 == 0:
            progress("weighing documents", *position())
    return found


def _causes(
    table: Table, tokenizer: AnyTokenizer, tokens: Tokens, text: str
) -> Iterator[tuple[Cause, int]]:
    """Why the counts differ; the amounts add up to the table's count minus the text's."""
    off = table.by_table(tokens) - table.by_decoding(tokens)
    leading = table.lost(tokens) - int(table.uncounted(tokens).sum())
    amounts: dict[Cause, int] = {"leading_space": leading, "inner_space": int(off.sum()) - leading}
    left = int(table.by_decoding(tokens).sum()) - text_bytes(text)
    decoded = tokenizer.decode(tokens)
    unknown = bool(table.textless[tokens].any())
    if left or decoded != text:
        found, restored = _of_decoding(tokenizer, decoded, text)
        if unknown:
            found["unknown"] = -_unknown_bytes(tokenizer, text)
        left -= sum(found.values())
        # What unknown pieces stood for is not in the decoded text, so that cannot be compared.
        if left or not (restored or unknown):
            found["unexplained"] = left
        amounts |= found
    for cause, amount in amounts.items():
        if amount or cause in ("normalization", "unexplained"):
            yield cause, amount


def _of_decoding(tokenizer: AnyTokenizer, decoded: str, text: str) -> tuple[dict[Cause, int], bool]:
    """Bytes by which decoded text is longer, by cause, and whether these explain all of it."""
    found: dict[Cause, int] = {}
    expected = tokenizer.normalized(text)
    plain, restored = text, decoded
    if isinstance(tokenizer, Tokenizer):
        symbols = text.count(SPACE_SYMBOL)
        plain = text.replace(SPACE_SYMBOL, " ")
        restored = decoded.replace(SPACE_SYMBOL, " ")
        if decoded.count(SPACE_SYMBOL) > 0:
            if tokenizer.adds_a_space and decoded.startswith(SPACE_SYMBOL):
                restored = restored[1:]
            spelled = text_bytes(decoded) - text_bytes(restored)
            found["space_symbol"] = spelled - 2 * symbols
        elif symbols:
            found["symbol_in_text"] = -2 * symbols
        if tokenizer.adds_at_end and expected.startswith(" "):
            found["dropped_space"] = -1
            expected, plain = expected[1:], plain.removeprefix(" ")
        if tokenizer.adds_at_end and expected.endswith(" ") and restored == expected:
            found["added_space"] = 1
            restored, expected = restored[:-1], expected[:-1]
    if expected != plain:
        found["normalization"] = text_bytes(expected) - text_bytes(plain)
    return found, restored == expected


def _unknown_bytes(tokenizer: AnyTokenizer, text: str) -> int:
    """Bytes of the text that its unknown pieces stand for."""
    if not isinstance(tokenizer, Tokenizer):
        return 0
    pieces = tokenizer.processor.encode(text, out_type=str)
    ids = tokenizer.encode(text)
    unknown = (piece for piece, id_ in zip(pieces, ids, strict=True) if tokenizer.textless[id_])
    return sum(text_bytes(piece.replace(SPACE_SYMBOL, " ")) for piece in unknown)


def _place(table: Table, tokenizer: AnyTokenizer, tokens: Tokens, text: str) -> str:
    decoded = tokenizer.decode(tokens)
    if decoded != text:
        return difference(text, decoded)
    index = int(np.argmax(table.by_table(tokens) != table.by_decoding(tokens)))
    at = len(tokenizer.decode(tokens[:index]))
    return f"character {at}, token {index}: {text[at : at + 20]!a}"
