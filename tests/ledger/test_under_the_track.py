"""Only what was given under the rules of the track, with its limits, is accepted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contest.track import Bar as TrackBar
from harness.contest.track import Holdout
from harness.errors import UsageError
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import read_verdict
from harness.ledger.candidate import load_candidate
from harness.ledger.leaderboard import accept
from tests.factories.plans import strict_track
from tests.factories.playground import harness
from tests.ledger.boards import (
    CONTEST,
    accepted,
    write_verdict,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"brought": None},
        {"limit_bytes": 200_000},
        {"tokenizer_free_bytes": 0},
        {"free_bytes": 20_000},
        {"free_bytes": 131_073},
    ],
)
def test_a_verdict_with_another_allowance_than_the_tracks_is_not_accepted(
    tmp_path: Path, board: Path, changes: dict[str, int | None]
) -> None:
    path = write_verdict(tmp_path)
    verdict = Verdict.model_validate_json(path.read_text())
    assert verdict.brought is not None
    brought = None if "brought" in changes else verdict.brought.model_copy(update=changes)
    candidate = load_candidate(path)
    published = replace(
        candidate.published, verdict=verdict.model_copy(update={"brought": brought})
    )
    with pytest.raises(UsageError, match=r"not one of track strict: brought\."):
        accept(board, replace(candidate, published=published), track=strict_track(), by="R.")


def test_other_rules_of_the_same_name_are_not_the_contests(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """A track file with a lower bar, and the official name."""
    path = write_verdict(tmp_path, track=strict_track(bar=TrackBar(bpb=99, source="mine")))
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "under other rules" in done.err


# Figures of a verdict that are not those of the track whose digest it names; each change is whole,
# so that the file does not contradict itself.
def _cap(v: dict[str, Any]) -> None:
    v["bytes_limit"] = _check(v, "bytes")["limit"] = 99_000_000


def _train_seconds(v: dict[str, Any]) -> None:
    v["train_limit_seconds"] = _check(v, "train_wallclock")["limit"] = 9000.0


def _causality(v: dict[str, Any]) -> None:
    _check(v, "causality")["limit"] = 5.0


def _untimed(v: dict[str, Any]) -> None:
    v["score_limit_seconds"] = None
    v["checks"] = [check for check in v["checks"] if check["id"] != "score_wallclock"]


def _dataset(v: dict[str, Any]) -> None:
    v["dataset"] = "easier"


FOREIGN = {
    "bytes_limit": _cap,
    "train_limit_seconds": _train_seconds,
    "causality.limit": _causality,
    "score_limit_seconds": _untimed,
    "dataset": _dataset,
}


def _check(document: dict[str, Any], rule: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in document["checks"] if each["id"] == rule)
    return found


@pytest.mark.parametrize("field", FOREIGN)
def test_limits_are_those_of_the_track(tmp_path: Path, board: Path, field: str) -> None:
    path = write_verdict(tmp_path)
    document = json.loads(path.read_text())
    FOREIGN[field](document)
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=rf"not one of track strict: {field}: found .*, expected"):
        accepted(board, path)


def test_a_level_easier_than_the_tracks_is_not_accepted(tmp_path: Path, board: Path) -> None:
    """Given under an easier track of the same name, and signed with the digest of the contest's."""
    easy = strict_track(
        significance=strict_track().significance.model_copy(update={"p_below": 0.05})
    )
    path = write_verdict(tmp_path, track=easy)
    path.write_text(path.read_text().replace(easy.digest, strict_track().digest))
    with pytest.raises(UsageError, match=r"statistics.p_below: found 0.05, expected 0.01"):
        accepted(board, path)


def test_a_check_that_the_track_asks_for_is_not_left_out(tmp_path: Path, board: Path) -> None:
    """The one question of which a verdict alone does not tell whether it arose."""
    track = strict_track(holdout=Holdout(dataset="unseen", tolerance_bpb=0.005))
    path = write_verdict(tmp_path, track=track)
    document = json.loads(path.read_text())
    document["checks"] = [each for each in document["checks"] if each["id"] != "holdout"]
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"holdout.limit: found None, expected 0.005"):
        accepted(board, path, track=track)


def test_an_easier_bar_than_the_tracks_is_not_accepted(tmp_path: Path, board: Path) -> None:
    easy = CONTEST.model_copy(update={"bar": TrackBar(bpb=9, source="x", leaderboard=True)})
    path = write_verdict(tmp_path, track=easy)
    path.write_text(path.read_text().replace(easy.digest, CONTEST.digest))
    assert read_verdict(path).verdict.statistics.bar_bpb == 9
    with pytest.raises(UsageError, match="easier"):
        accepted(board, path, track=CONTEST)
