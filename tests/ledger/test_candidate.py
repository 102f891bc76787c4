"""A run is judged again before its verdict is accepted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.places import PLAN, VERDICT
from harness.judge.verdict_file import read_verdict
from harness.ledger.events import Accepted
from harness.ledger.file import load_leaderboard
from tests.factories.playground import harness
from tests.factories.results import changes, probes
from tests.factories.runs import good_runs, verdict_of
from tests.ledger.boards import (
    EMPTY,
    kept_run,
)


def test_a_run_is_judged_again_before_it_is_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    options = ("--leaderboard", board, "--track", strict)
    better = verdict_of(run.plan, good_runs(run.plan, (2.5, 2.51, 2.52)))
    kept = (run.path / VERDICT).read_bytes()
    run.write_verdict(better)
    done = harness("leaderboard", "accept", run.path, *options)
    assert done.code == 2
    assert "not what follows from the evidence" in done.err
    (run.path / VERDICT).write_bytes(kept)
    assert harness("leaderboard", "accept", run.path, *options).code == 0
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted) and event.seen == "evidence"
    markdown = tmp_path / "card.md"
    assert harness("judge", run.path, "--markdown", markdown).code == 0
    assert markdown.read_text().startswith("## ✅ VERIFIED")


@pytest.mark.parametrize("spoilt", ["artifact/model.bin", "score.npz", "entry/model.py"])
def test_a_run_whose_files_were_changed_is_not_accepted(
    tmp_path: Path, board: Path, strict: Path, spoilt: str
) -> None:
    run = kept_run(tmp_path)
    seed = run.try_directory(run.plan.draws[0], 1)
    inside = run.path if spoilt.startswith("entry") else seed
    content = (inside / spoilt).read_bytes()
    (inside / spoilt).write_bytes(content + b"#")
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", run.path, *options)
    assert done.code == 3
    assert str(inside / Path(spoilt).parts[0]) in done.err and "not " in done.err
    assert board.read_text() == EMPTY
    (inside / spoilt).write_bytes(content)
    assert harness("leaderboard", "accept", run.path, *options).code == 0


def test_rules_that_were_changed_beside_their_digest_are_not_accepted(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """Run under other rules, then given the contest's."""
    run = kept_run(tmp_path)
    document = json.loads((run.path / PLAN).read_text())
    document["track_digest"] = "7" * 64
    (run.path / PLAN).write_text(json.dumps(document))
    done = harness("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "not the rules whose digest stands beside them" in done.err


def of_other_rules(path: Path, edit: Callable[[dict[str, Any]], object] = lambda v: None) -> None:
    """Make a verdict's file one of an edition that asked less."""
    document = json.loads(path.read_text())
    document["digests"]["rules"] = "7" * 64
    for table in ("rules", "checks"):
        document[table] = [each for each in document[table] if each["id"] != "seed_spread"]
    edit(document)
    path.write_text(json.dumps(document))


def passed(document: dict[str, Any]) -> None:
    """Have a verdict say that the record fell, whatever its rules had found."""
    document["verdict"], document["reason"] = "VERIFIED", "every check passes: the record fell"
    for each in document["checks"]:
        each["status"] = "pass"


def test_a_verdict_of_other_rules_is_accepted_by_those_and_todays_are_told(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    of_other_rules(run.path / VERDICT)
    options = ("--leaderboard", board, "--track", strict)
    done = harness("leaderboard", "accept", run.path, *options)
    assert (done.code, done.err) == (0, "")
    assert "it is of other rules; today's say VERIFIED" in done.out
    (event,) = load_leaderboard(board).events
    assert isinstance(event, Accepted)
    assert (event.seen, event.record.rules_digest) == ("evidence of other rules", "7" * 64)


def test_what_todays_rules_reject_is_accepted_only_by_who_says_so(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """A verdict of rules that nobody has at hand may be one that was written by hand."""
    peeks = probes(changes=changes(0.1))  # a gain that is seen in the mean alone
    run = kept_run(tmp_path, code=1, probes=peeks)

    of_other_rules(run.path / VERDICT, passed)
    arguments = ("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    refused = harness(*arguments)
    assert refused.code == 2
    assert "today's say REJECTED of the same evidence (causality" in refused.err
    assert harness(*arguments, "--despite-today").code == 0


def test_what_todays_rules_leave_open_is_no_record_by_others(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    """Whoever edits a verdict needs no rule but the one that is in the way to be left out."""
    run = kept_run(tmp_path, code=3, probes=None)

    of_other_rules(run.path / VERDICT, passed)
    arguments = ("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    refused = harness(*arguments)
    assert refused.code == 2
    assert "today's say INCONCLUSIVE of the same evidence" in refused.err


def test_a_rejection_is_not_kept_as_something_better(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path, code=1, probes=probes(changes=changes(0.1)))

    of_other_rules(run.path / VERDICT, passed)
    done = harness("leaderboard", "tried", run.path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "today's reject the same evidence" in done.err
    assert board.read_text() == EMPTY


@pytest.mark.parametrize(("field", "said"), [("track", "10min_16mb"), ("edition", "2099-01")])
def test_a_verdict_that_calls_its_rules_otherwise_is_not_accepted(
    tmp_path: Path, board: Path, strict: Path, field: str, said: str
) -> None:
    """A record of easy rules would become the bar of the contest's own."""
    path = kept_run(tmp_path).path / VERDICT
    document = json.loads(path.read_text())
    document[field] = said
    alone = tmp_path / "verdict.json"
    alone.write_text(json.dumps(document))
    done = harness("leaderboard", "accept", alone, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert f"{field}: found '{said}'" in done.err


def test_a_stranger_does_not_name_the_file_of_the_rules(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    path = kept_run(tmp_path).path / VERDICT
    document = json.loads(path.read_text())
    document["track"] = str(strict)
    alone = tmp_path / "verdict.json"
    alone.write_text(json.dumps(document))
    done = harness("leaderboard", "accept", alone, "--leaderboard", board)
    assert done.code == 2
    assert "did not come with the harness" in done.err and "--track" in done.err


def test_a_verdict_of_other_rules_is_held_against_its_evidence(
    tmp_path: Path, board: Path, strict: Path
) -> None:
    run = kept_run(tmp_path)
    better = verdict_of(run.plan, good_runs(run.plan, (2.5, 2.51, 2.52)))
    run.write_verdict(better)
    of_other_rules(run.path / VERDICT)
    assert read_verdict(run.path / VERDICT).verdict.verdict == "VERIFIED"
    done = harness("leaderboard", "accept", run.path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert "not made from the evidence beside it" in done.err
