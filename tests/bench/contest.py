"""A simulated contest through the code that judges real ones: 2,000 entries, and a falling bar.

``make contest`` (``python -m tests.bench.contest --track FILE``) makes a plan for each entry, asks
what it still wants, gives it that evidence with a drawn score, and goes on until it is over; then
the rules judge it, and what is VERIFIED is accepted into a leaderboard, which sets the next bar.
Nothing is trained. The significance is that of the track; all else about the track is small.

The model of what is entered (``truths``), where everybody builds on the best record and most claims
are small:

- 55 % are no better than it: worse by an exponential of two margins;
- 40 % are better by less than the margin, evenly;
- 5 % are better by the margin and an exponential of 0.6 margins.

Better is meant of the true means, of the entry and of the method that holds the record. Who is good
is told by the bar that was in force: an entry whose true mean lies below it by the margin or more.
The deviation of an entry's runs is drawn as the field's are, 0.0007 BPB with four degrees of
freedom, and a host moves all its runs by 0.43 of that; the confirmation is run on another host.
"""

import argparse
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contest.significance import Significance
from harness.contest.track import Bar, Track, load_track
from harness.evidence.draws import Draw
from harness.evidence.plan import Plan, Tries
from harness.evidence.run import Run
from harness.judge.case import Case
from harness.judge.judge import judge
from harness.judge.next_step import next_step
from harness.judge.verdict import Verdict
from harness.ledger.candidate import load_candidate
from harness.ledger.leaderboard import accept, bar_of
from harness.run.plan import plan_for
from harness.simulation.worlds import HOST_SHARE
from harness.statistics.units import nats_per_token_to_bpb
from tests.factories.plans import CODE, entry, strict_track, texts
from tests.factories.results import host, scores, shown
from tests.factories.runs import seed_run

SD_BPB, DEGREES = 0.0007, 4
START_BPB = 1.06145
TARGETS, TEXT_BYTES = 62_021_845, 151_080_891
"""Those of the field's validation text, so that a margin in nats is what it is in the contest."""
_EMPTY = '{"format": 2, "events": []}\n'


@dataclass(frozen=True)
class Truth:
    """What an entry truly is: better than the record's method by so many margins; ``sd`` in BPB."""

    margins: float
    sd: float


@dataclass(frozen=True)
class Entered:
    """An entry and what became of it, BPB.

    ``gain`` is how far its true mean lies below the bar that was in force. ``scores`` are those
    that its runs had, or would have had, in the order of the draws.
    """

    gain: float
    margin: float
    scores: tuple[float, ...]
    runs: int
    verdict: Verdict

    @property
    def accepted(self) -> bool:
        """Whether it is a record."""
        return self.verdict.verdict == "VERIFIED"

    @property
    def kind(self) -> str:
        """Good, better than the bar but not by the margin, or not better at all."""
        if self.gain >= self.margin:
            return "good"
        return "0 < gain < margin" if self.gain > 0 else "gain <= 0"


def truths(count: int, drawn: np.random.Generator) -> Iterator[Truth]:
    """The model of what is entered, see above."""
    for _ in range(count):
        kind, size = drawn.random(), drawn.exponential()
        margins = -2 * size if kind < 0.55 else drawn.random() if kind < 0.95 else 1 + 0.6 * size
        yield Truth(margins, SD_BPB * math.sqrt(DEGREES / drawn.chisquare(DEGREES)))


def track_with(significance: Significance) -> Track:
    """A contest whose bar is the leaderboard's, and in which only the scores can fail."""
    small = strict_track()
    # A short stream's bounds are wide, and what they leave open would be charged to every score.
    probes = small.probes.model_copy(update={"bound": None, "memory": None})
    return small.model_copy(
        update={
            "significance": significance,
            "bar": Bar(bpb=START_BPB, source="where it begins", leaderboard=True),
            "probes": probes,
            "brought_along": None,
        }
    )


def contest(
    significance: Significance, count: int, *, board: Path, seed: int = 0
) -> Iterator[Entered]:
    """Judge so many entries, one after the other, each against the bar that it finds.

    Args:
        significance: the rules of the test.
        count: of entries.
        board: path of the leaderboard, which is made.
        seed: of everything that is drawn.
    """
    drawn = np.random.default_rng(seed)
    track = track_with(significance)
    board.write_text(_EMPTY)
    margin = nats_per_token_to_bpb(
        significance.margin_nats_per_token or 0.0, tokens=TARGETS, text_bytes=TEXT_BYTES
    )
    best = START_BPB  # true mean of the method that holds the record
    for number, truth in enumerate(truths(count, drawn)):
        mean = best - truth.margins * margin
        plan = planned(number, track, board)
        assert plan.bar is not None
        values = drawn_scores(plan, mean, truth.sd, drawn)
        runs = run_all(plan, values)
        verdict = judge(Case.of(plan, runs), evidence="nowhere")
        found = Entered(plan.bar.bpb - mean, margin, values, len(runs), verdict)
        if found.accepted:
            best = mean
            record(board, verdict, track)
        yield found


def planned(number: int, track: Track, board: Path) -> Plan:
    """The plan of the ``number``-th entry, against the bar of the leaderboard."""
    files = {**CODE, "number.py": str(number).encode()}
    facts = texts(
        track,
        validation_tokens=TARGETS + 1,
        validation_bytes=TEXT_BYTES,
    )
    return plan_for(
        entry(files, name=f"Entry {number}", author=f"author {number}"),
        files,
        track,
        facts,
        host().sandbox,
        bar=bar_of(track, board),
        tries=Tries(),
    )


def drawn_scores(
    plan: Plan, mean: float, sd: float, drawn: np.random.Generator
) -> tuple[float, ...]:
    """A score for each draw; looks on one host, the confirmation on another."""
    hosts = HOST_SHARE * SD_BPB * drawn.standard_normal(2)
    further = {draw.number for draw in plan.draws_for("confirmation")}
    return tuple(
        float(mean + hosts[int(draw.number in further)] + sd * drawn.standard_normal())
        for draw in plan.draws
    )


def run_all(plan: Plan, values: Sequence[float]) -> list[Run]:
    """All that a plan asks for, until it asks for nothing more."""
    runs: list[Run] = []
    while True:
        wanted = next_step(Case.of(plan, runs), confirming=True)
        runs += [one_run(plan, draw, values[draw.number]) for draw in wanted.draws]
        runs.sort(key=lambda run: run.draw)
        if wanted.over or not wanted.draws:
            return runs


def one_run(plan: Plan, draw: Draw, bpb: float) -> Run:
    """Evidence of a run that went well at that score."""
    required = plan.required
    where = host(
        node="b" if draw.purpose == "confirmation" else "a",
        measured_by=required.measured_by,
        harness_version=required.harness_version,
    )
    found = scores(bpb, targets=TARGETS, bytes=TEXT_BYTES)
    return seed_run(draw, bpb, scores=found, shown=shown(plan, draw), host=where)


def record(board: Path, verdict: Verdict, track: Track) -> None:
    """Accept a verdict as a maintainer does, from its file."""
    path = board.with_name("verdict.json")
    path.write_text(verdict.model_dump_json())
    accept(board, load_candidate(path), track=track, by="simulation")


def table(entered: Sequence[Entered]) -> list[str]:
    """What became of each kind of entry, and what it cost."""
    lines = [f"{'':20}{'entered':>9}{'records':>9}{'share':>9}{'runs':>8}{'runs each':>11}"]
    for kind in ("good", "0 < gain < margin", "gain <= 0", "all"):
        some = [each for each in entered if kind in (each.kind, "all")]
        accepted, runs = sum(each.accepted for each in some), sum(each.runs for each in some)
        count = max(len(some), 1)
        lines.append(
            f"{kind:20}{len(some):9,}{accepted:9,}{100 * accepted / count:8.2f}%{runs:8,}"
            f"{runs / count:11.2f}"
        )
    words = Counter(each.verdict.verdict for each in entered)
    lines.append(f"verdicts: {', '.join(f'{n:,} {word}' for word, n in sorted(words.items()))}")
    unclear = Counter(
        each.verdict.reason for each in entered if each.verdict.verdict == "INCONCLUSIVE"
    )
    lines += [f"  INCONCLUSIVE {n:,} times: {reason}" for reason, n in unclear.most_common(5)]
    return lines


def main() -> None:
    """Run a contest, print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--track", default="10min_16mb", help="whose significance is used")
    parser.add_argument("--entries", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--contests", type=int, default=1, help="so many, counted together")
    parser.add_argument("--json", type=Path, help="also write one line for each entry")
    options = parser.parse_args()
    significance = load_track(options.track).significance
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        board = Path(folder) / "leaderboard.json"
        entered = [
            each
            for number in range(options.contests)
            for each in contest(
                significance, options.entries, board=board, seed=options.seed + number
            )
        ]
        last = bar_of(track_with(significance), board)
    print("\n".join(table(entered)))
    assert last is not None
    print(f"bar of the last contest: {START_BPB:.6f} to {last.bpb:.6f} BPB")
    print(f"{time.monotonic() - began:.0f} s")
    if options.json:
        rows = [
            {"gain": each.gain, "runs": each.runs, "verdict": each.verdict.verdict}
            for each in entered
        ]
        options.json.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


if __name__ == "__main__":
    main()
