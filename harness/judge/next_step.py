"""What a verification still needs, according to the evidence so far: more runs, or none."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from harness.evidence.draws import Draw
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules import CHECKS
from harness.judge.rules.bridge import BRIDGE
from harness.judge.rules.seeds import used_up
from harness.judge.rules.significance import answer_of


@dataclass(frozen=True)
class Wanted:
    """The draws to run now. ``over``: no run can change the verdict any more; ``why`` says why."""

    draws: tuple[Draw, ...] = ()
    over: bool = False
    why: str = ""


def next_step(
    case: Case,
    *,
    confirming: bool = False,
    given_up: Collection[int] = (),
    running: Collection[int] = (),
) -> Wanted:
    """What the evidence asks for: the preparation, then the seeds up to the next look, or nothing.

    Last, when nothing blind is left to do, come the reproductions of an entry that has some: they
    alone hold the true split, and what they leave behind comes too late.

    A bridge that is not proven ends a verification: what is measured through it says nothing. So
    does a draw that is used up: nothing makes another verdict of it than that it is unknown. A
    rehearsal, in which nothing is at stake, goes on without it.

    Args:
        case: with the try that counts of each draw; a draw that our side lost is wanted again.
        confirming: whether what the looks accept is confirmed too, not only left to be.
        given_up: numbers of draws that are not tried again now, because our side lost them.
        running: numbers of draws of which a try is under way, so that it is not lost yet.
    """
    done = {run.draw for run in case.runs if not run.lost}
    ends = _decides(case, lambda rule: rule.per_seed) or _unproven(case)
    if ends:
        return Wanted(over=True, why=ends)
    plan = case.plan
    over = [draw for draw in case.used_up if draw.number not in running]
    if over and not plan.rehearsal:
        return Wanted(over=True, why=f"seeds: {used_up(over)}")

    def missing(draws: Iterable[Draw]) -> list[Draw]:
        return [draw for draw in draws if draw.number not in done]

    wanted = missing(plan.draws_for("preparation"))
    if not wanted and not case.statistics.decided:
        wanted = missing(plan.draws_for("look")[: case.runs_needed])
    why = _ended_early(case) if case.statistics.decided else ""
    unconfirmed = missing(plan.draws_for("confirmation")) if case.statistics.accepted else []
    if not wanted and confirming:
        wanted = unconfirmed
    refused = case.statistics.decided and not case.statistics.accepted
    if not wanted and not refused and not (unconfirmed and not confirming):
        wanted = missing(plan.draws_for("reproduction"))
        if wanted and (why := _decides(case, lambda rule: not rule.per_seed)):
            return Wanted(over=True, why=why)
    left = tuple(draw for draw in wanted if draw.number not in given_up)
    return Wanted(draws=left, over=not left, why="" if left else why)


def _decides(case: Case, which: Callable[[Rule], bool]) -> str:
    """The first failure among some rules, with its reason; empty where there is none."""
    for rule in CHECKS:
        finding = rule.ask(case) if which(rule) else None
        if finding is not None and finding.status == "fail":
            return f"{rule.id}: {finding.detail}"
    return ""


def _unproven(case: Case) -> str:
    """Why nothing can be measured by a bridge, once it was tried; empty where something can."""
    tried = case.preparation
    finding = BRIDGE.ask(case) if tried is not None and not tried.lost else None
    if finding is None or finding.status == "pass":
        return ""
    return f"{finding.id}: {finding.detail}"


def _ended_early(case: Case) -> str:
    """Why the looks ended before the last one; empty where it was the last one."""
    seen, most = case.statistics.seen, case.track.significance.most_runs
    if seen is None or seen.runs >= most:
        return ""
    return f"significance: {answer_of(case.statistics).detail}"
