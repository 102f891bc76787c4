"""What a pool does with sites that fail, in virtual time: the code of real ones, nodes made up."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import InfrastructureError
from harness.evidence.run import Move, Run
from harness.run.launcher.pool import SitePool
from harness.run.launcher.protocol import Ended, Task
from harness.run.launcher.settings import Cluster
from harness.run.launcher.site import UnreachableError
from tests.bench.cluster import SimulatedDesk
from tests.bench.nodes import Faults, Nodes
from tests.factories.plans import plan
from tests.factories.runs import seed_run

NEVER = 1e12
SOUND = Faults(between_failures=NEVER, differing=0.0)
QUICK = Cluster(poll_seconds=1, settle_seconds=10)
DRAWS = plan().draws_for("look")


@dataclass
class Bench:
    """A pool on a few nodes; every run takes 100 s, and one named long takes 300."""

    nodes: int = 2
    faults: Faults = SOUND
    settings: Cluster = QUICK
    notes: list[str] = field(default_factory=list)
    running: Counter[tuple[Path, int]] = field(default_factory=Counter)
    moving: bool = False
    made: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = Nodes(
            self.nodes,
            self.faults,
            takes=lambda task: 300.0 if task.directory.name == "long" else 100.0,
            makes=self._makes,
            drawn=np.random.default_rng(1),
        )
        self.pool = self.pool_of()

    def pool_of(self) -> SitePool:
        """A pool of these nodes that has sent nothing yet."""
        return SitePool(
            self.site,
            SimulatedDesk(self.site),
            self.settings,
            self.notes.append,
            clock=lambda: self.site.now,
            sleep=self.site.sleep,
        )

    def _makes(self, task: Task, node: str) -> Run:
        self.made.append((node, task.moves))
        run = seed_run(DRAWS[0], attempt=task.attempt)
        return scored_alone(run) if self.moving and not task.moves else run

    def all_ended(self) -> list[Ended]:
        return list(self.pool)


def scored_alone(run: Run) -> Run:
    """What is left of a run that is to be asked again on another node."""
    move = Move(step="probe", answers_sha256="a" * 64)
    return run.model_copy(update={"steps": run.steps[:2], "ended": False, "moves": (move,)})


def task(name: str, draw: int = 0, attempt: int = 1) -> Task:
    return Task(Path("runs") / name, draw, attempt)


def test_every_task_ends_once_and_nodes_work_side_by_side() -> None:
    bench = Bench()
    for name in "abcd":
        bench.pool.start(task(name))
    ended = bench.all_ended()
    assert sorted(each.task.directory.name for each in ended) == list("abcd")
    assert 200 <= bench.site.now < 210, "two at a time"
    assert bench.pool.open_tasks == 0


def test_no_more_are_sent_than_the_settings_say() -> None:
    bench = Bench(settings=Cluster(poll_seconds=1, settle_seconds=10, most_jobs=1))
    for name in "ab":
        bench.pool.start(task(name))
    bench.all_ended()
    assert bench.site.now >= 200, "one after the other, though two nodes are free"


def test_a_lost_task_is_told_after_the_time_in_which_files_settle() -> None:
    bench = Bench(nodes=1)
    bench.pool.start(task("a"))
    waiting = iter(bench.pool)
    node = bench.site._nodes["node01"]
    bench.site._at(50.0, lambda: bench.site._fails(node))
    ended = next(waiting)
    assert (ended.run, ended.error) == (None, None)
    assert bench.site.now >= 60, "settled for ten seconds"
    assert any("lost on node01: job" in note and "node failed" in note for note in bench.notes)
    bench.pool.start(task("a", attempt=2))
    assert next(waiting).run is not None, "the only node is used again, once it is back"


def test_a_node_that_refuses_is_passed_over_and_what_it_refused_is_no_loss() -> None:
    bench = Bench(faults=Faults(between_failures=NEVER, differing=0.5))
    for name in "abc":
        bench.pool.start(task(name))
    ended = bench.all_ended()
    assert all(each.run is not None for each in ended)
    assert sum("node01 refuses: the image" in note for note in bench.notes) >= 1
    bench.pool.start(task("d"))
    before = len(bench.notes)
    assert bench.all_ended()[0].run is not None
    assert not any("refuses" in note for note in bench.notes[before:]), "it is not asked again"


def test_where_every_node_refuses_the_task_ends_with_their_sentences() -> None:
    bench = Bench(faults=Faults(between_failures=NEVER, differing=1.0))
    bench.pool.start(task("a"))
    (ended,) = bench.all_ended()
    assert isinstance(ended.error, InfrastructureError)
    assert "node01: the image is not" in str(ended.error)
    assert "node02: the image is not" in str(ended.error)


def test_what_is_cancelled_frees_its_node_and_is_not_told() -> None:
    bench = Bench(nodes=1)
    bench.pool.start(task("a", 0))
    bench.pool.start(task("a", 1))
    bench.pool.start(task("b"))
    waiting = iter(bench.pool)
    bench.site._at(30.0, lambda: bench.pool.cancel(Path("runs/a")))
    ended = list(waiting)
    assert [each.task.directory.name for each in ended] == ["b"]
    assert bench.site.now < 150
    assert bench.pool.running(Path("runs/a")) == frozenset()


def test_a_site_that_does_not_answer_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(nodes=1)
    bench.pool.start(task("a"))
    states, calls = bench.site.states, Counter[str]()

    def silent(jobs: dict[str, str]) -> object:
        calls["asked"] += 1
        if calls["asked"] < 500:
            raise UnreachableError("no answer")
        return states(jobs)

    monkeypatch.setattr(bench.site, "states", silent)
    (ended,) = bench.all_ended()
    assert ended.run is not None
    assert sum("waiting for the site: no answer" in note for note in bench.notes) == 1
    assert sum("the site answers again" in note for note in bench.notes) == 1


def test_a_run_that_waits_for_another_node_gets_one() -> None:
    bench = Bench(nodes=3, moving=True)
    bench.pool.start(task("a"))
    waiting = iter(bench.pool)
    first = next(waiting)
    assert first.run is not None and first.run.waits
    assert not any("lost" in note for note in bench.notes)
    bench.pool.start(replace(task("a"), moves=1, not_on="node01"))
    second = next(waiting)
    assert second.run is not None and second.run.ended
    assert bench.made == [("node01", 0), ("node02", 1)], "node01 was free, too"


def test_one_that_waits_for_a_certain_node_keeps_nobody_else_from_a_free_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a site queues nothing, as Ray."""
    bench = Bench()

    def is_free(avoid: Collection[str]) -> bool:
        nodes = bench.site._nodes.values()
        return any(node.up and not node.job and node.name not in avoid for node in nodes)

    monkeypatch.setattr(bench.site, "has_room", is_free)
    for name in ("short", "long"):
        bench.pool.start(task(name))
    waiting = iter(bench.pool)
    assert next(waiting).task.directory.name == "short"
    bench.pool.start(replace(task("picky"), moves=1, not_on="node01"))
    bench.pool._backlog.ended(Path("runs/picky"))  # as of one that was scored: it goes first
    bench.pool.start(task("other"))
    assert [each.task.directory.name for each in waiting] == ["other", "long", "picky"]
    assert 400 <= bench.site.now < 410


def test_where_no_other_node_is_there_nothing_is_asked_on_the_same() -> None:
    bench = Bench(nodes=1, moving=True)
    bench.pool.start(replace(task("a"), moves=1, not_on="node01"))
    (ended,) = bench.all_ended()
    assert isinstance(ended.error, InfrastructureError)
    assert "no other node than node01, which scored it" in str(ended.error)
    assert bench.made == []


def test_a_node_that_dies_before_it_goes_on_loses_the_task_and_not_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the first node has left is still there: it is sent again, to whom it has not failed."""
    bench = Bench(nodes=3, moving=True)
    left = scored_alone(seed_run(DRAWS[0]))
    run_of = bench.site.run
    monkeypatch.setattr(bench.site, "run", lambda record: run_of(record) or left)
    bench.pool = bench.pool_of()
    bench.pool.start(replace(task("a"), moves=1, not_on="node01"))
    waiting = iter(bench.pool)
    dies = bench.site._nodes["node02"]
    bench.site._at(50.0, lambda: bench.site._fails(dies))
    assert next(waiting) == Ended(replace(task("a"), moves=1, not_on="node01"), None)
    assert any("lost on node02" in note for note in bench.notes)
    bench.pool.start(replace(task("a"), moves=1, not_on="node01"))
    again = next(waiting)
    assert again.run is not None and again.run.ended
    assert bench.made == [("node03", 1)]
