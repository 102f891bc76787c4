"""Earlier verifications of the same submission are counted, whatever became of them."""

from pathlib import Path

from harness.evidence.store import Ledger, count_earlier
from tests.factories.samples import verification


def counted(runs: Path) -> int:
    plan = verification()
    return count_earlier(
        runs, submission_digest=plan.submission.digest, track_digest=plan.track_digest
    )


def test_only_tries_that_could_have_been_a_record_count(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert counted(runs) == 0
    other = verification().submission.model_copy(update={"digest": "6" * 64})
    for changes, after in (
        ({}, 1),
        ({}, 2),
        ({"seeds_drawn": False}, 2),
        ({"rescored_from": "another"}, 2),
        ({"submission": other}, 2),
        ({"track_digest": "another"}, 2),
    ):
        Ledger.create(runs, verification(**changes), code={"train.py": b""})
        assert counted(runs) == after
    (runs / "damaged").mkdir()
    (runs / "damaged/verification.json").write_text("{")
    assert counted(runs) == 2
