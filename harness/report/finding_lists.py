"""What all writers of findings share: their length, order and count."""

from collections.abc import Iterable

from harness.models import AnyFinding, Finding, Status

ID_LIMIT = 80
FILE_LIMIT = 200
SENTENCE_LIMIT = 600
MOST_FINDINGS = 500


def counted(findings: Iterable[Finding]) -> str:
    """How many findings there are of each kind, in words."""
    statuses = [finding.status for finding in findings]
    failed, warned = statuses.count("fail"), statuses.count("unknown")
    passed = len(statuses) - failed - warned
    return f"{failed} failed, {warned} {'warning' if warned == 1 else 'warnings'}, {passed} passed"


def worst_first(findings: Iterable[AnyFinding]) -> list[AnyFinding]:
    """Failures, then warnings, then the rest; otherwise in the order given."""
    order: dict[Status, int] = {"fail": 0, "unknown": 1, "pass": 2}
    return sorted(findings, key=lambda finding: order[finding.status])
