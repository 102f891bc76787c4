"""The vocabulary of logs: which keys and phrases mean a score, a size, a clock or a machine.

Every function here looks at one bounded line, in time linear in its length.
"""

import re
from typing import Literal

from harness.upstream.logs.lexing import Number, Pair, seconds

# Once training has begun, only a line that holds one of these is parsed; the rest is progress.
INTERESTING = re.compile(
    rb"bpb|BPB|its.per.byte|its/byte|val.loss|train_loss|ytes\b|ize\b|rtifact|budget|train_time"
    rb"|raining|wallclock|GPTQ|gptq|essian|alibrat|uanti[zs]|erialize|ompress|ompil|[Ww]arm-?up"
    rb"|tokens|NVIDIA|PyTorch|seed\b|SEED\b|world_size",
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
TRAINED = re.compile(
    r"\btrain(?:ing)?\b.{0,40}\b(?:complete|completed|finished|done|took|ended|stopped)\b", re.I
)
COMPILE = re.compile(r"compil|warm-?up|warming up", re.IGNORECASE)
TRAIN_TIME = frozenset(
    f"{train}{what}"
    for train in ("train_", "training_", "total_train_", "total_training_")
    for what in ("time", "seconds", "time_s", "time_ms", "wallclock", "wallclock_s", "time_seconds")
)
TOKENS = frozenset(
    f"{what}_{noun}" if noun == "tokens" else f"tokens_{what}"
    for what in ("val", "validation", "eval", "scored")
    for noun in ("tokens", "")
)
SEED = frozenset(("seed", "random_seed", "rng_seed", "global_seed"))
WORLD_SIZE = frozenset(("world_size", "ws", "nproc_per_node", "num_gpus", "n_gpus"))
_TOOK = re.compile(
    r"(?:\b(?i:in|took|after|done)|\()[ (:]{0,3}(\d{1,6}(?:\.\d{1,6})?) ?"
    r"(ms|s|secs?|seconds|m|mins?|minutes)\b"  # "M" are millions
)
_PROGRESS = re.compile(
    r"(?:^|[\s_:\[(])(?:chunks?|batch(?:es)?|progress|running|partial|so far|window \d+|eta)\b"
    r"|(?:^|[\s\[(|])\d{1,9}/\d{1,9}(?:[\s\])|]|$)|\d%",
    re.IGNORECASE,
)
# Words beside figures of other entries, or of several runs.
_FOREIGN = re.compile(
    r"\b(?:baseline|target|sota|prev(?:ious)?|delta|gain|improvement|reference|expected|claimed"
    r"|record|leaderboard|std|stddev|vs|mean|average|avg|improved?)\b",
    re.IGNORECASE,
)
_EVAL_TIME = re.compile(
    r"(?:post_ttt_|ttt_|val_)?eval(?:uation)?_?(?:time|seconds|wallclock|duration)|time|elapsed|took"
)
_WORDS = re.compile(r"[a-z0-9]{1,40}")
_BYTES = re.compile(r"(\d[\d,_]{3,17}) ?(?:bytes|B)\b")
_NOT_BPB = ("batch", "running", "delta", "std", "target", "baseline", "best_so_far")
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
    key = pair.key.lower().removesuffix("_exact")
    named = key.endswith("bpb") or key.startswith("bpb") or key in ("bits_per_byte", "bits/byte")
    named = named or (key == "byte" and pair.label.lower().endswith("bits per"))
    figure = pair.number
    plausible = figure is not None and 0 < figure.value < 20 and figure.decimals > 0
    return named and plausible and not key.startswith(_NOT_BPB)


def is_loss(pair: Pair) -> bool:
    """Whether a pair is a loss in nats per token."""
    key = pair.key.lower().removesuffix("_exact")
    figure = pair.number
    named = key.endswith("val_loss") or key in ("loss", "nll", "eval_loss")
    return named and figure is not None and 0 < figure.value < 100


def is_progress(name: str, bpb: Pair) -> bool:
    """Whether a score is an intermediate one, one of another entry, or one of several runs."""
    return any(
        pattern.search(text) for pattern in (_PROGRESS, _FOREIGN) for text in (name, bpb.label)
    )


def in_progress(text: str) -> bool:
    """Whether a line counts the steps of something that still runs."""
    return _PROGRESS.search(text) is not None


def scoring_name(found: list[Pair], loss: Pair | None, bpb: Pair) -> str:
    """What a log calls a scoring: the words before its figures, or the prefix of its keys."""
    first = found[0]
    if first.label:
        label = first.label.rstrip(":")
        return label.removesuffix("val").removesuffix("bits per").strip() or label
    if first not in (loss, bpb) and not first.number:
        return f"{first.key}:{first.value}"
    key = (loss or bpb).key.lower()
    for ending in ("_val_bpb", "_val_loss", "_bpb", "_loss"):
        if key.endswith(ending) and key != "val" + ending:
            return key.removesuffix(ending)
    return key


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
