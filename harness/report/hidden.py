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

SMALL_STREAM = 125_000
"""Targets of the demo dataset, where a track does not say how many its own has."""
USUAL_STRIDE = 64


def gains_text() -> str:
    """What a perfect cheater can hide from the probes on each track, as a Markdown table."""
    rows = [
        "| track | way | questions in all | tolerance | hidden, nats | in margins |",
        "|---|---|---|---|---|---|",
    ]
    for name in track_names():
        track = load_track(name)
        runs, margin = track.significance.fewest_runs, track.significance.margin_nats_per_token
        targets = (track.dataset.validation_tokens or SMALL_STREAM) - 1
        for way, bound in (
            ("looks ahead", track.probes.bound),
            ("remembers windows", track.probes.memory),
        ):
            if bound is None or margin is None:
                continue
            there = targets if bound is track.probes.bound else targets // USUAL_STRIDE
            each = bound.questions(runs=runs, population=there)
            hidden = largest_hidden_gain(
                tolerance=bound.tolerance_nats,
                sd=bound.counted_sd_nats,
                dearest=bound.dearest_nats,
                count=runs * each,
            )
            row = f"{name} | {way} | {runs} x {each:,} | {bound.tolerance_nats:g}"
            rows.append(f"| {row} | {hidden:.2g} | {hidden / margin:.2g} |")
        allowed = track.brought_along
        free = allowed.free_bytes + allowed.tokenizer_free_bytes if allowed else 0
        for way, bits in (
            ("passes bits between sandboxes", RESIDUAL_BITS),
            ("remembers text in what is free for code and tokenizer", 8 * free),
        ):
            nats = residual_nats_per_token(bits, targets=targets)
            if margin:
                rows.append(f"| {name} | {way} | | | {nats:.2g} | {nats / margin:.2g} |")
    rows += [
        "",
        f"Windows are counted where each scores {USUAL_STRIDE} targets. Who thinks longer where he "
        "is asked again is bounded by the variance: about 0.0004 nats in a simulation on the costs "
        "of n-gram models.",
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


def charges_of(track: Track, *, brought_bytes: int, adaptive: bool = False) -> Charges | None:
    """What an honest entry pays on a track that bounds what is hidden; None on another.

    Args:
        track: the rules.
        brought_bytes: compressed bytes that it brings along, as they are counted.
        adaptive: whether it declares memory, which is then not bounded.
    """
    probes, runs = track.probes, track.significance.fewest_runs
    targets = (track.dataset.validation_tokens or SMALL_STREAM) - 1
    if probes.bound is None or track.brought_along is None:
        return None
    memory = 0.0
    if probes.memory is not None and not adaptive:
        memory = _shown(probes.memory, runs=runs, population=targets // USUAL_STRIDE)
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
            brought = brought_along(submission.entry(track.name), submission.contents)
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
        for kind, adaptive in (("without memory", False), ("adaptive", True)):
            found = charges_of(track, brought_bytes=max(sizes.values()), adaptive=adaptive)
            if found is not None:
                each = " | ".join(f"{nats:.2g}" for nats in found)
                rows.append(
                    f"| {name} | {kind} | {each} | {found.total:.2g} | {found.total / margin:.2g} |"
                )
    return "\n".join([*rows, "", ours]) + "\n"
