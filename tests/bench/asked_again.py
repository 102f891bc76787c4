"""What it costs to ask again where documents are streams: requests, tokens, memory and seconds."""

import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from harness.contest.track import load_track
from harness.scoring.probes.causality import ProbeSet
from harness.scoring.probes.recall import RecallSet
from harness.scoring.probes.walks.documents import Replay
from harness.scoring.schedules.documents import DocumentPlan, Scoring
from tests.bench.lengths import DOCUMENTS, fineweb
from tests.bench.unanswered import (
    ADVISED_ROWS,
    LANES,
    VOCABULARY,
    Asked,
    plan_of,
    played,
    room,
    taken,
)

STUDIES = (666, 1_333, 2_000)
"""Numbers of finished documents at which an entry of the field learned from all of them."""


class Again(NamedTuple):
    """A replay: the share of documents that are touched, and of pieces that are played."""

    questions: int
    touched: float
    pieces: float
    steps: int
    asked: Asked


def causality(plan: DocumentPlan, *, count: int) -> ProbeSet:
    """The questions of a run, all of them drawn uniformly, since nothing is scored here."""
    text = np.zeros(1 << 10, np.uint16)
    return ProbeSet.draw(plan, text=text, secret=b"secret", count=count, keep=0)


def recall(plan: DocumentPlan, *, count: int) -> RecallSet:
    """The pieces that are asked again in another order."""
    return RecallSet.draw(plan, ProbeSet.none(plan).first, secret=b"secret", count=count)


def again(questions: ProbeSet | RecallSet, *, lanes: int = LANES) -> Again:
    """Play the schedule in which questions are asked again."""
    schedule = questions.schedule(room=room(), lanes=lanes)
    assert isinstance(schedule, Replay)
    until = schedule.until
    touched, pieces = float((until > 0).mean()), float(until.sum() / len(schedule.plan))
    steps = int(schedule.moves.steps.max()) + 1
    return Again(questions.asked, touched, pieces, steps, played(schedule, lanes=lanes))


def again_table(*, documents: int) -> list[str]:
    """What causality's probes and memory's cost, against the scoring, on the official track."""
    track = load_track("10min_16mb")
    runs = track.significance.fewest_runs
    lines = [
        "| studies | asked again | questions | documents touched | pieces played | steps "
        "| requests | tokens in windows | pieces observed |",
        "|---" * 9 + "|",
    ]
    for studies in ((), STUDIES):
        plan = taken(
            plan_of(
                fineweb(documents=documents),
                rows=ADVISED_ROWS,
                study_after=tuple(count * documents // DOCUMENTS for count in studies),
            )
        )
        scored = played(plan.schedule(room=room(), lanes=LANES))
        steps = int(plan.moves(lanes=LANES).steps.max()) + 1
        # Of a smaller split, as large a share.
        pieces, targets = (n * DOCUMENTS // documents for n in (len(plan), plan.targets))
        asked = track.probes.count(
            windows=pieces, targets=targets, vocabulary_size=VOCABULARY, runs=runs
        )
        found = {"causality": again(causality(plan, count=asked * documents // DOCUMENTS))}
        if not studies:
            whole = track.probes.windows_in_another_order(windows=pieces, runs=runs)
            found["memory"] = again(recall(plan, count=whole * documents // DOCUMENTS))
        for name, each in found.items():
            shares = (
                each.touched,
                each.pieces,
                each.steps / steps,
                each.asked.requests / scored.requests,
                each.asked.shown / scored.shown,
                each.asked.observed / scored.observed,
            )
            cells = " | ".join(f"{100 * share:.0f} %" for share in shares)
            said = ", ".join(f"{count:,}" for count in studies) or "none"
            lines.append(f"| {said} | {name} | {each.questions:,} | {cells} |")
    return [*lines, "", *ours(documents=documents)]


class Cost(NamedTuple):
    """Seconds of a core of ours, and bytes that were allocated at the peak."""

    seconds: float
    peak_bytes: int


def cost_of(work: Callable[[], object]) -> Cost:
    """What some work takes: once for the time, once for the memory, which slows it down."""
    began = time.thread_time()
    work()
    seconds = time.thread_time() - began
    tracemalloc.start()
    try:
        work()
        return Cost(seconds, tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def ours(*, documents: int) -> list[str]:
    """What our side spends before the first request, and with each step."""
    lengths = fineweb(documents=documents)

    def fresh() -> DocumentPlan:
        return plan_of(lengths, rows=ADVISED_ROWS)

    def begun(plan: DocumentPlan, questions: ProbeSet | None = None) -> object:
        schedule = (questions or plan).schedule(room=room(), lanes=LANES)
        turns = [schedule.turns(lane) for lane in range(LANES)]
        return [next(turn) for turn in turns], turns

    count = 61_345 * documents // DOCUMENTS
    plan = taken(fresh())
    questions = causality(plan, count=count)
    lines = ["| on our side | seconds of a core | memory, MB |", "|---|---|---|"]
    for name, work in (
        ("the order is taken", lambda: taken(fresh())),
        ("the scoring's plan, moves and first turns", lambda: begun(fresh())),
        ("questions drawn", lambda: causality(plan, count=count)),
        ("the replay's moves and first turns", lambda: begun(plan, questions)),
    ):
        found = cost_of(work)
        lines.append(f"| {name} | {found.seconds:.2f} | {found.peak_bytes / 1e6:.0f} |")
    for name, schedule in (
        ("a step of a device, scored", plan.schedule(room=room(), lanes=LANES)),
        ("a step of a device, asked again", questions.schedule(room=room(), lanes=LANES)),
    ):
        assert isinstance(schedule, Scoring | Replay)
        steps = int(schedule.moves.steps.max()) + 1
        lines.append(f"| {name} | {played(schedule).seconds / LANES / steps:.5f} | |")
    return lines
