"""Runs on a real Ray of two raylets, one of which dies."""

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Bench
from tests.cluster.ray import RayCluster, ray_started
from tests.factories.playground import BIGRAM, write_submission

pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(540)]


@pytest.fixture
def ray(bench: Bench) -> Iterator[RayCluster]:
    """A Ray of two nodes, which the bench uses."""
    with ray_started() as started:
        bench.launcher, bench.mark = "ray", str(started.place)
        bench.more = f'[ray]\naddress = "{started.address}"\n'
        yield started


def test_two_entries_end_with_the_verdicts_that_they_have_on_one_machine(
    bench: Bench, ray: RayCluster
) -> None:
    bad = write_submission(bench.place / "rejected", train="raise SystemExit(1)")
    assert bench.ended(bench.launch(BIGRAM, bad, seeds="2")) == 1, bench.said()
    words = [verdict.verdict for verdict in bench.verdicts()]
    assert words == ["REHEARSED", "REJECTED"], bench.said()
    first, _ = bench.directories()
    assert {run.host.node for run in first.runs()} == {"n1", "n2"}


def test_a_run_whose_raylet_dies_is_made_on_another_node_and_a_killed_launcher_loses_nothing(
    bench: Bench, ray: RayCluster
) -> None:
    entries = [bench.waiting("first"), bench.waiting("second")]
    again = bench.killed_and_launched_again(*entries)
    bench.wait_for(lambda: bench.said().count("sent by an earlier call") == 2)
    ray.kill_node("n2")
    bench.go()
    assert bench.ended(again) == 1, bench.said()
    assert bench.began() == 3, "only what was lost was begun again"
    tries = [
        [(run.host.node, run.given_up is not None) for run in directory.tries(draw)]
        for directory in bench.directories()
        for draw in directory.plan.draws_for("look")
    ]
    assert tries == [[("n1", False)], [("n2", True), ("n1", False)]]
    assert [verdict.verdict for verdict in bench.verdicts()] == ["REJECTED", "REJECTED"]
