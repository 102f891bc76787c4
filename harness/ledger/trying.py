"""Keeps who tried what, and which accounts are one person: events beside those about records."""

from collections.abc import Sequence
from pathlib import Path

from harness.contest.account import account_from
from harness.contest.track import Track
from harness.errors import UsageError
from harness.judge.next_step import next_step
from harness.judge.stored import read_case
from harness.judge.verdict import Verdict
from harness.ledger.candidate import Candidate, check_rules
from harness.ledger.chain import Leaderboard
from harness.ledger.events import FEWEST_DIGITS, Joined, Parted, Tried
from harness.ledger.file import append, make_event
from harness.ledger.tries import person_of, tries_on

_OURS = frozenset({"dataset", "isolation", "hardware"})
"""Rules whose unknown only our side can bring about; but see :func:`_ours_alone`."""


def why_no_try(candidate: Candidate) -> str:
    """Why a judged verification is no try of its author, in a sentence; empty where it is one.

    VERIFIED and REJECTED are. INCONCLUSIVE is, but where only our side can have brought that about:
    whoever sees in training that his luck is bad could otherwise end so, and try again for nothing.
    What can still go on is none yet, and what could never have become a record never is.
    """
    verdict = candidate.published.verdict
    if never := _never_a_record(verdict):
        return f"it can never be a record: {never}"
    if verdict.verdict != "INCONCLUSIVE":
        return ""
    if candidate.directory is None or not next_step(read_case(candidate.directory)).over:
        return "it is not finished; finish it with --resume"
    if _ours_alone(candidate):
        return f"only our side can have brought it about: {verdict.reason[:200]}"
    return ""


def _never_a_record(verdict: Verdict) -> str:
    """Why nothing that is run so is ever a record; empty where it might have been one."""
    statistics, upstream = verdict.statistics, verdict.upstream
    if verdict.rehearsal:
        return "it is a rehearsal"
    if not verdict.seeds_drawn:
        return "its seeds were chosen by hand"
    if verdict.verdict == "REPRODUCED" or (upstream is not None and upstream.only_reproduced):
        return "what is only reproduced beats no bar"
    if statistics.bar_bpb is None or statistics.p_below is None:
        return f"track {verdict.track} has no bar to beat"
    return ""


def _ours_alone(candidate: Candidate) -> bool:
    """Whether all that is unknown is so because of the host, whatever the submission does.

    An accelerator that slows itself down may have been made hot.
    """
    checks = candidate.published.verdict.checks
    unknown = {check.id for check in checks if check.status == "unknown"}
    assert candidate.directory is not None  # noqa: S101 - asked only of what lies there
    steps = [step for run in candidate.directory.runs() for step in run.steps]
    hot = any(step.telemetry is not None and step.telemetry.slowdowns for step in steps)
    return unknown <= (_OURS - {"hardware"} if hot else _OURS)


def record_try(
    path: Path, candidate: Candidate, *, track: Track, by: str, account: str | None = None
) -> Tried | None:
    """Keep a try, of which the evidence was looked at.

    Args:
        path: the leaderboard; it exists.
        candidate: the verdict, read from the directory of its evidence.
        track: the rules that it must have been given under.
        by: who keeps it.
        account: who sent it, where that is not whom the entry names.

    Returns:
        The event, or None when this very try is kept already, or was accepted.

    Raises:
        UsageError: it was given under other rules, or is no try; it says why.
    """
    check_rules(candidate.published.verdict, track)
    _check_no_better_than_today(candidate)
    if why := why_no_try(candidate):
        raise UsageError(f"not a try: {why}")
    made: list[Tried] = []

    def event(board: Leaderboard) -> Tried | None:
        tried = _tried(board, candidate, by=by, account=account)
        if tried.names in tries_on(board, track):
            return None
        made.append(tried)
        return tried

    return made[0] if append(path, event) else None


def _check_no_better_than_today(candidate: Candidate) -> None:
    """Check that today's rules do not reject what a verdict of other rules leaves open.

    Nobody here can tell such a verdict from one that was written by hand, and a try that was
    rejected is accepted in no other directory either.

    Raises:
        UsageError: they do.
    """
    today, kept = candidate.today, candidate.published.verdict
    if today is not None and today.verdict == "REJECTED" != kept.verdict:
        raise UsageError(
            f"the verdict is of other rules and says {kept.verdict}, and today's reject the same "
            f"evidence ({today.reason[:200]})",
            remedy="judge it again, and keep what today's rules say",
        )


def _tried(board: Leaderboard, candidate: Candidate, *, by: str, account: str | None) -> Tried:
    verdict, names = candidate.published.verdict, candidate.names
    return make_event(
        Tried,
        before=board.head,
        by=by,
        account=account_from(account) if account else candidate.account,
        track=verdict.track,
        dataset=verdict.dataset,
        track_digest=verdict.digests.track,
        submission=verdict.submission[:200],
        submission_digest=verdict.digests.submission,
        first_seed=names[2] if names else None,
        date=candidate.date,
        outcome=verdict.verdict,
        bar_bpb=verdict.statistics.bar_bpb,
        p_below=verdict.statistics.p_below,
        evidence=verdict.evidence[:200],
        seen=candidate.seen,
        sketch=candidate.sketch,
    )


def join(path: Path, accounts: Sequence[str], *, why: str, by: str) -> Joined | None:
    """Say that accounts are one person: their tries count together from now on.

    Args:
        path: the leaderboard.
        accounts: each ``@`` and a GitHub id, or the name of an author who gave none.
        why: for people.
        by: who says it.

    Returns:
        The event, or None when all of them are one person already.

    Raises:
        UsageError: fewer than two different accounts.
    """
    named = tuple(dict.fromkeys(account_from(account) for account in accounts))
    if len(named) < 2:
        raise UsageError(
            f"{', '.join(accounts)[:200]}: these are one account ({named[0] if named else '-'}); "
            "expected two or more, each @ and a GitHub id, or an author's name"
        )
    made: list[Joined] = []

    def event(board: Leaderboard) -> Joined | None:
        if set(named) <= person_of(named[0], board.joins):
            return None
        made.append(make_event(Joined, before=board.head, by=by, accounts=named, why=why))
        return made[0]

    return made[0] if append(path, event) else None


def part(path: Path, digest: str, *, why: str, by: str) -> Joined | None:
    """Take back that accounts are one person.

    Args:
        path: the leaderboard.
        digest: of the event that joined them, or its first 12 digits or more.
        why: for people.
        by: who says it.

    Returns:
        The event that counts no more, or None when it was taken back already.

    Raises:
        UsageError: no such event, or several begin like that.
    """
    found: list[Joined] = []

    def event(board: Leaderboard) -> Parted | None:
        known = [each for each in board.events if isinstance(each, Joined)]
        known = [each for each in known if each.digest.startswith(digest)]
        if len(known) != 1 or len(digest) < FEWEST_DIGITS:
            raise UsageError(
                f"{path}: {digest[:64]}: {len(known)} joins begin like that; expected the digest "
                f"of one, as `harness leaderboard show` tells it, or its first {FEWEST_DIGITS} "
                "digits or more"
            )
        if known[0] not in board.joins:
            return None
        found.extend(known)
        return make_event(Parted, before=board.head, by=by, why=why, joined=known[0].digest)

    return found[0] if append(path, event) else None
