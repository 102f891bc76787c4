"""From a case to the answers of the rules, and from those answers to one verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.evidence.decisions import Decision, PassedOver
from harness.judge.case import Case
from harness.judge.only_reproduced import NOBODY_CHECKED
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


@dataclass(frozen=True)
class Settled:
    """The answers of the rules, decisions applied; and which decisions those were, which not."""

    findings: tuple[Finding, ...]
    applied: tuple[Decision, ...]
    passed_over: tuple[PassedOver, ...]


def ask_all(case: Case, rules: Sequence[Rule] = CHECKS) -> tuple[Finding, ...]:
    """The answer of every rule whose question arises, in their order, decisions applied."""
    return settle(case, rules).findings


def settle(case: Case, rules: Sequence[Rule] = CHECKS) -> Settled:
    """:func:`ask_all`, with what became of each decision. The last one about a rule counts."""
    decided = {decision.rule: decision for decision in case.decisions}
    asked = [(rule, rule.ask(case)) for rule in rules]
    answers = {rule.id: (rule, finding) for rule, finding in asked}
    passed = [PassedOver(decision=each, why=_ABOUT_OTHERS) for each in case.elsewhere]
    applied: list[Decision] = []
    for decision in case.decisions:
        rule, finding = answers.get(decision.rule, (None, None))
        why = why_not(rule, finding) if decided[decision.rule] is decision else _LATER
        if why:
            passed.append(PassedOver(decision=decision, why=why))
        else:
            applied.append(decision)
    by_rule = {decision.rule: decision for decision in applied}
    found = tuple(
        _decided(finding, by_rule[rule.id]) if rule.id in by_rule else finding
        for rule, finding in asked
        if finding is not None
    )
    return Settled(found, tuple(applied), tuple(passed))


_ABOUT_OTHERS = "it was made about other evidence than this"
_LATER = "a later one is about the same"


def why_not(rule: Rule | None, finding: Finding | None) -> str:
    """Why no decision settles a rule's answer; empty where one does."""
    if rule is None:
        return "no rule of this harness has that id"
    if not rule.decidable:
        return "no decision settles this rule"
    if finding is None:
        return "its question does not arise"
    if finding.status != "unknown":
        return f"the rule answers it by itself: {finding.status}"
    return ""


def said_of(decision: Decision) -> str:
    """How the answer that it settles ends."""
    return f"; decided by {decision.who} on {decision.at[:10]}: {decision.why}"


def _decided(finding: Finding, decision: Decision) -> Finding:
    detail = finding.detail + said_of(decision)
    return finding.model_copy(update={"status": decision.outcome, "detail": detail})


def deciding(
    findings: Sequence[Finding], rules: Sequence[Answering], *, rehearsal: bool
) -> Finding | None:
    """The finding that stands in the way: the first failure, else the first unknown that counts."""
    tolerated = {rule.id for rule in rules if rule.open_in_rehearsal} if rehearsal else set()
    failed = (finding for finding in findings if finding.status == "fail")
    unknown = (f for f in findings if f.status == "unknown" and f.id not in tolerated)
    return next(failed, None) or next(unknown, None)


def conclude(
    findings: Sequence[Finding],
    rules: Sequence[Answering],
    *,
    rehearsal: bool,
    only_reproduced: bool = False,
) -> tuple[VerdictName, str]:
    """The verdict that follows from findings, and its reason: the first finding that decides it.

    ``only_reproduced``: the entry's own score is one that it printed, not one that we measured.
    """
    decisive = deciding(findings, rules, rehearsal=rehearsal)
    if decisive is not None:
        word: VerdictName = "REJECTED" if decisive.status == "fail" else "INCONCLUSIVE"
        return word, f"{decisive.id}: {decisive.detail}"
    if rehearsal:
        return "REHEARSED", "everything that a rehearsal can judge passes; it is never a record"
    if only_reproduced:
        return "REPRODUCED", NOBODY_CHECKED
    fell = any(finding.id == "significance" for finding in findings)
    return "VERIFIED", f"every check passes{': the record fell' if fell else ''}"
