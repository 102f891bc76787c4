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
    plan, wanted = case.plan, case.track.significance.most_runs
    looks = plan.draws_for("look")
    looked = [run.seed for run in case.seeds if plan.draws[run.draw].purpose == "look"]
    problems = []
    if plan.chosen_by_hand or plan.draws_for("preparation", "look") != _drawn(case):
        problems.append("seeds were given by hand, not drawn")
    if len(looks) != wanted:
        problems.append(f"{len(looks)} seeds, the track asks for {wanted}")
    if looked != [draw.seed for draw in looks]:
        problems.append(f"{len(looked)} of {len(looks)} seeds were run")
    if case.used_up:
        problems.append(used_up(case.used_up))
    problems += _not_imposed(case)
    return Finding(
        id="seeds",
        status="unknown" if problems else "pass",
        measured=len(looked),
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
    return f"drawn from the digests and a nonce{denied}; every run counts"


def _drawn(case: Case) -> tuple[object, ...]:
    """The seeds that the plan must hold: drawn from its own track, whichever track judges it."""
    plan = case.plan
    return draw_runs(plan.entry, plan.track, plan.nonce)


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
    "Every seed was drawn by the harness before the first run, every one was run, and each run was "
    "shown the train documents that were drawn for it.",
    _seeds,
    open_in_rehearsal=True,
)
