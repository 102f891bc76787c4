"""A person's decision where a rule cannot tell: recorded beside the evidence that it is about.

It names the digest of that evidence, so that it says nothing of any other: not of more runs, not of
a changed file. It settles an unknown of a rule that says that it may be settled, and nothing else.
"""

from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from harness.errors import UsageError
from harness.evidence.decisions import Decision
from harness.evidence.integrity import check_kept
from harness.evidence.store import RunDirectory
from harness.judge.conclude import why_not
from harness.judge.rules import CHECKS, rule_of
from harness.judge.stored import judge_stored, read_case
from harness.judge.verdict import Verdict
from harness.safeio.parsing import problems_of

Word = Literal["accept", "reject"]
_OUTCOMES: dict[Word, Literal["pass", "fail"]] = {"accept": "pass", "reject": "fail"}


def decide(directory: RunDirectory, name: str, word: Word, *, why: str, who: str) -> Verdict:
    """Record a decision, and judge the verification again: its verdict is kept too.

    Args:
        directory: of the verification.
        name: the id of the rule that could not tell.
        word: whether what it could not tell is accepted.
        why: for people.
        who: decides.

    Raises:
        UsageError: that rule's answer cannot be settled, or the evidence is damaged.
        InfrastructureError: another harness is at work on it, or the disk failed.
    """
    with directory.lock():
        runs = directory.runs()
        check_kept(directory, runs)
        _check_open(directory, name)
        try:
            decision = Decision(
                rule=name,
                outcome=_OUTCOMES[word],
                why=why,
                who=who,
                at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                evidence=directory.evidence_digest(runs),
            )
        except ValidationError as error:
            raise UsageError("not a decision", problems=problems_of(error)) from error
        directory.write_decision(decision)
        verdict = judge_stored(directory, files=False)
        directory.write_verdict(verdict)
        return verdict


def _check_open(directory: RunDirectory, name: str) -> None:
    """Check that a rule's own answer is an unknown that a person may settle, and was measured.

    Raises:
        UsageError: it is not.
    """
    rule = rule_of(name)
    case = read_case(directory)
    finding = rule.ask(case) if rule else None
    if problem := why_not(rule, finding):
        can = ", ".join(each.id for each in CHECKS if each.decidable)
        raise UsageError(
            f"{name[:80]}: {problem}",
            file=directory.path,
            remedy=f"a person decides where one of these answers unknown: {can}",
        )
    if finding is None or finding.measured is None:
        said = finding.detail if finding else "not reached"
        raise UsageError(
            f"{name}: nothing was measured yet that could be decided: {said}",
            file=directory.path,
            remedy="finish it with harness verify --resume",
        )
