"""What ``submission.json`` claims, in all the forms in use."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.upstream.folder import BrokenFileError, Figure, RecordFolder, parse_object

LARGEST_CLAIMED_BYTES = 1 << 50
_BPB_KEYS = (
    "val_bpb", "val_bpb_mean", "mean_val_bpb", "mean_bpb", "bpb_mean", "final_val_bpb", "bpb",
    "final_bpb", "val_bpb_exact", "score", "val_bpb_sliding", "val_bpb_ttt", "post_ttt_val_bpb",
)  # fmt: skip
_LOSS_KEYS = (
    "val_loss", "val_loss_mean", "mean_val_loss", "mean_val_loss_nats", "final_val_loss",
    "val_loss_sliding", "val_loss_exact",
)  # fmt: skip
_BYTES_KEYS = (
    "bytes_total", "total_bytes", "artifact_bytes", "submission_bytes", "artifact_bytes_max",
    "submission_size_bytes", "artifact_size_bytes",
)  # fmt: skip
_CONTAINERS = ("metrics", "results", "result", "final", "summary", "scores", "evaluation")
_SEED_CONTAINERS = (
    "seed_results", "seeds", "per_seed", "per_seed_results", "results_per_seed", "runs",
    "results", "seed_metrics", "results_by_seed",
)  # fmt: skip
_MOST_SEEDS = 200
_LONGEST_SHOWN = 60
_SEED_KEY = re.compile(r"(?:seed|s)?[ _-]{0,2}(\d{1,10})", re.IGNORECASE)
# "seed_42_val_bpb", "val_bpb_seed42"
_FLAT_KEY = re.compile(
    r"seed_?(\d{1,10})_(?:val_)?bpb|(?:val_)?bpb_seed_?(\d{1,10})", re.IGNORECASE
)
_DATE = re.compile(r"(20\d\d-[01]\d-[0-3]\d)(?:[T ][\d:.]{4,15}Z?)?")


@dataclass(frozen=True)
class ClaimedFigure:
    """A claimed number, with its key, its number of decimals and its line."""

    key: str
    value: float
    decimals: int
    line: int | None


@dataclass(frozen=True)
class SeedClaim:
    """What is claimed for one seed; ``seed`` is None where only a list of scores is given."""

    seed: int | None
    val_bpb: ClaimedFigure | None = None
    val_loss: ClaimedFigure | None = None
    bytes: ClaimedFigure | None = None
    steps: ClaimedFigure | None = None


@dataclass(frozen=True)
class UnreadFigure:
    """What stands where a number is claimed, and is none that could be compared."""

    key: str
    value: str
    line: int | None

    def __str__(self) -> str:
        return f"{self.key} is {self.value}"


@dataclass(frozen=True)
class Claims:
    """Everything that a folder claims. ``file`` is None where it has no file of claims.

    ``unreadable`` are values under a known key that are no number of its kind; ``empty``: the file
    holds no value at all.
    """

    file: str | None = None
    broken: str = ""
    listed_only: bool = False
    score_file: str | None = None  # where the score stands when it is not in ``file``
    val_bpb: ClaimedFigure | None = None
    val_loss: ClaimedFigure | None = None
    bytes_total: ClaimedFigure | None = None
    seeds: tuple[int, ...] = ()
    per_seed: tuple[SeedClaim, ...] = ()
    date: str | None = None
    prose: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    unreadable: tuple[UnreadFigure, ...] = ()
    empty: bool = False


def read_claims(folder: RecordFolder) -> Claims:
    """Read the claims of a folder; ``broken`` says what is wrong with the file."""
    name = folder.claims_name
    if name is None:
        return Claims()
    if not folder.files[name].here:
        return Claims(file=name, listed_only=True)
    try:
        content = folder.read(name, 1 << 20)
        document = parse_object(content)
    except BrokenFileError as error:
        return Claims(file=name, broken=str(error))
    lines = _key_lines(content.decode("utf-8", "replace"))
    top = document
    inner = [document[key] for key in _CONTAINERS if isinstance(document.get(key), dict)]
    levels = [top, *inner]
    date = document.get("date")
    found = _DATE.match(date) if isinstance(date, str) else None
    per_seed = tuple(_per_seed(document, lines))[:_MOST_SEEDS]
    return Claims(
        file=name,
        val_bpb=_first(levels, _BPB_KEYS, lines, low=0.0, high=20.0),
        val_loss=_first(levels, _LOSS_KEYS, lines, low=0.0, high=100.0),
        bytes_total=_first(levels, _BYTES_KEYS, lines, low=0.0, high=LARGEST_CLAIMED_BYTES),
        seeds=_seeds(document, per_seed),
        per_seed=per_seed,
        date=found[0] if found else None,
        prose=" ".join(_strings(document))[: 1 << 16],
        lines=lines,
        unreadable=tuple(_unreadable(levels, lines)),
        empty=not document,
    )


def figure_of(value: Any, key: str, line: int | None) -> ClaimedFigure | None:
    """A JSON number, or a string that holds one, as a figure."""
    if isinstance(value, str) and len(value) <= 32:
        found = re.fullmatch(r"\s*~?(\d{1,12}(?:,\d{3}){0,4})(?:\.(\d{1,12}))?\s*", value, re.ASCII)
        if not found:
            return None
        whole, fraction = found[1].replace(",", ""), found[2] or ""
        return ClaimedFigure(key, float(f"{whole}.{fraction or 0}"), len(fraction), line)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    decimals = value.decimals if isinstance(value, Figure) else 0
    return ClaimedFigure(key, float(value), decimals, line)


def _first(
    levels: list[dict[str, Any]],
    keys: tuple[str, ...],
    lines: Mapping[str, int],
    *,
    low: float,
    high: float,
) -> ClaimedFigure | None:
    for level in levels:
        for key in keys:
            value = level.get(key)
            if isinstance(value, dict):
                value = value.get("mean")
            figure = figure_of(value, key, lines.get(key))
            if figure and low < figure.value < high:
                return figure
    return None


def _unreadable(levels: list[dict[str, Any]], lines: Mapping[str, int]) -> Iterator[UnreadFigure]:
    """Values under the keys of scores, losses and sizes that are no such figure.

    A null is a figure that is not claimed; a number beyond all bounds is none either.
    """
    bounds = ((_BPB_KEYS, 20.0), (_LOSS_KEYS, 100.0), (_BYTES_KEYS, float(LARGEST_CLAIMED_BYTES)))
    for level in levels:
        for keys, high in bounds:
            for key in keys:
                value = level.get(key)
                if isinstance(value, dict):
                    value = value.get("mean")
                figure = figure_of(value, key, lines.get(key))
                fits = figure is not None and 0 < figure.value < high
                if value is not None and not fits and not isinstance(value, list | dict):
                    yield UnreadFigure(key, json.dumps(value)[:_LONGEST_SHOWN], lines.get(key))


def _per_seed(document: dict[str, Any], lines: Mapping[str, int]) -> Iterator[SeedClaim]:
    for container in _SEED_CONTAINERS:
        inside = document.get(container)
        found = []
        if isinstance(inside, dict):
            for key, entry in list(inside.items())[:_MOST_SEEDS]:
                seed = _SEED_KEY.fullmatch(key)
                if seed:
                    found.append(_seed_claim(int(seed[1]), entry, lines.get(key)))
        elif isinstance(inside, list):
            for entry in inside[:_MOST_SEEDS]:
                if isinstance(entry, dict):
                    seed_value = entry.get("seed")
                    whole = isinstance(seed_value, int) and not isinstance(seed_value, bool)
                    found.append(_seed_claim(seed_value if whole else None, entry, None))
        kept = [claim for claim in found if claim]
        if any(claim.val_bpb for claim in kept):
            yield from kept
            return
    flat = [
        SeedClaim(int(match[1] or match[2]), val_bpb=figure)
        for key, value in list(document.items())[:_MOST_SEEDS]
        if (match := _FLAT_KEY.fullmatch(key))
        and (figure := figure_of(value, key, lines.get(key)))
        and 0 < figure.value < 20
    ]
    if flat:
        yield from flat
        return
    for key in ("val_bpb_seeds", "seed_bpbs", "val_bpbs", "bpbs", "val_bpb_per_seed"):
        inside = document.get(key)
        if isinstance(inside, list):
            figures = [figure_of(value, key, lines.get(key)) for value in inside[:_MOST_SEEDS]]
            yield from (SeedClaim(None, val_bpb=figure) for figure in figures if figure)
            return


def _seed_claim(seed: int | None, entry: Any, line: int | None) -> SeedClaim | None:
    if not isinstance(entry, dict):
        bpb = figure_of(entry, "val_bpb", line)
        return SeedClaim(seed, val_bpb=bpb) if bpb and 0 < bpb.value < 20 else None

    def pick(keys: tuple[str, ...]) -> ClaimedFigure | None:
        return next((f for key in keys if (f := figure_of(entry.get(key), key, line))), None)

    return SeedClaim(
        seed,
        val_bpb=pick(_BPB_KEYS),
        val_loss=pick(_LOSS_KEYS),
        bytes=pick(_BYTES_KEYS),
        steps=pick(("steps", "step", "step_stop", "num_steps")),
    )


def _seeds(document: dict[str, Any], per_seed: tuple[SeedClaim, ...]) -> tuple[int, ...]:
    seeds = document.get("seeds")
    listed = seeds if isinstance(seeds, list) else []
    numbers = [seed for seed in listed if isinstance(seed, int) and not isinstance(seed, bool)]
    if not numbers:
        numbers = [claim.seed for claim in per_seed if claim.seed is not None]
    single = document.get("seed")
    if not numbers and isinstance(single, int) and not isinstance(single, bool):
        numbers = [single]
    return tuple(dict.fromkeys(numbers))[:_MOST_SEEDS]


def _key_lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for key in re.findall(r'"([^"\\]{1,80})"\s{0,8}:', line[:4096]):
            found.setdefault(key, number)
    return found


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str):
            yield inner[:8192]
        elif isinstance(inner, dict):
            waiting += list(inner.values())
        elif isinstance(inner, list):
            waiting += inner
