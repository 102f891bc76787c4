"""From a case to the answers of the rules, and from those answers to one verdict."""

from collections.abc import Sequence
from typing import Protocol

from harness.evidence.decisions import Decision
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules import CHECKS
from harness.judge.verdict import VerdictName
from harness.models import Finding


class Answering(Protocol):
    """The facts about a rule that its answer needs; both current and stored rules have them."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def open_in_rehearsal(self) -> bool:
        """Whether it may stay unknown in a rehearsal."""


def ask_all(case: Case, rules: Sequence[Rule] = CHECKS) -> tuple[Finding, ...]:
    """The answer of every rule whose question arises, in their order, decisions applied."""
    decided = {decision.rule: decision for decision in case.decisions}
    found = []
    for rule in rules:
        finding = rule.ask(case)
        if finding is not None:
            found.append(_settled(rule, finding, decided.get(rule.id)))
    return tuple(found)


def _settled(rule: Rule, finding: Finding, decision: Decision | None) -> Finding:
    """Apply a human's decision to an unknown; a fail, or another rule's answer, stays."""
    if decision is None or not rule.decidable or finding.status != "unknown":
        return finding
    detail = f"{finding.detail}; decided by {decision.who} on {decision.at[:10]}: {decision.why}"
    return finding.model_copy(update={"status": decision.outcome, "detail": detail})


def conclude(
    findings: Sequence[Finding], rules: Sequence[Answering], *, rehearsal: bool
) -> tuple[VerdictName, str]:
    """The verdict that follows from findings, and its reason: the first finding that decides it."""
    failed = [finding for finding in findings if finding.status == "fail"]
    if failed:
        return "REJECTED", f"{failed[0].id}: {failed[0].detail}"
    tolerated = {rule.id for rule in rules if rule.open_in_rehearsal} if rehearsal else set()
    unknown = [f for f in findings if f.status == "unknown" and f.id not in tolerated]
    if unknown:
        return "INCONCLUSIVE", f"{unknown[0].id}: {unknown[0].detail}"
    if rehearsal:
        return "REHEARSED", "everything that a rehearsal can judge passes; it is never a record"
    fell = any(finding.id == "significance" for finding in findings)
    return "VERIFIED", f"every check passes{': the record fell' if fell else ''}"
