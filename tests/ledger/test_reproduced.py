"""What was only printed again is no record and no try, whatever its file says."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.evidence.places import VERDICT
from harness.judge.stored import judge_path
from harness.ledger.candidate import load_candidate
from harness.ledger.trying import why_no_try
from tests.factories.playground import harness
from tests.factories.runs import verdict_of
from tests.factories.stored import store
from tests.factories.upstream import LINES, SCRIPT, upstream_entry, upstream_plan, upstream_runs
from tests.ledger.boards import EMPTY

CACHED = upstream_plan(entry=upstream_entry(rests_on="cache"))


def written(folder: Path, edit: Any = lambda document: None) -> Path:
    """The file of a verdict, edited by somebody."""
    verdict = verdict_of(CACHED, upstream_runs(CACHED))
    assert verdict.verdict == "REPRODUCED"
    document = json.loads(verdict.model_dump_json())
    edit(document)
    path = folder / "verdict.json"
    path.write_text(json.dumps(document))
    return path


def refused(path: Path, board: Path, strict: Path) -> str:
    done = harness("leaderboard", "accept", path, "--leaderboard", board, "--track", strict)
    assert done.code == 2
    assert board.read_text() == EMPTY
    return done.err


def test_it_is_not_accepted(tmp_path: Path, board: Path, strict: Path) -> None:
    assert "the verdict is REPRODUCED" in refused(written(tmp_path), board, strict)


def named_verified(document: dict[str, Any]) -> None:
    document["verdict"], document["reason"] = "VERIFIED", "every check passes"


def measured(document: dict[str, Any]) -> None:
    named_verified(document)
    document["upstream"]["only_reproduced"] = False


def resting_on_nothing(document: dict[str, Any]) -> None:
    measured(document)
    document["upstream"]["rests_on"] = None


def in_our_layout(document: dict[str, Any]) -> None:
    named_verified(document)
    document["upstream"], document["layout"] = None, "submission"


@pytest.mark.parametrize("edit", [named_verified, measured, resting_on_nothing, in_our_layout])
def test_no_edit_of_its_file_makes_a_record_of_it(
    tmp_path: Path, board: Path, strict: Path, edit: Any
) -> None:
    refused(written(tmp_path, edit), board, strict)


def test_its_evidence_is_judged_again_and_is_no_try(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", CACHED, upstream_runs(CACHED), files=SCRIPT, bridge=LINES)
    verdict = judge_path(directory.path)
    (directory.path / VERDICT).write_text(verdict.model_dump_json(indent=2))
    candidate = load_candidate(directory.path)
    assert why_no_try(candidate) == "it can never be a record: what is only reproduced beats no bar"
    judged = harness("judge", directory.path)
    assert judged.code == 4, judged.err


def test_one_that_failed_is_no_try_either(tmp_path: Path) -> None:
    """Nothing of it is ever a record, so no bad luck can be hidden."""
    failed = upstream_runs(CACHED, printed=2.9)
    directory = store(tmp_path / "run", CACHED, failed, files=SCRIPT, bridge=LINES)
    verdict = judge_path(directory.path)
    assert verdict.verdict == "REJECTED"
    (directory.path / VERDICT).write_text(verdict.model_dump_json(indent=2))
    assert "only reproduced" in why_no_try(load_candidate(directory.path))


def test_a_changed_bridge_beside_the_evidence_is_found(tmp_path: Path) -> None:
    directory = store(tmp_path / "run", CACHED, upstream_runs(CACHED), files=SCRIPT, bridge=LINES)
    verdict = judge_path(directory.path)
    document = json.loads(verdict.model_dump_json())
    document["upstream"]["bridge"] = "another"
    (directory.path / VERDICT).write_text(json.dumps(document))
    with pytest.raises(UsageError, match="not what follows from the evidence"):
        load_candidate(directory.path)
