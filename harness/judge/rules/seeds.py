"""Whether every seed was drawn, and every one was run."""

from harness.evidence.draws import draw_runs
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding


def _seeds(case: Case) -> Finding:
    plan, wanted = case.plan, case.track.significance.seeds
    looks = plan.draws_for("look")
    looked = [run.seed for run in case.seeds if plan.draws[run.draw].purpose == "look"]
    problems = []
    if plan.chosen_by_hand or plan.draws_for("preparation", "look") != _drawn(case):
        problems.append("seeds were given by hand, not drawn")
    if len(looks) != wanted:
        problems.append(f"{len(looks)} seeds, the track asks for {wanted}")
    if looked != [draw.seed for draw in looks]:
        problems.append(f"{len(looked)} of {len(looks)} seeds were run")
    return Finding(
        id="seeds",
        status="unknown" if problems else "pass",
        measured=len(looked),
        limit=wanted,
        unit="seed runs",
        detail="; ".join(problems) or "drawn from the digests and a nonce; every run counts",
    )


def _drawn(case: Case) -> tuple[object, ...]:
    """The seeds that the plan must hold: drawn from its own track, whichever track judges it."""
    plan = case.plan
    return draw_runs(plan.entry, plan.track, plan.nonce)


SEEDS = Rule(
    "seeds",
    "Every seed was drawn by the harness before the first run, and every one was run.",
    _seeds,
    open_in_rehearsal=True,
)
