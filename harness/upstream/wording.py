"""What the words around a figure say of it: whose it is, and whether it is a final one.

Authors join words by underscores, digits, signs and capitals: ``previous_best_bpb``, ``prev2``,
``bestPrevious``. None of these is a boundary for ``\\b``, so a name is taken apart into its words
before they are looked for. A word is found whole: ``gain`` is not in ``again``.
"""

import re

_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]+")
# Beside figures of other entries, of what is aimed at, and beside differences from either.
_OF_OTHERS = frozenset(
    ["baseline", "target", "goal", "sota", "prev", "previous", "previously", "prior", "delta",
     "gain", "improvement", "improve", "improved", "improves", "improving", "reference", "ref",
     "expected", "leaderboard", "std", "stddev", "sd", "vs", "versus", "parent", "upstream",
     "beat", "threshold", "naive", "merged", "diff", "difference", "drop", "margin", "pr",
     "their", "theirs", "other", "another", "original", "orig", "old", "leader", "competitor"]
)  # fmt: skip
# The same where a script prints; in a title they speak of the entry itself.
_OF_OTHERS_IN_LOGS = _OF_OTHERS | frozenset(
    ["record", "claimed", "claim", "mean", "average", "avg", "median", "published", "official",
     "reported"]
)  # fmt: skip
_OF_OTHERS_IN_TABLES = _OF_OTHERS | {"record"}
_DIFFERENCE = re.compile(r"Δ|±|→|->|#\d")
_ASIDE = re.compile(r"\s{0,4}[\[(]([^()\[\]\d]{1,60})[\])]")
# The sizes of batches and chunks are settings of a scoring, not parts of one.
_PART = re.compile(
    r"\b(?:chunks?|batch(?:es)?|progress|running|partial|so far|eta)\b"
    r"(?! (?:size|len|length|tokens|seqs|sequences|count|per)\b)"
)
_COUNTED = re.compile(
    r"(?<![a-z])window[ _]\d+|(?:^|[\s\[(|])\d{1,9}/\d{1,9}(?:[\s\])|]|$)|\d%", re.IGNORECASE
)
_DIAGNOSTIC = re.compile(
    r"diagnostic|\binit(?:ial)?\b|\bpre ?quant|\bpost ?ema\b|\bpre ?ttt\b|unquanti[zs]ed"
    r"|\bbefore\b|\braw\b|(?<!post )\btrain(?:ing)?\b|\bstep\b"
)
_UNQUANTIZED = re.compile(r"(?<![a-z0-9])(?:fp|float|bf)(?:32|16)(?![a-z0-9])")
_QUANTIZED = re.compile(r"int\d|quant|round_?trip|ternary|zlib|zstd|brotli|lzma")


def in_words(text: str) -> str:
    """A name or a sentence as its words, in lower case, each with a space before the next."""
    return " ".join(_LETTERS.findall(_CAPITALS.sub(" ", text).lower()))


def _any_of(words: frozenset[str], text: str) -> bool:
    found = in_words(text).split()
    return any(word in words or word.removesuffix("s") in words for word in found)


def printed_of_others(text: str) -> bool:
    """Whether words that a script prints with a figure say that it is not one of this run."""
    return _any_of(_OF_OTHERS_IN_LOGS, text)


def aside(text: str, value: str) -> str:
    """What stands in brackets right behind a value: ``1.0614 (previous best)``."""
    _, found, rest = text.partition(value)
    said = _ASIDE.match(rest) if found else None
    return said[1] if said else ""


def written_of_others(text: str) -> bool:
    """The same of a line of prose."""
    return _any_of(_OF_OTHERS, text) or _DIFFERENCE.search(text) is not None


def tabled_of_others(text: str) -> bool:
    """The same of the heading of a column or a table, or of what a row is about."""
    return _any_of(_OF_OTHERS_IN_TABLES, text) or _DIFFERENCE.search(text) is not None


def in_progress(text: str) -> bool:
    """Whether words count the steps of something that still runs."""
    return _PART.search(in_words(text)) is not None or _COUNTED.search(text) is not None


def is_diagnostic(name: str) -> bool:
    """Whether a scoring is made on the way: before quantization, of raw weights, of train text."""
    if _DIAGNOSTIC.search(in_words(name)):
        return True
    lower = name.lower()
    return _UNQUANTIZED.search(lower) is not None and _QUANTIZED.search(lower) is None
