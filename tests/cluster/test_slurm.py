"""Runs on a real Slurm, and everything that happens to nodes and jobs, done to it for real."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.run.launcher.desk import records
from tests.cluster.conftest import Bench
from tests.cluster.slurm import Slurm, slurm_started
from tests.factories.playground import BIGRAM, write_submission

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(540)]


@pytest.fixture
def slurm(tmp_path: Path, bench: Bench) -> Iterator[Slurm]:
    """A Slurm of two idle nodes, which the bench uses."""
    with slurm_started(tmp_path / "slurm") as started:
        bench.environment["SLURM_CONF"] = str(started.conf)
        yield started


def job_of(bench: Bench, slurm: Slurm) -> str:
    """The number of the job that was sent last for the only verification."""
    (directory,) = bench.directories()
    record = records(directory.path)[-1]
    return slurm.ask("squeue", "-h", "-t", "all", "-n", record.order.name, "-o", "%A")


def node_of(bench: Bench, slurm: Slurm) -> str:
    """The node that runs it."""
    return slurm.node_of(job_of(bench, slurm))


def test_two_entries_end_with_the_verdicts_that_they_have_on_one_machine(
    bench: Bench, slurm: Slurm
) -> None:
    bad = write_submission(bench.place / "rejected", train="raise SystemExit(1)")
    process = bench.launch(BIGRAM, bad, seeds="2")
    assert bench.ended(process) == 1, bench.said()
    good, rejected = bench.verdicts()
    assert (good.verdict, rejected.verdict) == ("REHEARSED", "REJECTED")
    assert len(good.seeds) == 2
    first, _ = bench.directories()
    nodes = {run.host.node for run in first.runs()}
    assert nodes == {"n1", "n2"}, "both nodes work"
    assert all(run.host.alone for run in first.runs())

    assert bench.ended(bench.launch(BIGRAM, bad, launcher="local", seeds="2")) == 1
    words = [verdict.verdict for verdict in bench.verdicts()]
    assert words == ["REHEARSED", "REJECTED"] * 2
    queue = json.loads(bench.asked("queue", bench.runs, "--json", "-"))
    assert {each["state"] for each in queue["submissions"]} == {"judged"}


def test_what_one_node_has_scored_is_asked_again_on_another(bench: Bench, slurm: Slurm) -> None:
    process = bench.launch(BIGRAM, seeds="2", more="ask_elsewhere = true\n")
    assert bench.ended(process) == 0, bench.said()
    (verdict,) = bench.verdicts()
    assert verdict.verdict == "REHEARSED"
    (directory,) = bench.directories()
    assert directory.plan.elsewhere
    for run in directory.runs():
        assert {host.node for host in run.hosts} == {"n1", "n2"}
        assert run.host_of("probe").node != run.host_of("score").node
        assert run.host_of("recall").node != run.host_of("score").node
        assert run.attempt == 1
    assert len(records(directory.path)) == 4, "each run is sent twice"


def test_a_run_whose_node_dies_is_made_on_another_one(bench: Bench, slurm: Slurm) -> None:
    process = bench.launch(bench.waiting())
    bench.wait_for(bench.began)
    died = node_of(bench, slurm)
    slurm.kill_node(died)
    bench.wait_for(lambda: bench.began() == 2)
    bench.go()
    assert bench.ended(process) == 1, bench.said()
    lost, counted = bench.tries()
    assert lost.given_up is not None and died in lost.given_up
    assert (lost.attempt, lost.seed) == (1, counted.seed), "the same draw: no new ticket"
    assert {lost.host.node, counted.host.node} == {"n1", "n2"}
    assert counted.ended and counted.began == "train"


def test_what_a_node_computes_that_slurm_takes_for_dead_is_taken(
    bench: Bench, slurm: Slurm
) -> None:
    process = bench.launch(bench.waiting())
    bench.wait_for(bench.began)
    job, node = job_of(bench, slurm), node_of(bench, slurm)
    slurm.kill_daemon(node)
    bench.wait_for(lambda: slurm.ask("squeue", "-h", "-t", "NF", "-j", job, "-o", "%T"))
    bench.wait_for(lambda: node not in slurm.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N"))
    assert bench.began() == 1
    bench.go()
    assert bench.ended(process) == 1, bench.said()
    (only,) = bench.tries()
    assert only.ended and only.host.node == node


def test_a_cancelled_job_is_tried_again_and_a_third_loss_is_the_last(
    bench: Bench, slurm: Slurm
) -> None:
    process = bench.launch(bench.waiting(), more="tries = 2")
    for count in (1, 2):
        bench.wait_for(lambda count=count: bench.began() == count)  # type: ignore[misc]
        slurm.ask("scancel", job_of(bench, slurm))
    assert bench.ended(process) == 3, bench.said()
    assert [run.given_up is not None for run in bench.tries()] == [True, True]
    assert [how for how, _ in bench.outcomes()] == ["lost", "lost"]
    assert bench.verdicts()[0].verdict == "INCONCLUSIVE"


def test_a_preempted_job_is_tried_again(bench: Bench, slurm: Slurm) -> None:
    process = bench.launch(bench.waiting(), more='[slurm]\npartition = "main"')
    bench.wait_for(bench.began)
    node = node_of(bench, slurm)
    urgent = ["--partition=urgent", f"--nodelist={node}", "--chdir=/tmp", "--output=/dev/null"]
    slurm.ask("sbatch", "--exclusive", *urgent, "--wrap=sleep 600")
    bench.wait_for(lambda: bench.began() == 2)
    bench.go()
    assert bench.ended(process) == 1, bench.said()
    lost, counted = bench.tries()
    assert "preempted" in (lost.given_up or "")
    assert counted.host.node != node


def test_a_full_disk_sends_a_run_to_another_node(bench: Bench, slurm: Slurm) -> None:
    # Where answers of a model are exchanged; its root is all that it has room for.
    slurm.inside("n1", "mount", "-t", "tmpfs", "-o", "nr_inodes=1", "none", "/dev/shm")
    toy = write_submission(bench.place / "toy")
    bench.ended(bench.launch(toy))
    assert "/dev/shm: the disk is full" in bench.said()
    lost, counted = bench.tries()
    assert lost.host.node == "n1" and lost.failure is not None
    assert lost.failure.fault == "infrastructure"
    assert (counted.host.node, counted.lost) == ("n2", False)
    assert bench.outcomes() == [("done", "n1"), ("done", "n2")]
    assert counted.scores is not None, "and so the verdict follows from what n2 measured"


def test_a_node_that_loses_the_shared_directory_loses_its_run(bench: Bench, slurm: Slurm) -> None:
    process = bench.launch(bench.waiting())
    bench.wait_for(bench.began)
    node = node_of(bench, slurm)
    slurm.inside(node, "mount", "-t", "tmpfs", "-o", "size=64k", "none", str(bench.runs))
    bench.go()
    assert bench.ended(process) == 1, bench.said()
    lost, counted = bench.tries()
    assert not lost.ended and lost.host.node == node
    assert counted.ended and counted.host.node != node


def test_a_killed_launching_process_loses_nothing(bench: Bench, slurm: Slurm) -> None:
    entries = [bench.waiting("first"), bench.waiting("second")]
    again = bench.killed_and_launched_again(*entries)
    bench.wait_for(lambda: "sent by an earlier call" in bench.said())
    bench.go()
    assert bench.ended(again) == 1, bench.said()
    assert bench.began() == 2, "no run was begun again"
    assert [verdict.verdict for verdict in bench.verdicts()] == ["REJECTED", "REJECTED"]
    # What had ended before anybody looked is taken without a run.
    assert bench.ended(bench.launch(*entries, resume=True)) == 1
    assert bench.began() == 2


def test_a_node_with_another_dataset_refuses_in_a_sentence(bench: Bench, slurm: Slurm) -> None:
    other = bench.place / "other"
    other.mkdir()
    slurm.inside("n1", "mount", "--bind", str(other), str(bench.data))
    bench.go()
    assert bench.ended(bench.launch(bench.waiting())) == 1, bench.said()
    assert bench.outcomes()[-1] == ("done", "n2")
    assert ("refused", "n1") in bench.outcomes()
    assert "n1 refuses: " in bench.said() and "there is no dataset" in bench.said()
    assert len(bench.tries()) == 1, "what was refused was no try"


def test_no_node_that_is_as_planned_is_our_own_failure(bench: Bench, slurm: Slurm) -> None:
    other = bench.place / "other"
    other.mkdir()
    for node in ("n1", "n2"):
        slurm.inside(node, "mount", "--bind", str(other), str(bench.data))
    assert bench.ended(bench.launch(bench.waiting())) == 3, bench.said()
    assert "no node takes it: n1: " in bench.said()
    assert bench.began() == 0


def test_the_rest_of_a_rejected_entry_is_cancelled(bench: Bench, slurm: Slurm) -> None:
    entry = write_submission(
        bench.place / "entry",
        train=f"""
        import os, time
        began = {str(bench.place)!r} + "/began-" + os.environ["SEED"]
        others = [n for n in os.listdir({str(bench.place)!r}) if n.startswith("began-")]
        open(began, "a").write("x")
        if others:
            time.sleep(600)  # the second to begin
        while len([n for n in os.listdir({str(bench.place)!r}) if n.startswith("began-")]) < 2:
            time.sleep(0.05)
        raise SystemExit(1)
        """,
    )
    assert bench.ended(bench.launch(entry, seeds="2")) == 1, bench.said()
    (verdict,) = bench.verdicts()
    assert (verdict.verdict, len(verdict.seeds)) == ("REJECTED", 1)
    assert sorted(how for how, _ in bench.outcomes()) == ["cancelled", "done"]
    slurm.wait_until_idle()
