"""A line of a log as facts: words, and keys with their values. Linear in the line's length.

Logs are written by hundreds of scripts, and no two agree. What they share is a grammar: a
label, then ``key:value`` or ``key=value`` or ``key: value``, a figure with or without
thousands separators and a unit, and, before all of these, a prefix of the launcher.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.safeio.parsing import LONGEST_INTEGER_DIGITS

# Longer lines are binary data or noise; the longest real line of settings is 2 kB.
LINE_BYTES = 8192
_LONGEST_TOKEN = 256
_NUMBER = re.compile(
    r"([+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)([A-Za-z%]{0,12})\.?", re.ASCII
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")
# What launchers and loggers put before a line: ranks, time stamps, levels. One token at a time.
_PREFIX = re.compile(
    r"""\[?rank[ _-]?\d{1,5}\]?:?
    | \[?(?:default|worker|gpu|node)\d{1,5}\]?:?
    | \[\d{1,4},\d{1,4}\](?:<std(?:out|err)>)?:?
    | \[?\d{4}[-/]\d\d[-/]\d\d(?:[T_]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?\]?:?
    | \[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?\]?:?
    | \[?(?:INFO|WARNING|WARN|DEBUG|ERROR|CRITICAL|NOTICE)\]?(?::[\w.]{0,64})?:?
    | \d{1,5}: | \d{1,9}\.\d{3} | [-|>*\#]{1,3} | \[?\d{1,6}\]
    """,
    re.VERBOSE | re.ASCII,
)
_GLUED = re.compile(r"(?:\[rank\d{1,5}\]:|(?:INFO|WARNING|DEBUG|ERROR):[\w.]{1,64}:)", re.ASCII)
_STRIPPED = "\"'`*|,;()[]{}<>"
_MOST_LABEL_WORDS = 16
_MOST_PREFIXES = 6
_MOST_TOKENS = 400  # a line of all settings has about a hundred
_BARS = ("|", "||")  # between the cells of a table
# Keys that some scripts print without any separator: "val_bpb 1.0812", "| seed | 42 |".
_BARE_KEYS = frozenset(
    {"val_bpb", "bpb", "val_loss", "train_loss", "loss", "seed", "eval_time", "train_time"}
)
SECONDS = {
    "ms": 0.001,
    "msec": 0.001,
    "milliseconds": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hours": 3600.0,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A figure as printed: value, unit (empty where it has none) and number of decimals."""

    value: float
    unit: str
    decimals: int

    @property
    def integer(self) -> int | None:
        """The value if it was printed as a whole number, else None."""
        return int(self.value) if self.decimals == 0 and abs(self.value) < 1e15 else None


@dataclass(frozen=True, slots=True)
class Pair:
    """``key:value`` as printed; ``label`` holds the words of the line before the key."""

    key: str
    value: str
    label: str
    unit: str = ""

    @property
    def number(self) -> Number | None:
        """The value as a figure; its unit is attached to it or is the next word."""
        found = number(self.value)
        if found and not found.unit and self.unit:
            return Number(found.value, self.unit, found.decimals)
        return found


def number(text: str) -> Number | None:
    """``15,863,489``, ``599544ms``, ``1.0612`` or ``1e-8`` as a figure; None for anything else."""
    if not text or len(text) > 64:
        return None
    found = _NUMBER.fullmatch(text.strip(_STRIPPED))
    if not found:
        return None
    digits = found[1].replace(",", "").replace("_", "")
    whole, _, fraction = digits.partition(".")
    if len(whole) > LONGEST_INTEGER_DIGITS:
        return None
    exponent = "e" in digits.lower()
    decimals = 0 if exponent else len(fraction)
    return Number(float(digits), found[2], decimals + (1 if exponent else 0))


def cleaned(line: bytes) -> str:
    """A line as text: bounded, without terminal escapes and without the launcher's prefix."""
    text = line[:LINE_BYTES].decode("utf-8", "replace").strip("\r\n\ufeff")
    if "\r" in text:  # progress bars overwrite themselves: only the last state counts
        text = text.rstrip("\r").rpartition("\r")[2]
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    for _ in range(_MOST_PREFIXES):
        bare = text.lstrip()
        glued = _GLUED.match(bare)
        if glued:
            text = bare[glued.end() :]
            continue
        head, _, rest = bare.partition(" ")
        if len(head) > 48 or not rest or not _PREFIX.fullmatch(head):
            break
        text = rest
    return text.lstrip()


def pairs(text: str) -> Iterator[Pair]:
    """The keys and values of a line in order, each with the words before it.

    A key and its value are joined by ``:`` or ``=``, with or without a space; quotes and brackets
    around either are dropped, so that lines of JSON and of tables are read in the same way.
    """
    words: list[str] = []
    pending: str | None = None
    previous = ""
    tokens = _tokens(text)
    for place, token in enumerate(tokens):
        if pending is not None:
            unit = _unit(tokens, place + 1) if number(token) else ""
            yield Pair(pending, token.strip(_STRIPPED), " ".join(words[:_MOST_LABEL_WORDS]), unit)
            words.append(pending)
            pending = None
            continue
        if token in (":", "=") and previous:
            pending = previous.strip(_STRIPPED)
            if words:
                words.pop()
            continue
        at = _separator(token)
        key = token[:at].strip(_STRIPPED) if at >= 0 else ""
        if not key:
            bare = previous.strip(_STRIPPED)
            if bare.lower() in _BARE_KEYS and number(token):
                words.pop()
                label = " ".join(words[:_MOST_LABEL_WORDS])
                yield Pair(bare, token.strip(_STRIPPED), label, _unit(tokens, place + 1))
                words.append(bare)
            else:
                words.append(token)
            previous = token
            continue
        value = token[at + 1 :]
        if value.startswith(("=", ":")):
            value = value[1:]
        if value.strip(_STRIPPED):
            unit = _unit(tokens, place + 1) if number(value) else ""
            label = " ".join(words[:_MOST_LABEL_WORDS])
            yield Pair(key, value.strip(_STRIPPED), label, unit)
            words.append(key)
            previous = ""
        else:
            pending = key


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for token in text.split(None, _MOST_TOKENS)[:_MOST_TOKENS]:
        if len(token) > _LONGEST_TOKEN or token in _BARS:
            continue
        # "val_loss:2.07,val_bpb:1.22" is two facts, "15,863,489" is one figure.
        if "," in token and not number(token):
            tokens += [part for part in token.split(",") if part]
        else:
            tokens.append(token)
    return tokens


def _separator(token: str) -> int:
    colon, equals = token.find(":"), token.find("=")
    return min(colon, equals) if colon >= 0 and equals >= 0 else max(colon, equals)


def _unit(tokens: list[str], place: int) -> str:
    word = tokens[place].strip(_STRIPPED + ".").lower() if place < len(tokens) else ""
    return word if word in SECONDS or word in ("bytes", "byte", "b", "mb", "mib", "kb") else ""


def seconds(figure: Number, *, key: str = "") -> float | None:
    """A figure in seconds, by its own unit or by the suffix of its key; None without either."""
    unit = figure.unit.lower()
    if not unit:
        ending = key.lower().rpartition("_")[2]
        unit = ending if ending in SECONDS else ""
    scale = SECONDS.get(unit)
    return round(figure.value * scale, 6) if scale is not None else None
