"""A tokenizer without capitals: operators say where they were, SentencePiece does the rest.

    UP      the next letter is a capital                     Hello     UP hello
    UPPER   all letters of the next run of letters are       HTTP      UPPER http
    ESCAPE  the next letter names a character of `ESCAPED`   U+2581    ESCAPE d

A run ends at whatever is no letter with two cases, an operator too: `HTTPServer` is `UPPER http UP
server`. An operator stands before the space before its word, so that the word keeps the space, and
a piece such as ` hello` serves ` Hello` too.

What has no small letter from which it comes back (`ß`, `İ`) stays as it is, and the model
falls back to bytes: every text comes back exactly.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

UP, UPPER, ESCAPE = "\ue001", "\ue002", "\ue003"
OPERATORS = (UP, UPPER, ESCAPE)
# What means something else to us or, as the sign for a space, to SentencePiece.
ESCAPED = (*OPERATORS, "\u2581")
NAMES = "abcd"
LARGEST_CAPITAL = 0x1FFFF  # of the scripts beyond, none has two cases


def _pairs() -> dict[str, str]:
    """Each capital with its small letter: single characters that lead to each other."""
    pairs = {}
    for code in range(LARGEST_CAPITAL + 1):
        capital = chr(code)
        small = capital.lower()
        if small != capital and len(small) == 1 and small.upper() == capital:
            pairs[capital] = small
    return pairs


class Capitals:
    """The transform: a text without capitals that says where they were, and back."""

    def __init__(self) -> None:
        small_of = _pairs()
        self.small_of = str.maketrans(small_of)
        self.capital_of = str.maketrans({small: capital for capital, small in small_of.items()})
        self.small = frozenset(small_of.values())
        small = f"[{''.join(self.small)}]"
        self.found = re.compile(f"[{''.join(small_of)}]+|[{''.join(ESCAPED)}]")
        self.written = re.compile(f"{UP} ?{small}|{UPPER} ?{small}+|{ESCAPE}[{NAMES}]")
        self.names = dict(zip(ESCAPED, NAMES, strict=True))
        self.escaped = {ESCAPE + name: one for one, name in self.names.items()}

    def without(self, text: str) -> str:
        """``text`` without capitals."""
        parts, done = [], 0
        for match in self.found.finditer(text):
            run, begin, end = match[0], match.start(), match.end()
            if run in self.names:
                parts += [text[done:begin], ESCAPE, self.names[run]]
                done = end
                continue
            if begin > done and text[begin - 1] == " ":
                begin -= 1
            parts.append(text[done:begin])
            # Of several capitals before a small letter, the last begins a word of its own.
            words = [text[begin:end]]
            if len(run) > 1 and text[end : end + 1] in self.small:
                words = [text[begin : end - 1], text[end - 1]]
            for word in words:
                parts += [
                    UP if len(word.lstrip(" ")) == 1 else UPPER,
                    word.translate(self.small_of),
                ]
            done = end
        return "".join([*parts, text[done:]])

    def back(self, text: str) -> str:
        """The text that ``without`` gave this for."""

        def write(match: re.Match[str]) -> str:
            return self.escaped.get(match[0]) or match[0][1:].translate(self.capital_of)

        return self.written.sub(write, text)


class Words:
    """A SentencePiece model of texts without capitals."""

    def __init__(self, model: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self.capitals = Capitals()
        self.pieces: Any = SentencePieceProcessor(model_file=str(model))
        self.vocabulary_size: int = self.pieces.vocab_size()
        self.bos_id: int = self.pieces.bos_id()

    def encode(self, text: str) -> list[int]:
        """Ids of a document, without BOS."""
        ids: list[int] = self.pieces.encode(self.capitals.without(text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The document that ``encode`` gave these for."""
        return self.capitals.back(self.pieces.decode(list(ids)))


def make(model: Path | None) -> Words:
    """The tokenizer of a SentencePiece model."""
    if model is None:
        raise ValueError("[tokenizer] model is missing")
    return Words(model)
