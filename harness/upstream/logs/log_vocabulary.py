"""The vocabulary of logs: which keys and phrases mean a score, a size, a clock or a machine.

Every function here looks at one bounded line, in time linear in its length.
"""

import re
from typing import Literal

from harness.upstream.logs.lexing import Number, Pair, seconds
from harness.upstream.wording import aside, in_progress, in_words, printed_of_others

# Once training has begun, only a line that holds one of these is parsed; the rest is progress.
INTERESTING = re.compile(
    rb"[Bb][Pp][Bb]|its.per.byte|its/byte|val.loss|train_loss|ytes(?![a-z])|ize(?![a-z])|rtifact"
    rb"|budget|train_time"
    rb"|raining|wallclock|GPTQ|gptq|essian|alibrat|uanti[zs]|erialize|ompress|ompil|[Ww]arm-?up"
    rb"|[Tt]oken|TOKEN|NVIDIA|PyTorch|seed(?![a-z])|SEED(?![A-Z])|world_size",
)
STEP = re.compile(
    r"(?:(?:step|iter(?:ation)?)\s?[:= ]\s?(\d{1,9})(?:\s?/\s?(\d{1,9}))?(?![\d.])"
    r"|(\d{1,9})/(\d{1,9})\s+(?:train|val)_loss)",
    re.IGNORECASE | re.ASCII,
)
# Written by launchers and the runtime, not by the script.
LAUNCHER = ("W0", "W1", "[W", "*****")
GPU_ROW = re.compile(r"\|?\s{0,8}(\d{1,3})\s{1,8}(NVIDIA [\w.-]{1,24}(?: [\w.-]{1,24}){0,5})\s{2}")
GPU = re.compile(
    r"\bNVIDIA (?:GeForce |RTX |Tesla )?[A-Z]{1,4}\d{2,4}\w{0,8}"
    r"(?:[ -](?:\d{1,4}GB|HBM\d\w?|PCIe|PCIE|NVL|SXM\d?)\b){0,4}"
)
TORCH = re.compile(
    r"\b(?:PyTorch|torch|torch_version|pytorch_version)[ :=]{1,3}v?(\d{1,3}\.\d{1,4}[\w.+-]{0,40})"
)
PYTHON = re.compile(r"\bPython[ :=]{1,3}(\d{1,2}\.\d{1,3}(?:\.\d{1,4})?)")
WORK = re.compile(
    r"gptq|hessian|calibrat|quanti[zs]|seriali[sz]e|compress|prun|generated \d{1,9} sequences",
    re.IGNORECASE,
)
_TRAINED = re.compile(
    r"\btrain(?:ing)?\b.{0,40}\b(?:complete|completed|finished|done|took|ended|stopped)\b"
)
COMPILE = re.compile(r"compil|warm-?up|warming up", re.IGNORECASE)
TRAIN_TIME = frozenset(
    f"{train}{what}"
    for train in ("train_", "training_", "total_train_", "total_training_")
    for what in ("time", "seconds", "time_s", "time_ms", "wallclock", "wallclock_s", "time_seconds")
)
SEED = frozenset(("seed", "random_seed", "rng_seed", "global_seed"))
WORLD_SIZE = frozenset(("world_size", "ws", "nproc_per_node", "num_gpus", "n_gpus"))
_TOOK = re.compile(
    r"(?:(?<![A-Za-z])(?i:in|took|after|done)|\()[ (:]{0,3}(\d{1,6}(?:\.\d{1,6})?) ?"
    r"(ms|s|secs?|seconds|m|mins?|minutes)\b"  # "M" are millions
)
_EVAL_TIME = re.compile(
    r"(?:post_ttt_|ttt_|val_)?eval(?:uation)?_?(?:time|seconds|wallclock|duration)|time|elapsed|took"
)
_WORDS = re.compile(r"[a-z0-9]{1,40}")
_BYTES = re.compile(r"(\d[\d,_]{3,17}) ?(?:bytes|B)(?![A-Za-z])")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_TOKENS = frozenset(("token", "tokens"))
_OF_VALIDATION = frozenset(("val", "valid", "validation", "eval", "evaluation", "scored"))
_NOT_OF_ALL = frozenset(
    ["train", "training", "batch", "chunk", "per", "step", "seq", "sequence", "context",
     "window", "rank", "local", "segment"]
)  # fmt: skip
# "62,021,846 validation tokens", "validation tokens 62,021,846": a figure without a separator.
_TOKENS_TOLD = re.compile(
    r"(?<![\w.])(\d[\d,_]{3,18}) (?:\w{1,12} ){0,2}tokens?(?![a-z])"
    r"|tokens? (\d[\d,_]{3,18})(?![\w.])",
    re.IGNORECASE | re.ASCII,
)
_FEWEST_TOKENS = 1000
_NO_SIZES = frozenset(
    ("params", "limit", "cap", "budget", "max", "target", "remaining", "headroom", "left", "raw")
)


def took(text: str) -> float | None:
    """How long a line says that something took: ``in 12.7s``, ``(122.0s)``, ``took 3 min``."""
    found = _TOOK.search(text)
    return seconds(Number(float(found[1]), found[2], 0)) if found else None


def slack(figure: Number) -> float:
    """The rounding error of a printed clock: half of its last digit, in seconds."""
    unit = seconds(Number(1.0, figure.unit, 0)) or 0.0
    return 0.5 * 10.0**-figure.decimals * unit


def is_bpb(pair: Pair) -> bool:
    """Whether a pair is a score in bits per byte, judged by its key and its value."""
    figure = pair.number
    plausible = figure is not None and 0 < figure.value < 20 and figure.decimals > 0
    return names_bpb(pair) and plausible


def names_bpb(pair: Pair) -> bool:
    """Whether a pair's key names a score in bits per byte, whatever its value is."""
    key = pair.key.lower().removesuffix("_exact")
    named = key.endswith("bpb") or key.startswith("bpb") or key in ("bits_per_byte", "bits/byte")
    return named or (key == "byte" and pair.label.lower().endswith("bits per"))


def is_loss(pair: Pair) -> bool:
    """Whether a pair is a loss in nats per token."""
    figure = pair.number
    return names_loss(pair) and figure is not None and 0 < figure.value < 100


def names_loss(pair: Pair) -> bool:
    """Whether a pair's key names a loss, whatever its value is."""
    key = pair.key.lower().removesuffix("_exact")
    return key.endswith("val_loss") or key in ("loss", "nll", "eval_loss")


def is_own(pair: Pair, found: list[Pair], text: str) -> bool:
    """Whether a score or a loss is one of this run, and a final one, as far as words tell.

    Other figures of the line have names of their own, which say nothing of this one.
    """
    first, others = found[0], {other.key for other in found if other is not pair}
    words = [word for word in pair.label.split() if word not in others]
    if first is not pair and not first.number:  # what kind of a line it is
        words += [first.key, first.value]
    said = " ".join([*words, pair.key, aside(text, pair.value)])
    return not (printed_of_others(said) or in_progress(said))


def is_not_finite(pair: Pair) -> bool:
    """Whether a pair is a score or a loss that is no number: the run diverged."""
    named = names_bpb(pair) or names_loss(pair) or pair.key == "train_loss"
    return named and _NOT_FINITE.fullmatch(pair.value) is not None


def validation_tokens(text: str, found: list[Pair]) -> int | None:
    """How many tokens the validation split has, where a line says so by any name."""
    begins = in_words(text[:40]).partition(" ")[0] in _OF_VALIDATION
    for place, pair in enumerate(found):
        figure = pair.number
        size = figure.integer if figure and figure.unit in ("", "tokens") else None
        others = {other.key for other in found[:place]}
        label = [word for word in pair.label.split() if word not in others]
        said = set(in_words(" ".join([*label[-4:], pair.key])).split())
        whose = begins if pair.key.lower() == "tokens" else False
        if size is not None and size >= _FEWEST_TOKENS and _of_all_tokens(said, whose=whose):
            return size
    for told in _TOKENS_TOLD.finditer(text):
        size = int((told[1] or told[2]).replace(",", "").replace("_", ""))
        around = text[max(told.start() - 40, 0) : told.end()]
        if size < 1 << 50 and _of_all_tokens(set(in_words(around).split()), whose=False):
            return size
    return None


def _of_all_tokens(words: set[str], *, whose: bool) -> bool:
    if not words & _TOKENS or words & _NOT_OF_ALL:
        return False
    return whose or bool(words & _OF_VALIDATION)


def scoring_name(found: list[Pair], loss: Pair | None, bpb: Pair) -> str:
    """What a log calls a scoring: the words before its figures, or the prefix of its keys."""
    first = found[0]
    if first.label:
        label = first.label.rstrip(":")
        words = label.split()
        for ending in (["val"], ["bits", "per"]):
            if words[-len(ending) :] == ending:
                words = words[: -len(ending)]
        return " ".join(words) or label
    if first not in (loss, bpb) and not first.number:
        return f"{first.key}:{first.value}"
    key = (loss or bpb).key.lower()
    for suffix in ("_val_bpb", "_val_loss", "_bpb", "_loss"):
        if key.endswith(suffix) and key != "val" + suffix:
            return key.removesuffix(suffix)
    return key


def trained(text: str) -> bool:
    """Whether a line says that training is over."""
    return _TRAINED.search(in_words(text)) is not None


def eval_seconds(found: list[Pair], text: str) -> float | None:
    """How long a scoring took in seconds, given by a key of its line or in words."""
    for pair in found:
        figure = pair.number
        if figure and _EVAL_TIME.match(pair.key.lower()):
            value = seconds(figure, key=pair.key)
            if value is not None:
                return value
    return took(text)


SizeKind = Literal["total", "model", "code"]


def size_of(pair: Pair, *, first: bool) -> tuple[SizeKind, int, bool] | None:
    """For a pair that is a size: (kind, bytes, whether its name says more than "total size").

    The words before the first pair of a line belong to it alone; the other pairs are named by their
    keys.
    """
    figure = pair.number
    size = figure.integer if figure else None
    if size is None or figure is None or figure.unit.lower() not in ("bytes", "byte", "b", ""):
        return None
    name = f"{pair.label} {pair.key}" if first else pair.key
    return _sized(name, size, in_bytes=figure.unit != "")


def size_in_words(text: str) -> tuple[SizeKind, int, bool] | None:
    """A size within a sentence: ``submission size 15.99 MB (15,993,853 bytes)``."""
    found = _BYTES.search(text)
    if not found:
        return None
    digits = found[1].replace(",", "").replace("_", "")
    return _sized(text[: found.start()][-200:], int(digits), in_bytes=True)


def _sized(name: str, size: int, *, in_bytes: bool) -> tuple[SizeKind, int, bool] | None:
    words = set(_WORDS.findall(name.lower().replace("_", " ")))
    if size >= 1 << 40 or words & _NO_SIZES:
        return None
    sized = in_bytes or bool(words & {"size", "bytes", "byte"})
    if words & {"code", "script"} and (sized or words == {"code"}):
        return "code", size, True  # no lower limit: some scripts only run another one
    if size < 1000:
        return None
    if words & {"total", "submission", "artifact"} and sized:
        return "total", size, bool(words - {"total", "submission", "size"})
    if words & {"model", "weights", "compressed", "quantized"} and (sized or "serialized" in words):
        return "model", size, True
    return None
