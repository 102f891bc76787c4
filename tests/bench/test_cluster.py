"""A small cluster that fails much: every submission still has its verdict."""

from harness.contest.significance import Significance
from tests.bench.cluster import simulate, table
from tests.bench.nodes import Faults
from tests.simulation.rules import PLAIN


def test_every_submission_is_judged_though_nodes_die_and_refuse() -> None:
    faults = Faults(between_failures=8 * 3_600, repair=1_800, differing=0.25)
    found = simulate(
        24, 4, faults=faults, significance=Significance.model_validate(PLAIN), seed=3
    )  # which asserts that each has its verdict
    assert found.lost > 0, "nodes did die"
    assert found.refused > 0
    assert found.given_up == 0
    assert found.ideal_hours < found.hours < 3 * found.ideal_hours
    assert len(table(found)) == 7
