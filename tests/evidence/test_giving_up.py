"""A try that is taken for lost: marked, and never added to; one that somebody works on is not."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.errors import InfrastructureError
from harness.evidence.giving_up import give_up
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.safeio.locks import BusyError
from tests.factories.plans import plan
from tests.factories.runs import seed_run
from tests.factories.stored import store

PLAN = plan()
FIRST = PLAN.draws_for("look")[0]
CUT_OFF = seed_run(FIRST, train=None, ended=False).model_copy(update={"began": "train"})


def stored(path: Path, *runs: Run) -> RunDirectory:
    return store(path / "run", PLAN, runs)


def test_a_try_that_was_cut_off_says_why_and_nothing_is_added_to_it(tmp_path: Path) -> None:
    directory = stored(tmp_path, CUT_OFF)
    give_up(directory, FIRST, 1, "job 7 on n1: node fail")
    (found,) = directory.tries(FIRST)
    assert (found.given_up, found.lost, found.had_begun) == ("job 7 on n1: node fail", True, True)
    late = CUT_OFF.model_copy(update={"ended": True})
    with pytest.raises(InfrastructureError, match="given up meanwhile: job 7 on n1"):
        directory.write_run(late)
    assert directory.tries(FIRST) == [found]
    assert directory.attempts(FIRST) + 1 == 2, "the next try is the second one of the same draw"


def test_one_that_has_ended_stays_as_it_is(tmp_path: Path) -> None:
    directory = stored(tmp_path, seed_run(FIRST))
    before = directory.tries(FIRST)
    give_up(directory, FIRST, 1, "its job is gone")
    assert directory.tries(FIRST) == before


def test_one_that_never_began_cannot_begin_any_more(tmp_path: Path) -> None:
    directory = stored(tmp_path)
    give_up(directory, FIRST, 1, "its job is gone")
    assert directory.tries(FIRST) == []
    with pytest.raises(BusyError):
        directory.begin_try(FIRST, 1)


def test_one_that_somebody_works_on_is_not_lost(tmp_path: Path) -> None:
    directory = stored(tmp_path, CUT_OFF)
    with directory.hold(FIRST):
        assert directory.is_held(FIRST)
        with pytest.raises(BusyError):
            give_up(directory, FIRST, 1, "its job is gone")
    assert directory.tries(FIRST) == [CUT_OFF]
    assert not directory.is_held(FIRST)


def test_what_has_ended_was_not_given_up() -> None:
    with pytest.raises(ValidationError, match="given_up"):
        Run.model_validate({**dict(seed_run(FIRST)), "given_up": "why"})
