"""More time than a track gives: for every rehearsal, and for nothing else."""

from pathlib import Path

import pytest

from harness.contest.track import load_track
from harness.errors import UsageError
from harness.evidence.steps import STEPS
from harness.evidence.store import RunDirectory
from harness.report.running import opening
from harness.run.plan import check_time
from tests.factories.plans import plan, required
from tests.factories.upstream import upstream_plan

PROCESS = required(sandbox="process", isolation=())


def test_every_rehearsal_may_have_it() -> None:
    smoke = load_track("smoke")
    for made in (
        plan(smoke, time_scale=4.0),  # in Docker too
        plan(smoke, time_scale=4.0, required=PROCESS),
        plan(time_scale=4.0, required=PROCESS),
        upstream_plan(smoke, time_scale=4.0),
    ):
        check_time(made)
        assert made.rehearsal
        usual = made.model_copy(update={"time_scale": 1.0})
        for step in STEPS:
            limit = step.limit(usual)
            assert step.limit(made) == (None if limit is None else 4 * limit)
        said = opening(RunDirectory(Path("runs/x"), made))
        assert "every budget is 4 times the track's: a rehearsal, never a record" in said


def test_no_record_is_made_with_it() -> None:
    check_time(plan())
    with pytest.raises(UsageError, match=r"--slow 4: track strict in the docker sandbox is no reh"):
        check_time(plan(time_scale=4.0))
    with pytest.raises(UsageError, match="leave out --slow"):
        check_time(plan(time_scale=1.5, seeds=(1, 2, 3), chosen_by_hand=True))


def test_a_tokenizer_has_more_time_too() -> None:
    allowed = load_track("smoke").tokenizing
    assert allowed is not None
    more = allowed.with_time(4.0)
    assert more.start_seconds == 4 * allowed.start_seconds
    assert more.encode_seconds_per_mb == 4 * allowed.encode_seconds_per_mb
    assert more.decode_seconds_per_mb == 4 * allowed.decode_seconds_per_mb
    assert more.memory_bytes == allowed.memory_bytes
