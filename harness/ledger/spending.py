"""Whether what is accepted was tested at the level that its author's earlier tries left."""

from datetime import datetime

from harness.contest.track import Track
from harness.errors import UsageError
from harness.judge.check_figures import fresh_scores, tested_scores
from harness.judge.rules.doubts import charged
from harness.judge.verdict import Verdict
from harness.ledger.candidate import Candidate
from harness.ledger.chain import Leaderboard
from harness.ledger.tries import against, person_of, tries_on
from harness.statistics.looks import spent

_TESTS = ("significance", "confirmation", "doubts")
_ROUNDING = 1 + 1e-9


def check_spent(board: Leaderboard, candidate: Candidate, track: Track) -> None:
    """Check that a verdict stands at the level of the try that it is by now.

    Its plan fixed the level by the tries that were recorded when it was begun. Two verifications
    that are begun at the same time both take themselves for the first, so what was recorded since
    counts here, if it was begun before. A verdict at too high a level stands all the same where its
    p would have passed at the lower one.

    Raises:
        UsageError: it does not.
    """
    level, verdict = track.significance.p_below, candidate.published.verdict
    tested, bar_bpb = verdict.statistics.p_below, verdict.statistics.bar_bpb
    if not track.significance.spending or level is None or tested is None:
        return
    began = datetime.fromisoformat(candidate.date)
    tries = tries_on(board, track)
    kept = tries.get(candidate.names) if candidate.names else None
    account = kept.account if kept else candidate.account  # a maintainer may know who sent it
    person = person_of(account, board.joins)
    before = [
        each
        for names, each in tries.items()
        if each.account in person and names != candidate.names and each.date <= began
    ]
    earlier = len(against(before, bar_bpb))
    left = spent(level, earlier=earlier)
    if tested <= left * _ROUNDING:
        return
    for check in verdict.checks:
        if check.id not in _TESTS or check.limit is None:
            continue
        found, limit = check.measured, check.limit
        needed = limit * left / tested if isinstance(limit, int | float) else 0.0
        if not isinstance(found, int | float) or not found < needed:
            raise UsageError(
                f"{check.id}: it was tested as if it were an earlier try. Of {account} "
                f"{earlier} tries against this bar were begun before it and are recorded by now; "
                f"as try {earlier + 1} its p must lie below {needed:.3g}, found {found}"
            )
    if verdict.doubts and not _stands_charged(verdict, left / tested):
        raise UsageError(
            f"doubts: it was tested as if it were an earlier try. Of {account} {earlier} tries "
            "against this bar were begun before it and are recorded by now; with all doubts added, "
            f"it does not stand at the level of try {earlier + 1}"
        )


def _stands_charged(verdict: Verdict, share: float) -> bool:
    """Whether looks and confirmation hold with all doubts added, at a share of their levels.

    The check tells one p, and either of two questions may fail.
    """
    statistics, fresh = verdict.statistics, verdict.confirmation
    level = statistics.asked_level
    lower = statistics.model_copy(update={"level": None if level is None else level * share})
    if fresh is not None:
        fresh = fresh.model_copy(update={"p_below": fresh.p_below * share})
    tested = tested_scores(verdict)
    return charged(verdict.doubts, lower, tested, fresh, fresh_scores(verdict)).stands
