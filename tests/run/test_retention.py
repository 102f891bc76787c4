"""What may go: a rejected artifact, a lost try, a derived dataset; never what a record rests on."""

import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InfrastructureError, UsageError
from harness.evidence.places import EVIDENCE, PRUNED, VERDICT
from harness.evidence.run import Move
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from harness.ledger.chain import Leaderboard, leaderboard_json
from harness.ledger.events import Accepted, Retracted
from harness.run.derived import derived
from harness.run.inspect_artifact import inspect_run
from harness.run.retention import Needless, needless, remove
from tests.factories.plans import plan, strict_track
from tests.factories.playground import harness
from tests.factories.results import failure
from tests.factories.runs import good_runs, seed_run
from tests.factories.stored import store, store_run
from tests.ledger.boards import chained, record

WORSE = (5.1, 5.2, 5.0)
LOST = failure("infrastructure", "scoring")


def verified(path: Path, scores: tuple[float, ...] = (2.61, 2.62, 2.60)) -> RunDirectory:
    """A finished verification with the verdict that follows from it."""
    made = plan(strict_track())
    directory = store(path, made, good_runs(made, scores))
    directory.write_verdict(judge_stored(directory))
    return directory


def found_in(tmp_path: Path, board: Leaderboard | None = None, **changes: Any) -> list[Needless]:
    options = {"older_than_days": 0.0} | changes
    now = (tmp_path / "runs").stat().st_mtime + 100
    return needless(
        tmp_path / "runs", tmp_path / "data", board or Leaderboard(), now=now, **options
    )


def as_of_old(directory: RunDirectory) -> None:
    for file in (directory.path / VERDICT, *directory.path.rglob(EVIDENCE)):
        os.utime(file, (1, 1))


def sealed(directory: RunDirectory) -> list[Path]:
    return sorted(file for file in directory.path.glob("*/*/artifact/*"))


def test_a_rejected_artifact_goes_and_the_evidence_is_judged_as_before(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    before = judge_stored(directory)
    assert before.verdict == "REJECTED"
    found = found_in(tmp_path)
    assert [each.why for each in found] == ["artifact of a rejected entry"] * 3
    size = sum(file.stat().st_size for file in sealed(directory))
    assert remove(found, data=tmp_path / "data") == size > 0
    assert sealed(directory) == []
    assert judge_stored(directory) == before
    assert found_in(tmp_path) == []


def test_a_verdict_that_is_no_rejection_keeps_everything(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one")
    assert judge_stored(directory).verdict == "VERIFIED"
    assert found_in(tmp_path) == []


def test_what_is_not_finished_keeps_everything(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    (directory.path / VERDICT).unlink()
    assert found_in(tmp_path) == []


@pytest.mark.parametrize("retracted", [False, True])
def test_what_a_record_rests_on_stays(tmp_path: Path, retracted: bool) -> None:
    """Whatever its own verdict says, and whoever takes the record back."""
    directory = verified(tmp_path / "runs/one", WORSE)
    held = record(
        2.6,
        submission_digest=directory.plan.entry.digest,
        track_digest=directory.plan.track_digest,
    )
    accepted = Accepted(
        before="0" * 64, at="2026-11-22T12:00:00+00:00", by="R.", seen="evidence", record=held
    )
    board = chained(accepted)
    if retracted:
        board = board.plus(
            Retracted(
                before=board.head,
                at="2026-11-23T12:00:00+00:00",
                by="R.",
                verdict_sha256=held.verdict_sha256,
                why="a test",
            )
        )
    assert found_in(tmp_path) != []
    assert found_in(tmp_path, board) == []


def test_a_try_that_does_not_count_leaves_its_files(tmp_path: Path) -> None:
    made = plan(strict_track())
    runs = good_runs(made)
    first = runs[0]
    lost = seed_run(made.draws_for("look")[0], failure=LOST)
    kept = first.model_copy(update={"attempt": 2})
    directory = store(tmp_path / "runs/one", made, [lost, kept, *runs[1:]])
    verdict = judge_stored(directory)
    directory.write_verdict(verdict)
    found = found_in(tmp_path)
    assert [each.why for each in found] == ["left by a try that does not count"]
    assert found[0].path.name == "try-1"
    remove(found, data=tmp_path / "data")
    assert len(sealed(directory)) == 3 and not list(directory.path.rglob(PRUNED))
    assert judge_stored(directory) == verdict


def test_a_try_that_waits_for_another_machine_keeps_all(tmp_path: Path) -> None:
    made = plan(strict_track())
    first, *others = good_runs(made)
    move = Move(step="probe", answers_sha256="a" * 64)
    changes = {"steps": first.steps[:2], "ended": False, "moves": (move,)}
    waiting = first.model_copy(update=changes)
    directory = store(tmp_path / "runs/one", made, [waiting, *others])
    answers = directory.answers(waiting, "score")
    answers.write_bytes(b"answers")
    directory.write_verdict(judge_stored(directory))
    assert found_in(tmp_path) == []
    directory.write_run(waiting.model_copy(update={"given_up": "its node died"}))
    (found,) = found_in(tmp_path)
    assert found.files == (answers,), "its score counts with that of the try that is made next"
    assert remove([found], data=tmp_path / "data") == len(b"answers")


def test_what_was_scored_and_lost_stays_for_the_try_that_is_made_next(tmp_path: Path) -> None:
    made = plan(strict_track())
    *others, last = good_runs(made)
    directory = store(tmp_path / "runs/one", made, others)
    directory.write_verdict(judge_stored(directory))
    cut_off = last.model_copy(update={"steps": last.steps[:2], "ended": False, "began": "train"})
    store_run(directory, cut_off)
    assert found_in(tmp_path) == []
    store_run(directory, last.model_copy(update={"attempt": 2}))
    assert cut_off.scores is not None
    assert judge_stored(directory).seeds[2].beside_bpb == (cut_off.scores.val_bpb,)


def test_what_somebody_is_at_work_on_stays(tmp_path: Path) -> None:
    """Seen when it is looked for, and again when it is removed."""
    directory = verified(tmp_path / "runs/one", WORSE)
    draw = directory.plan.draws[0]
    found = found_in(tmp_path)
    assert len(found) == 3
    (held,) = (each for each in found if each.path.parent == directory.draw_directory(draw))
    with directory.hold(draw):
        assert len(found_in(tmp_path)) == 2
        remove(found, data=tmp_path / "data")
        assert len(sealed(directory)) == 1
    evidence = directory.try_directory(draw, 1) / EVIDENCE
    os.utime(evidence, (evidence.stat().st_atime, evidence.stat().st_mtime + 50))
    assert remove([held], data=tmp_path / "data") == 0
    assert len(sealed(directory)) == 1


def test_what_was_judged_lately_stays(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    assert found_in(tmp_path, older_than_days=1.0) == []
    os.utime(directory.path / VERDICT, (1, 1))
    assert found_in(tmp_path, older_than_days=1.0) == []
    as_of_old(directory)
    assert len(found_in(tmp_path, older_than_days=1.0)) == 3


def test_somebody_at_work_on_it_keeps_it(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    found = found_in(tmp_path)
    with directory.lock():
        assert remove(found, data=tmp_path / "data") == 0
    assert len(sealed(directory)) == 3


def test_without_the_note_an_absent_artifact_is_damage(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    remove(found_in(tmp_path), data=tmp_path / "data")
    next(directory.path.rglob(PRUNED)).unlink()
    with pytest.raises(InfrastructureError, match="missing, or not what was sealed"):
        judge_stored(directory)


def test_who_looks_at_the_artifact_again_is_told_where_it_went(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    remove(found_in(tmp_path), data=tmp_path / "data")
    nobody: Any = None
    with pytest.raises(UsageError, match="was removed"):
        directory.require_unpruned()
    with pytest.raises(UsageError, match="was removed"):
        inspect_run(directory, nobody)


def test_the_command_removes_only_what_it_is_told_to(tmp_path: Path) -> None:
    directory = verified(tmp_path / "runs/one", WORSE)
    dataset = derived(tmp_path / "data") / ("a" * 64)
    dataset.mkdir(parents=True)
    (dataset / "shard.bin").write_bytes(bytes(1000))
    board = tmp_path / "board.json"
    board.write_bytes(leaderboard_json(Leaderboard()))
    place = ["--runs", tmp_path / "runs", "--data", tmp_path / "data", "--leaderboard", board]
    recent = harness("prune", *place)
    assert recent.code == 0 and "Nothing is kept" in recent.out
    as_of_old(directory)
    os.utime(dataset, (1, 1))
    told = harness("prune", *place)
    assert told.code == 0 and "derived dataset" in told.out and "say --yes" in told.out
    assert len(sealed(directory)) == 3 and dataset.is_dir()
    done = harness("prune", *place, "--yes")
    assert done.code == 0 and "removed " in done.out
    assert sealed(directory) == [] and not dataset.exists()
