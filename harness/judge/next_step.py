"""What a verification still needs, according to the evidence so far: more runs, or none."""

from collections.abc import Collection
from dataclasses import dataclass

from harness.evidence.draws import Draw
from harness.judge.case import Case
from harness.judge.rules import CHECKS


@dataclass(frozen=True)
class Wanted:
    """The draws to run now. ``over``: no run can change the verdict any more; ``why`` says why."""

    draws: tuple[Draw, ...] = ()
    over: bool = False
    why: str = ""


def next_step(case: Case, *, given_up: Collection[int] = ()) -> Wanted:
    """The runs that the evidence asks for: the preparation, then the looks, or none.

    Args:
        case: with the try that counts of each draw; a draw that failed on our side is run again.
        given_up: numbers of draws that failed on our side and are not tried again now.
    """
    done = {run.draw for run in case.runs if not run.lost}
    for rule in CHECKS:
        finding = rule.ask(case) if rule.per_seed else None
        if finding is not None and finding.status == "fail":
            return Wanted(over=True, why=f"{rule.id}: {finding.detail}")
    plan = case.plan
    preparation = [draw for draw in plan.draws_for("preparation") if draw.number not in done]
    wanted = preparation or [draw for draw in plan.draws_for("look") if draw.number not in done]
    left = tuple(draw for draw in wanted if draw.number not in given_up)
    return Wanted(draws=left, over=not left)
