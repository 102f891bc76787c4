"""Whether every seed was drawn, every one was run, and each run was shown what was drawn for it."""

from collections.abc import Iterator, Sequence

from harness.contest.track import Imposed
from harness.evidence.attempts import MOST_BEGUN
from harness.evidence.draws import Draw, draw_runs
from harness.evidence.imposed import denied_documents, recipe_sha256
from harness.evidence.results import Shown, Trained
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding


def _seeds(case: Case) -> Finding:
    plan, wanted = case.plan, case.runs_needed
    looks = plan.draws_for("look")
    looked = {run.draw for run in case.seeds_for("look")}
    run = sum(draw.number in looked for draw in looks[:wanted])
    problems = []
    if plan.chosen_by_hand or not _as_drawn_first(case):
        problems.append("seeds were given by hand, not drawn")
    if len(looks) < wanted:
        problems.append(f"{len(looks)} seeds, the track asks for {wanted}")
    if run < min(wanted, len(looks)):
        problems.append(f"{run} of {wanted} seeds were run")
    if case.used_up:
        problems.append(used_up(case.used_up))
    problems += _not_imposed(case)
    return Finding(
        id="seeds",
        status="unknown" if problems else "pass",
        measured=run,
        limit=wanted,
        unit="seed runs",
        detail="; ".join(problems) or _good(case),
    )


def used_up(draws: Sequence[Draw]) -> str:
    """Why a verdict without these draws is unknown for good, in a sentence."""
    seeds = ", ".join(str(draw.seed) for draw in draws)
    return (
        f"{'seeds' if len(draws) > 1 else 'seed'} {seeds}: trained {MOST_BEGUN} times, each time "
        "lost by our side; a draw is used up then and given up, and no other takes its place"
    )


def _good(case: Case) -> str:
    imposed = case.plan.track.imposed
    denied = f", each denied {imposed.denied_share:.0%} of the train documents" if imposed else ""
    most, looked = case.track.significance.most_runs, len(case.seeds_for("look"))
    counts = "every run counts"
    if case.plan.once_blind:
        counts = "one blind run, as no score of it is compared with a bar"
    elif case.runs_needed < most:
        counts = f"of {most}, as many as the looks asked for"
    if case.runs_needed < looked:
        counts += f"; {looked - case.runs_needed} more were run and count for nothing"
    return f"drawn from the digests and a nonce{denied}; {counts}"


def _as_drawn_first(case: Case) -> bool:
    """Whether a plan begins with the draws of its own track, whichever track judges it."""
    plan = case.plan
    drawn = tuple(
        draw
        for draw in draw_runs(plan.entry, plan.track, plan.nonce)
        if draw.purpose != "reproduction"
    )
    asked = plan.draws_for("preparation", "look", "confirmation")
    if plan.track.significance.confirmation is None:
        asked = plan.draws_for("preparation", "look")
    return asked == drawn


def _not_imposed(case: Case) -> Iterator[str]:
    """How what was shown is not what the plan imposes, or that less than the track does."""
    asked, imposed = case.track.imposed, case.plan.track.imposed
    if asked is not None and asked != imposed:
        yield (
            f"the track denies each run {asked.denied_share:.0%} of the train documents, "
            f"the plan {f'{imposed.denied_share:.0%}' if imposed else 'none'}"
        )
    for run in case.seeds:
        trained = run.result("train", Trained)
        if trained is not None and not _as_drawn(case, run.seed, imposed, trained.shown):
            yield f"seed {run.seed}: what it was shown is not what the plan imposes"


def _as_drawn(case: Case, seed: int, imposed: Imposed | None, shown: Shown | None) -> bool:
    if imposed is None or shown is None:
        return imposed is None and shown is None
    documents = shown.documents + shown.denied_documents
    denied = denied_documents(documents, denied_share=imposed.denied_share)
    tokens = shown.tokens + shown.denied_tokens
    if (shown.denied_documents, tokens) != (denied, case.train_tokens):
        return False
    return shown.recipe_sha256 == recipe_sha256(
        nonce=case.plan.nonce,
        seed=seed,
        denied_share=imposed.denied_share,
        documents=documents,
        files=shown.files,
    )


SEEDS = Rule(
    "seeds",
    "Every seed was drawn by the harness before the first run, every one that the looks asked for "
    "was run, and each run was shown the train documents that were drawn for it.",
    _seeds,
    open_in_rehearsal=True,
)
