"""Audits one record folder from its files alone. Nothing in it is run.

What was read (:mod:`claim_matching`, :mod:`scripts`, :mod:`claims`) becomes evidence; rules turn
evidence into checks; the policy decides which of them apply, and how strictly.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.audit.checks.claims import claim_checks
from harness.audit.checks.clocks import clock_checks
from harness.audit.checks.package import package_checks
from harness.audit.checks.readme import own_score, readme_checks
from harness.audit.checks.runs import run_checks
from harness.audit.checks.significance import Bar, Contender, significance_checks
from harness.audit.checks.sizes import size_checks
from harness.audit.checks.texts import text_checks
from harness.audit.claim_matching import gather
from harness.audit.findings import AuditCheck, ClaimReading, FolderAudit, Readings
from harness.audit.policy import Policy, load_policy
from harness.audit.scripts import read_scripts
from harness.audit.summary import Evidence, read_evidence
from harness.audit.verdicts import check, within, worst
from harness.contest.track import Track
from harness.safeio.text import storable
from harness.upstream.claims import read_claims
from harness.upstream.folder import BrokenFileError, RecordFolder

__all__ = ["Bar", "audit_folder", "judge", "judge_again", "load_policy", "read_folder"]


def audit_folder(
    folder: Path, *, track: Track, policy: Policy, bar: Bar | None = None
) -> FolderAudit:
    """Read a record folder (README.md, submission.json, script, logs) and judge it.

    Args:
        folder: the record; links in it are not followed.
        track: budgets, hardware and the score to beat.
        policy: which rules apply, and how strictly.
        bar: what to beat instead of the track's bar.

    Raises:
        UsageError: there is no such folder.
    """
    return judge(read_folder(folder, track), policy, bar)


def read_folder(folder: Path, track: Track) -> Evidence:
    """Read all that the files say, before any policy is applied.

    Raises:
        UsageError: there is no such folder.
    """
    record = RecordFolder(folder)
    readme = _readme(record)
    claims = read_claims(record)
    if claims.val_bpb is None and claims.val_loss is None and (own := own_score(readme)):
        claims = replace(claims, val_bpb=own, score_file=record.readme_name)
    gathered = gather(record, claims)
    python = [run.python for run in gathered.runs if run.python]
    scripts = read_scripts(record, claims, python=python, prose=readme)
    return Evidence(record, claims, gathered, scripts, readme, track)


def _readme(record: RecordFolder) -> str:
    name = record.readme_name
    if name is None or not record.files[name].here:
        return ""
    try:
        return record.text(name)
    except BrokenFileError:
        return ""


def judge(evidence: Evidence, policy: Policy, bar: Bar | None = None) -> FolderAudit:
    """Judge evidence under a policy; the same evidence may be judged under several."""
    date = evidence.date
    checks = within(_checks(evidence, policy, bar, date), policy)
    return FolderAudit(
        folder=storable(str(evidence.folder.path)),
        name=storable(evidence.folder.path.resolve().name),
        date=date,
        track=evidence.track.name,
        policy=policy.name,
        status=worst(checks),
        claim=evidence.gathered.claim,
        readings=read_evidence(evidence),
        runs=evidence.gathered.runs,
        checks=checks,
    )


def judge_again(audit: FolderAudit, track: Track, policy: Policy, bar: Bar) -> FolderAudit:
    """The same audit with its significance tests repeated against another bar."""
    runs = [run for run in audit.runs if run.counted and run.val_bpb is not None]
    contender = Contender(runs, audit.claim.kind, audit.date)
    tests = within(significance_checks(contender, track, policy, bar), policy)
    kept = [found for found in audit.checks if found.id not in ("significance", "welch")]
    checks = (*kept, *tests)
    return audit.model_copy(update={"checks": checks, "status": worst(checks)})


def unreadable(folder: Path, track: Track, policy: Policy, reason: str) -> FolderAudit:
    """The audit of a folder that could not be audited: everything is unknown."""
    checks = within([check("runs", "unknown", f"could not be audited: {reason}")], policy)
    readings = Readings(
        score="no_claim",
        size="not_logged",
        train_time="not_logged",
        post_train="ok_or_not_logged",
        seeds=0,
        script="not_logged",
        hardware="claimed_only",
        files="incomplete",
    )
    return FolderAudit(
        folder=storable(str(folder)),
        name=storable(folder.name),
        track=track.name,
        policy=policy.name,
        status="unknown",
        claim=ClaimReading(),
        readings=readings,
        runs=(),
        checks=checks,
    )


def _checks(
    evidence: Evidence, policy: Policy, bar: Bar | None, date: str | None
) -> Iterator[AuditCheck]:
    yield from package_checks(evidence)
    yield from claim_checks(evidence, policy)
    yield from readme_checks(evidence)
    yield from text_checks(evidence)
    yield from size_checks(evidence)
    yield from clock_checks(evidence, policy)
    yield from run_checks(evidence)
    contender = Contender(evidence.runs, evidence.gathered.claim.kind, date)
    yield from significance_checks(contender, evidence.track, policy, bar)
