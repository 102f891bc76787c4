"""What a verification still needs, according to the evidence so far: more runs, or none."""

from collections.abc import Collection
from dataclasses import dataclass

from harness.evidence.draws import Draw
from harness.judge.case import Case
from harness.judge.rules import CHECKS
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

    A draw that is used up ends a verification: nothing makes another verdict of it than that it is
    unknown. A rehearsal, in which nothing is at stake, goes on.

    Args:
        case: with the try that counts of each draw; a draw that our side lost is wanted again.
        confirming: whether what the looks accept is confirmed too, not only left to be.
        given_up: numbers of draws that are not tried again now, because our side lost them.
        running: numbers of draws of which a try is under way, so that it is not lost yet.
    """
    done = {run.draw for run in case.runs if not run.lost}
    for rule in CHECKS:
        finding = rule.ask(case) if rule.per_seed else None
        if finding is not None and finding.status == "fail":
            return Wanted(over=True, why=f"{rule.id}: {finding.detail}")
    plan = case.plan
    over = [draw for draw in case.used_up if draw.number not in running]
    if over and not plan.rehearsal:
        return Wanted(over=True, why=f"seeds: {used_up(over)}")
    wanted = [draw for draw in plan.draws_for("preparation") if draw.number not in done]
    if not wanted and case.statistics.decided:
        if not (confirming and case.statistics.accepted):
            return Wanted(over=True, why=_ended_early(case))
        wanted = [draw for draw in plan.draws_for("confirmation") if draw.number not in done]
    elif not wanted:
        looks = plan.draws_for("look")[: case.runs_needed]
        wanted = [draw for draw in looks if draw.number not in done]
    left = tuple(draw for draw in wanted if draw.number not in given_up)
    return Wanted(draws=left, over=not left)


def _ended_early(case: Case) -> str:
    """Why the looks ended before the last one; empty where it was the last one."""
    seen, most = case.statistics.seen, case.track.significance.most_runs
    if seen is None or seen.runs >= most:
        return ""
    return f"significance: {answer_of(case.statistics).detail}"
