"""From a stored verification to its verdict."""

from harness.contest.track import Track
from harness.evidence.integrity import check_kept
from harness.evidence.store import Ledger
from harness.judge.judgement import judge
from harness.judge.verdict import Verdict


def judge_ledger(ledger: Ledger, *, track: Track | None = None) -> Verdict:
    """The verdict that follows from stored evidence; runs nothing, writes nothing.

    Raises:
        UsageError: evidence is damaged, or contradicts itself.
        InfrastructureError: a file beside it is not what it speaks of.
    """
    runs = ledger.runs()
    check_kept(ledger, runs)
    return judge(ledger.verification, runs, evidence=str(ledger.directory), track=track)
