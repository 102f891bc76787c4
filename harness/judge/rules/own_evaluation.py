"""What a script's own evaluation printed on texts that the referee drew.

Asked of entries whose score can only be printed again. That it passes shows that there is no plain
mistake; whoever means to deceive tells these texts from the published split.
"""

from harness.evidence.results import OwnEvaluation
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding, Status


def _own_evaluation(case: Case) -> Finding | None:
    if not case.plan.entry.only_reproduced:
        return None
    found = case.preparation.own_evaluation if case.preparation else None
    failed = case.failure("own_evaluation")
    status: Status = "unknown"
    if failed is not None:
        detail = failed[1].reason
    elif found is None:
        detail = "not reached"
    else:
        status, detail = _answer(found)
    return Finding(
        id="own_evaluation",
        status=status,
        measured=found.printed_loss if found else None,
        limit=found.floor_loss if found else None,
        unit="nats",
        detail=detail,
    )


def _answer(found: OwnEvaluation) -> tuple[Status, str]:
    if found.printed_loss is None:
        return "unknown", "on tokens that we drew it printed no loss in nats a token"
    said = (
        f"on tokens drawn evenly from {found.alphabet:,} it printed a loss of "
        f"{found.printed_loss:.4f}; nobody who scores them from what stands before them gets "
        f"below {found.floor_loss:.4f}"
    )
    if found.printed_loss < found.floor_loss:
        return "fail", (
            f"{said}: it sees targets before it scores them, or its probabilities add up to more "
            "than one"
        )
    if found.first_apart is not None:
        one, other = found.first_apart
        return "unknown", (
            f"a cost that it prints before the texts of two runs differ was {one:g} in one and "
            f"{other:g} in the other ({found.apart:,} of {found.compared:,}): it reads ahead, or "
            "does not score in the order of the text"
        )
    if found.compared:
        return "pass", f"{said}; what follows a point changed no cost before it"
    return "pass", f"{said}; it prints no costs on its way that could be compared"


OWN_EVALUATION = Rule(
    "own_evaluation",
    "Where a score can only be printed again: on tokens that we drew, the script's own evaluation "
    "prints no loss that cannot be had, and no cost that depends on later text.",
    _own_evaluation,
    better="higher",
    per_seed=True,
)
