"""What can be hidden from a track's checks, and what an honest entry is charged for it."""

from collections.abc import Iterator
from typing import NamedTuple

from harness.contest.brought_along import brought_along, counted_bytes
from harness.contest.loading import load_submission
from harness.contest.track import Bound, BroughtAlong, Track, load_track, track_names
from harness.judge.rules.doubts import RESIDUAL_BITS
from harness.package import REPOSITORY
from harness.statistics.channels import residual_nats_per_token
from harness.statistics.probe_bounds import (
    Sample,
    largest_hidden_gain,
    reach,
    reach_of_halves,
    upper_bound,
)

SMALL_STREAM, SMALL_DOCUMENTS = 125_000, 100
"""Targets of the demo dataset, where a track does not say how many its own has."""
USUAL_STRIDE = 64


class Kind(NamedTuple):
    """An entry as far as it matters here: whether it declares that it remembers what it scored."""

    name: str
    remembers: bool
    by_document: bool


KINDS = (
    Kind("without memory", remembers=False, by_document=False),
    Kind("adaptive", remembers=True, by_document=False),
    Kind("by document, no studies", remembers=False, by_document=True),
    Kind("by document, with studies", remembers=True, by_document=True),
)


def windows_of(track: Track, *, by_document: bool) -> int:
    """How many windows there are, each scoring so many targets as is usual.

    Where documents are streams, the last one of each is half full, on average.
    """
    documents = track.dataset.validation_documents or SMALL_DOCUMENTS
    return targets_of(track) // USUAL_STRIDE + (documents // 2 if by_document else 0)


def targets_of(track: Track) -> int:
    """Targets of the validation split."""
    return (track.dataset.validation_tokens or SMALL_STREAM) - 1


def gains_text() -> str:
    """What a perfect cheater can hide from the probes on each track, as a Markdown table."""
    rows = [
        "| track | way | questions in all | tolerance | hidden, nats | in margins |",
        "|---|---|---|---|---|---|",
    ]
    for name in track_names():
        track = load_track(name)
        runs, margin = track.significance.fewest_runs, track.significance.margin_nats_per_token
        targets, memory = targets_of(track), track.probes.memory
        hidden_by: dict[str, float] = {}
        for way, bound, there in (
            ("looks ahead", track.probes.bound, targets),
            ("remembers windows", memory, windows_of(track, by_document=False)),
            ("remembers other documents", memory, windows_of(track, by_document=True)),
        ):
            if bound is None or margin is None:
                continue
            each = bound.questions(runs=runs, population=there)
            hidden = largest_hidden_gain(
                tolerance=bound.tolerance_nats,
                sd=bound.counted_sd_nats,
                dearest=bound.dearest_nats,
                count=runs * each,
            )
            hidden_by[way] = hidden
            row = f"{name} | {way} | {runs} x {each:,} | {bound.tolerance_nats:g}"
            rows.append(f"| {row} | {hidden:.2g} | {hidden / margin:.2g} |")
        allowed = track.brought_along
        free = allowed.free_bytes + allowed.tokenizer_free_bytes if allowed else 0
        passed, known = (
            residual_nats_per_token(bits, targets=targets) for bits in (RESIDUAL_BITS, 8 * free)
        )
        # Windows and documents are two ways to ask for one memory, of two kinds of entries.
        ahead, *memories = hidden_by.values() or (0.0,)
        for way, nats in (
            ("passes bits between sandboxes", passed),
            ("all of these at once", ahead + max(memories, default=0.0) + passed),
            ("remembers text in what is free for code and tokenizer", known),
        ):
            if margin:
                rows.append(f"| {name} | {way} | | | {nats:.2g} | {nats / margin:.2g} |")
    rows += [
        "",
        f"Windows are counted where each scores {USUAL_STRIDE} targets. Who thinks longer where he "
        "is asked again is bounded by the variance, however long he thinks: about 0.0004 nats in a "
        "simulation on the costs of n-gram models.",
        "",
        "On the official track whoever does all of these at once gains less than even an honest "
        "entry without memory is charged for them "
        "([as doubts](doubts.md#what-an-honest-entry-pays)), so nothing is left of them. "
        "Text in what is free is not charged.",
        "",
        "Where documents are streams, the targets are the same, and so is what a look ahead hides. "
        "A model that studies no documents must answer the same whatever others it was shown; one "
        "that studies some declares that it remembers, and is not asked in another order. What it "
        "learned of a document before it was finished is another thing where it is asked again, "
        "because documents come in the opposite order: it shows in the variance. Of where a "
        "document ends nobody is told anything.",
    ]
    return "\n".join(rows) + "\n"


class Charges(NamedTuple):
    """What an honest entry is charged, nats a target: its answers scatter as the track expects."""

    looking_ahead: float
    memory: float
    brought: float
    between_sandboxes: float

    @property
    def total(self) -> float:
        """All of it, as the rule ``doubts`` adds it to the score."""
        return sum(self)


def charges_of(track: Track, kind: Kind, *, brought_bytes: int) -> Charges | None:
    """What an honest entry pays on a track that bounds what is hidden; None on another.

    Args:
        track: the rules.
        kind: of the entry; memory that is declared is not bounded.
        brought_bytes: compressed bytes that it brings along, as they are counted.
    """
    probes, runs = track.probes, track.significance.fewest_runs
    targets = targets_of(track)
    if probes.bound is None or track.brought_along is None:
        return None
    memory = 0.0
    if probes.memory is not None and not kind.remembers:
        windows = windows_of(track, by_document=kind.by_document)
        memory = _shown(probes.memory, runs=runs, population=windows)
    over = max(0, brought_bytes - track.brought_along.free_bytes)
    return Charges(
        looking_ahead=_shown(probes.bound, runs=runs, population=targets),
        memory=memory,
        brought=residual_nats_per_token(8 * over, targets=targets),
        between_sandboxes=residual_nats_per_token(RESIDUAL_BITS, targets=targets),
    )


def _shown(bound: Bound, *, runs: int, population: int) -> float:
    """What is shown of answers without any gain, if they scatter as the track expects."""
    count = bound.questions(runs=runs, population=population)
    later = bound.drawn_by_gap(count, population=population)
    each = reach(count, population)
    if later:
        each = reach_of_halves(uniform=count - later, by_gap=later, population=population)
    sample = Sample(runs * count, 0.0, bound.counted_sd_nats, 0.0)
    return upper_bound(sample, dearest=bound.dearest_nats, reached=runs * each)


def _brought_by_ours(track: Track, allowed: BroughtAlong) -> Iterator[tuple[str, int]]:
    """Each of the repository's own submissions and the bytes that it brings along."""
    for folder in sorted((REPOSITORY / "submissions").iterdir()):
        if folder.is_dir():
            submission = load_submission(folder)
            brought = brought_along(submission.entry(track.settings), submission.contents)
            yield folder.name, counted_bytes(brought, allowed, normal_form_bytes=None)


def charges_text() -> str:
    """What honest entries are charged on each track, as a Markdown table."""
    rows = [
        "| track | entry | looking ahead | memory | brought along | between sandboxes | all, nats "
        "| in margins |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = ""
    for name in track_names():
        track = load_track(name)
        margin, allowed = track.significance.margin_nats_per_token, track.brought_along
        if margin is None or allowed is None:
            continue
        sizes = dict(_brought_by_ours(track, allowed))
        least, most = min(sizes.values()) / 1000, max(sizes.values()) / 1000
        ours = (
            f"Each of the {len(sizes)} submissions of this repository brings {least:.1f} to "
            f"{most:.1f} kB of {allowed.free_bytes / 1000:.1f} kB that are free."
        )
        for kind in KINDS:
            found = charges_of(track, kind, brought_bytes=max(sizes.values()))
            if found is not None:
                cells = (*found, found.total, found.total / margin)
                each = " | ".join(f"{cell:.2g}" for cell in cells)
                rows.append(f"| {name} | {kind.name} | {each} |")
    return "\n".join([*rows, "", ours]) + "\n"
