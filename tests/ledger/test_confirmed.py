"""What is accepted of a track with looks: the mean of the seeds that confirmed it, or nothing."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness.contest.significance import Look
from harness.contest.track import Bar as TrackBar
from harness.errors import UsageError
from harness.judge.verdict import Verdict
from harness.ledger.leaderboard import bar_of
from tests.factories.plans import looking_track
from tests.factories.runs import looked, verdict_of
from tests.ledger.boards import accepted, keep, planned, tried, write_verdict

LOOKS, FRESH = (2.6100, 2.6105, 2.6098), (2.6130, 2.6126, 2.6134)


def test_a_record_is_the_mean_that_nobody_selected(tmp_path: Path, board: Path) -> None:
    track = looking_track(name="club", bar=TrackBar(bpb=3.4, source="own", leaderboard=True))
    made = planned(1, track)
    path = write_verdict(tmp_path, 1, looked(made, (*LOOKS, 1.0), FRESH), track=track)
    verdict = Verdict.model_validate_json(path.read_text())
    assert verdict.statistics.mean_bpb == pytest.approx(2.6101)
    record = accepted(board, path, track=track)
    assert record is not None
    assert record.mean_bpb == pytest.approx(2.6130)
    assert record.scores == FRESH
    assert record.seeds == tuple(draw.seed for draw in made.draws_for("confirmation"))
    assert verdict.confirmation is not None and record.p == verdict.confirmation.p
    bar = bar_of(track, board)
    assert bar is not None
    assert (bar.bpb, bar.seeds) == (record.mean_bpb, FRESH)


def test_at_a_lower_level_all_seeds_stand_with_all_doubts_added_or_it_is_no_record(
    tmp_path: Path, board: Path
) -> None:
    """The check tells p of the look alone, and what all seeds together show may be less."""
    charging = looking_track().significance.model_copy(update={"spending": True})
    bar = TrackBar(bpb=3.4, source="own", leaderboard=True)
    track = looking_track(significance=charging, bar=bar)
    line = verdict_of(made := planned(15, track), []).statistics.threshold_bpb or 0.0
    looks, fresh = (
        [line + 0.0007 * field for field in fields]
        for fields in ((-400, -401, -400.5), (-90, -300, -195))
    )
    path = write_verdict(tmp_path, 15, looked(made, looks, fresh), track=track)
    keep(board, tried(1, track=track.name, track_digest=track.digest, bar_bpb=3.4))
    with pytest.raises(UsageError, match=r"with all doubts added, it does not stand .* of try 2"):
        accepted(board, path, track=track)
    keep(board)
    assert accepted(board, path, track=track)


def test_what_was_not_confirmed_is_no_record(tmp_path: Path, board: Path) -> None:
    made = planned(1, looking_track())
    path = write_verdict(tmp_path, 1, looked(made, LOOKS), track=looking_track())
    with pytest.raises(UsageError, match=re.escape("INCONCLUSIVE (confirmation: 0 of 3")):
        accepted(board, path, track=looking_track())


@pytest.mark.parametrize(
    ("looks", "fresh", "left_out", "said"),
    [
        ((3.41,), (), "significance", "do not show that the bar fell"),
        (LOOKS, (3.3970, 3.3975, 3.3971), "confirmation", r"(3 of 3) do not confirm it"),
        (LOOKS, (), "confirmation", r"(0 of 3) do not confirm it"),
    ],
)
def test_rules_of_nobody_that_leave_the_question_out_make_no_record(
    tmp_path: Path,
    board: Path,
    looks: tuple[float, ...],
    fresh: tuple[float, ...],
    left_out: str,
    said: str,
) -> None:
    """Whoever names other rules in a verdict's file is asked no question of today's."""
    made = planned(1, looking_track())
    verdict = verdict_of(made, looked(made, looks, fresh))
    changes: dict[str, Any] = {
        name: tuple(each for each in getattr(verdict, name) if each.id != left_out)
        for name in ("rules", "checks")
    }
    passed = tuple(c.model_copy(update={"status": "pass"}) for c in changes["checks"])
    changes |= {"checks": passed, "verdict": "VERIFIED", "reason": "every check passes"}
    changes["digests"] = verdict.digests.model_copy(update={"rules": "7" * 64})
    path = tmp_path / "edited.json"
    path.write_text(verdict.model_copy(update=changes).model_dump_json())
    with pytest.raises(UsageError, match=re.escape(said)):
        accepted(board, path, track=looking_track())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirmation": 4}, "confirmation.runs: found 3, expected 4"),
        ({"confirmation": None}, "confirmation.runs: found 3, expected None"),
        ({"field_degrees": 5.0}, "statistics.field_degrees: found 4.0, expected 5.0"),
        ({"field_sd_bpb": 0.0006}, "statistics.field_sd_bpb: found 0.0007, expected 0.0006"),
        ({"test": "plain"}, "statistics.test: found moderated, expected plain"),
        ({"looks": (Look(runs=3, accept_below=0.005),)}, "looks: found"),
        ({"p_below": 0.005}, "statistics.p_below: found 0.01, expected 0.005"),
    ],
)
def test_a_verdict_of_another_test_is_not_one_of_the_track(
    tmp_path: Path, board: Path, changes: dict[str, Any], said: str
) -> None:
    """Whoever edits the digest of the track in a verdict has not asked the track's test."""
    asked = looking_track().significance.model_copy(update=changes)
    other = looking_track(significance=asked)
    made = planned(1, looking_track())
    verdict = verdict_of(made, looked(made, LOOKS, FRESH))
    digests = verdict.digests.model_copy(update={"track": other.digest})
    path = tmp_path / "edited.json"
    path.write_text(verdict.model_copy(update={"digests": digests}).model_dump_json())
    with pytest.raises(UsageError, match=re.escape(said)):
        accepted(board, path, track=other)
