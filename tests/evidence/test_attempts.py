"""Which tries of a draw count, as evidence on disk tells: a plan is used up, never replaced."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import InfrastructureError
from harness.evidence.attempts import Attempts
from harness.evidence.integrity import check_kept
from harness.evidence.places import EVIDENCE
from harness.evidence.plan import PlanRef
from harness.evidence.run import Move, Run
from harness.evidence.store import RunDirectory
from tests.factories.plans import plan
from tests.factories.results import failure
from tests.factories.runs import good_runs, preparation, seed_run
from tests.factories.stored import store, write_model
from tests.judge.cases import own_tokenizer

PLAN = plan()
FIRST = PLAN.draws[0]
FATES = {
    "nothing yet": None,  # a directory, and nothing in it
    "cut off idle": {"train": None, "ended": False},
    "lost idle": {"train": None, "failure": failure("infrastructure", "training")},
    "cut off in training": {"train": None, "ended": False, "began": True},
    "lost in training": {
        "train": None,
        "failure": failure("infrastructure", "training"),
        "began": True,
    },
    "lost in scoring": {"failure": failure("infrastructure", "scoring"), "began": True},
    "cut off after its score": {"ended": False, "began": True},
    "lost after its score": {"failure": failure("infrastructure", "causality"), "began": True},
    "at fault": {"failure": failure("submission", "scoring"), "began": True},
    "good": {"began": True},
}
IDLE = {"nothing yet", "cut off idle", "lost idle"}
SCORED = {"cut off after its score", "lost after its score"}
KEPT = {"at fault", "good"}


def a_try(number: int, fate: str, bpb: float = 2.6) -> Run | None:
    parts = FATES[fate]
    if parts is None:
        return None
    fields = {name: value for name, value in parts.items() if name != "began"}
    run = seed_run(FIRST, bpb, attempt=number, **fields)  # type: ignore[arg-type]
    return run.model_copy(update={"began": "train" if parts.get("began") else None})


def tries_of(fates: list[str]) -> list[Run]:
    """One try for each fate; the score of try K is K BPB."""
    made = [a_try(number, fate, float(number)) for number, fate in enumerate(fates, start=1)]
    return [run for run in made if run is not None]


def test_the_fates_are_what_they_are_called() -> None:
    for fate in FATES:
        run = a_try(1, fate)
        if run is None:
            continue
        assert run.had_begun == (fate not in IDLE), fate
        assert run.lost == (fate not in KEPT), fate
        assert (run.scores is not None) == (fate in SCORED | {"good"}), fate


@given(st.lists(st.sampled_from(sorted(FATES)), max_size=6))
def test_what_counts_is_what_it_says(fates: list[str]) -> None:
    attempts = Attempts(tries_of(fates))
    kept = next((place for place, fate in enumerate(fates) if fate in KEPT), len(fates))
    begun = [fate for fate in fates[:kept] if fate not in IDLE]
    assert attempts.used_up == (len(begun) >= 2)
    counted = attempts.counted
    if kept < len(fates):
        assert counted is not None and counted.attempt == kept + 1
        beside = [place + 1.0 for place in range(kept) if fates[place] in SCORED]
        assert list(counted.beside or ()) == beside
        if counted.scores is not None:
            every = [*beside, kept + 1.0]
            assert counted.bpb == pytest.approx(sum(every) / len(every))
    else:
        assert counted is None or (counted.lost and counted.beside is None)


@given(st.lists(st.sampled_from(sorted(FATES)), max_size=6))
def test_tries_that_had_not_begun_change_nothing(fates: list[str]) -> None:
    every, others = (
        Attempts(tries_of(fates)),
        Attempts([run for run in tries_of(fates) if run.had_begun]),
    )
    assert every.used_up == others.used_up
    assert every.kept == others.kept
    assert every.beside == others.beside


def test_of_two_scores_nobody_picks_one() -> None:
    """A run that saw that its luck was bad, and was lost, counts as much as the next one."""
    (unlucky, lucky) = tries_of(["lost after its score", "good"])
    counted = Attempts([unlucky, lucky]).counted
    assert counted is not None and counted.bpb == 1.5
    assert Attempts([lucky]).counted == lucky and lucky.bpb == 2.0


def test_a_try_that_waits_is_lost_once_another_has_left_evidence() -> None:
    (scored, other) = tries_of(["cut off after its score", "good"])
    move = Move(step="probe", answers_sha256="a" * 64)
    waiting = scored.model_copy(update={"moves": (move,)})
    assert waiting.waits and not Attempts([waiting]).used_up
    counted = Attempts([waiting, other]).counted
    assert counted is not None and counted.beside == (1.0,)
    lost = other.model_copy(update={"ended": False})
    assert Attempts([waiting, lost]).used_up


def test_neither_a_preparation_nor_a_rescoring_has_luck() -> None:
    cut_off = preparation(own_tokenizer()).model_copy(update={"ended": False, "began": "tokenize"})
    assert cut_off.had_begun and cut_off.lost
    assert not Attempts([cut_off] * 5).used_up
    tries = tries_of(["lost after its score", "lost after its score", "good"])
    assert Attempts(tries).used_up
    again = Attempts(tries, copied=True)
    assert not again.used_up and again.beside == ()
    assert again.counted == tries[-1]


def test_a_start_is_one_of_code_in_a_step_of_the_run() -> None:
    for step in ("spread", "tokenize", "reproduce"):
        with pytest.raises(ValidationError, match=f"began: {step} starts no code in a seed run"):
            Run.model_validate({**dict(seed_run(FIRST)), "began": step})


def stored(place: Path, *fates: str, copies: PlanRef | None = None) -> RunDirectory:
    made = plan(copies=copies)
    return store(place / "run", made, [*tries_of(list(fates)), *good_runs(made)[1:]])


def test_a_directory_tells_which_draws_are_used_up(tmp_path: Path) -> None:
    directory = stored(tmp_path, "lost in training", "cut off after its score", "good")
    assert directory.used_up() == (FIRST,)
    assert stored(tmp_path / "2", "lost in training", "good").used_up() == ()
    again = stored(
        tmp_path / "3",
        *("lost in training", "lost in training", "good"),
        copies=PlanRef(directory="another", plan_sha256="a" * 64),
    )
    assert again.used_up() == ()


def test_an_empty_directory_of_a_try_is_no_try(tmp_path: Path) -> None:
    directory = stored(tmp_path, "lost in training")
    for attempt in (2, 3, 4):
        directory.begin_try(FIRST, attempt)
    assert directory.used_up() == ()
    assert directory.attempts(FIRST) == 4


def test_what_counts_beside_is_evidence_too(tmp_path: Path) -> None:
    directory = stored(tmp_path, "lost after its score", "good")
    (run, *_) = directory.runs()
    assert run.beside == (1.0,)
    check_kept(directory)
    before = directory.evidence_digest()
    place = directory.try_directory(FIRST, 1)
    documents = (place / "score.npz").read_bytes()
    (place / "score.npz").write_bytes(b"changed")
    with pytest.raises(InfrastructureError, match=r"score\.npz"):
        check_kept(directory)
    (place / "score.npz").write_bytes(documents)
    other = a_try(1, "lost after its score", 9.0)
    assert other is not None
    write_model(place / EVIDENCE, other)
    assert directory.evidence_digest() != before
    assert directory.runs()[0].beside == (9.0,)


def test_evidence_cannot_claim_what_lies_beside_it(tmp_path: Path) -> None:
    """It follows from the tries that are there, whatever a file says."""
    directory = stored(tmp_path, "good")
    run = directory.runs()[0]
    assert run.beside is None
    claimed = run.model_copy(update={"beside": (0.1,)})
    write_model(directory.try_directory(FIRST, 1) / EVIDENCE, claimed)
    assert directory.runs()[0].beside is None


def test_what_was_stored_before_is_written_back_as_it_was() -> None:
    assert "began" not in seed_run(FIRST).model_dump_json()
    assert "beside" not in seed_run(FIRST).model_dump_json()
    assert "passed_over" not in PLAN.model_dump_json()
