"""Judges a submission's folder from its files; each finding names its file and line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.audit.findings import AuditCheck
from harness.audit.one import audit_folder
from harness.audit.policy import Policy
from harness.contest.loading import load_submission
from harness.contest.track import Track
from harness.errors import SubmissionError
from harness.gate.precheck import precheck
from harness.models import Finding

# contract: our layout, and an audit of the folder's claims if its logs hold a score.
# record: upstream's layout, which only an audit can judge.
Layout = Literal["contract", "record"]


def judge_folder(
    folder: Path, *, track: Track, layout: Layout, policy: Policy, shown_as: str
) -> tuple[list[Finding], str | None]:
    """Find everything that can be said about a submission's folder without running it.

    Args:
        folder: a folder of plain files that nobody else writes to.
        track: the rules.
        layout: the expected layout.
        policy: how strictly claims are audited.
        shown_as: the folder's name in messages; it is the prefix of the file names in findings.

    Returns:
        The findings, and the digest of the submission if it follows our contract.
    """
    audit = audit_folder(folder, track=track, policy=policy)
    audited = [
        _audited(check)
        for check in audit.checks
        # Our contract requires other files than upstream does, and reports them itself.
        if layout == "record" or check.id != "files"
    ]
    if layout == "record":
        return _below(audited, shown_as), None
    findings, digest = _checked(folder, track)
    scored = any(run.val_bpb is not None for run in audit.runs)
    return _below([*findings, *(audited if scored else [])], shown_as), digest


def _checked(folder: Path, track: Track) -> tuple[list[Finding], str | None]:
    try:
        submission = load_submission(folder)
        return precheck(submission, track), submission.digest
    except SubmissionError as error:
        return list(error.findings), None


def _audited(check: AuditCheck) -> Finding:
    """Convert a check of an audit to a finding; only its first place is kept."""
    return Finding(
        id=f"audit_{check.id}",
        status=check.status,
        detail=check.detail,
        file=check.file,
        line=check.line,
        measured=check.measured,
        limit=check.limit,
        unit=check.unit,
    )


def _below(findings: Iterable[Finding], folder: str) -> list[Finding]:
    """The same findings with file names relative to the root of the repository."""
    return [
        found.model_copy(update={"file": f"{folder}/{found.file}"}) if found.file else found
        for found in findings
    ]
