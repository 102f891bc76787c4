"""A contest on a cluster that fails, in virtual time, through the scheduling of real ones.

``make cluster-simulation`` (``python -m tests.bench.cluster``): 2,000 submissions of three seeds
each on 64 nodes. Which run is made next, what a loss leads to, and when the rest of a submission
is cancelled is decided by the code that decides it on a real cluster (``run/scheduling.py``,
``run/launcher/pool.py``, ``judge/next_step.py``). Nothing is trained.

A seed run takes 1,260 s: ten minutes of training, ten of scoring, one of everything else; scoring
varies. Of the submissions some fail a rule that no further seed can mend: their first run to end
ends them, half of the way.

The ideal: the runs that were made and count, spread over all nodes without a gap. No schedule that
makes the same runs can be faster.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.contest.significance import Significance
from harness.contest.track import Track, load_track
from harness.errors import HarnessError
from harness.evidence.plan import Plan, Tries
from harness.evidence.run import Failure, Run
from harness.judge.case import Case
from harness.judge.next_step import Wanted, next_step
from harness.models import Finding
from harness.run.launcher.pool import SitePool
from harness.run.launcher.protocol import Ended, Task
from harness.run.launcher.settings import Cluster
from harness.run.plan import plan_for
from harness.run.scheduling import run_all
from tests.bench.contest import START_BPB, one_run, track_with
from tests.bench.nodes import Faults, Nodes
from tests.factories.plans import CODE, entry, texts
from tests.factories.results import host
from tests.factories.runs import seed_run
from tests.simulation.rules import PLAIN

RUN_SECONDS, SPREAD_SECONDS = 1_260.0, 120.0
BROKEN_SHARE = 0.3
_SETTINGS = Cluster(tries=3, most_jobs=200, poll_seconds=5, settle_seconds=90)
_BROKEN = Failure(
    fault="submission", finding=Finding(id="training", status="fail", detail="exit code 1")
)


@dataclass
class Simulated:
    """A submission whose runs are made up; see :class:`harness.run.scheduling.Work`."""

    path: Path
    plan: Plan
    broken: bool
    runs: dict[int, Run] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    made: int = 0
    over_at: float | None = None
    clock: "Nodes | None" = None

    def wanted(self, running: frozenset[int], *, most_losses: int) -> Wanted:
        """As of a real one, from the same rules."""
        lost = {draw for draw, times in self.losses.items() if times >= most_losses}
        runs = [self.runs[draw] for draw in sorted(self.runs)]
        return next_step(Case.of(self.plan, runs), given_up=lost, running=running)

    def task(self, draw: int) -> Task:
        """The next try of a draw."""
        self.attempts[draw] += 1
        return Task(self.path, draw, self.attempts[draw])

    def take(self, ended: Ended) -> None:
        """Keep its evidence."""
        assert ended.error is None, ended.error
        if ended.run is None:
            self.losses[ended.task.draw] += 1
        else:
            self.runs[ended.task.draw] = ended.run
            self.made += 1

    def over(self, why: str) -> None:
        """Take note of when."""
        assert self.clock is not None
        self.over_at = self.clock.now

    def fail(self, error: HarnessError) -> None:
        """Nothing here fails."""
        raise error


class SimulatedDesk:
    """The desk of simulated nodes, which the site that they are keeps itself."""

    def __init__(self, nodes: Nodes) -> None:
        self.asks, self.unfinished = nodes.asks, nodes.unfinished
        self.write, self.sent, self.job, self.node = nodes.write, nodes.sent, nodes.job, nodes.node
        self.outcome, self.run, self.give_up = nodes.outcome, nodes.run, nodes.give_up
        self.close = nodes.close_order


@dataclass(frozen=True)
class Figures:
    """What came of it; hours of nodes."""

    submissions: int
    nodes: int
    hours: float
    ideal_hours: float
    counted: int
    lost: int
    refused: int
    cancelled: int
    lost_node_hours: float
    cancelled_node_hours: float
    given_up: int
    first_verdict_hours: float
    median_verdict_hours: float


def simulate(
    count: int,
    nodes: int,
    *,
    faults: Faults,
    significance: Significance,
    seed: int = 0,
) -> Figures:
    """Run so many submissions on so many nodes."""
    drawn = np.random.default_rng(seed)
    track = track_with(significance)
    works = {work.path: work for work in (submitted(n, track, drawn) for n in range(count))}

    def takes(task: Task) -> float:
        whole = RUN_SECONDS + float(drawn.uniform(-SPREAD_SECONDS, SPREAD_SECONDS))
        return whole / 2 if works[task.directory].broken else whole

    def makes(task: Task, node: str) -> Run:
        work = works[task.directory]
        draw = work.plan.draws[task.draw]
        if work.broken:
            return seed_run(draw, failure=_BROKEN, attempt=task.attempt)
        run = one_run(work.plan, draw, START_BPB + 0.01)
        return run.model_copy(update={"attempt": task.attempt})

    site = Nodes(nodes, faults, takes=takes, makes=makes, drawn=drawn)
    for work in works.values():
        work.clock = site
    pool = SitePool(
        site,
        SimulatedDesk(site),
        _SETTINGS,
        lambda text: None,
        clock=lambda: site.now,
        sleep=site.sleep,
    )
    run_all(list(works.values()), pool)
    return _figures(list(works.values()), site, nodes)


def submitted(number: int, track: Track, drawn: np.random.Generator) -> Simulated:
    """The ``number``-th submission, broken or not."""
    files = {**CODE, "number.py": str(number).encode()}
    plan = plan_for(
        entry(files, name=f"Entry {number}", author=f"author {number}"),
        files,
        track.model_copy(update={"bar": track.bar.model_copy(update={"leaderboard": False})})
        if track.bar
        else track,
        texts(track),
        host().sandbox,
        bar=None,
        tries=Tries(),
    )
    return Simulated(Path(f"runs/{number:04}"), plan, bool(drawn.random() < BROKEN_SHARE))


def _figures(works: list[Simulated], site: Nodes, nodes: int) -> Figures:
    tally = site.tally
    ends = sorted(work.over_at for work in works if work.over_at is not None)
    assert len(ends) == len(works), "every submission has its verdict"
    return Figures(
        submissions=len(works),
        nodes=nodes,
        hours=ends[-1] / 3600,
        ideal_hours=tally.seconds.get("done", 0.0) / nodes / 3600,
        counted=tally.tasks.get("done", 0),
        lost=tally.tasks.get("lost", 0),
        refused=tally.tasks.get("refused", 0),
        cancelled=tally.tasks.get("cancelled", 0),
        lost_node_hours=tally.seconds.get("lost", 0.0) / 3600,
        cancelled_node_hours=tally.seconds.get("cancelled", 0.0) / 3600,
        given_up=sum(any(n >= _SETTINGS.tries for n in work.losses.values()) for work in works),
        first_verdict_hours=ends[0] / 3600,
        median_verdict_hours=ends[len(ends) // 2] / 3600,
    )


def table(found: Figures) -> list[str]:
    """The figures, for people."""
    over = 100 * (found.hours / found.ideal_hours - 1)
    return [
        f"{found.submissions:,} submissions on {found.nodes} nodes: {found.hours:.1f} h",
        f"ideal {found.ideal_hours:.1f} h, {over:.1f} % over",
        f"verdicts: the first after {found.first_verdict_hours:.2f} h, "
        f"half of them after {found.median_verdict_hours:.1f} h",
        f"runs that were done: {found.counted:,}",
        f"lost with their node: {found.lost:,} ({found.lost_node_hours:.1f} node hours); "
        f"submissions with a run that was given up: {found.given_up:,}",
        f"cancelled while they ran: {found.cancelled:,} "
        f"({found.cancelled_node_hours:.1f} node hours)",
        f"refused: {found.refused:,}",
    ]


def main() -> None:
    """Run it, print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--submissions", type=int, default=2_000)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--days-between-failures", type=float, default=30.0, help="of one node")
    parser.add_argument("--differing", type=float, default=0.03, help="share that refuses")
    parser.add_argument("--track", help="whose significance is used; else three seeds for all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults = Faults(
        between_failures=options.days_between_failures * 86_400, differing=options.differing
    )
    named = load_track(options.track).significance if options.track else None
    began = time.monotonic()
    found = simulate(
        options.submissions,
        options.nodes,
        faults=faults,
        significance=named or Significance.model_validate(PLAIN),
        seed=options.seed,
    )
    print("\n".join([*table(found), f"simulated in {time.monotonic() - began:.0f} s"]))


if __name__ == "__main__":
    main()
