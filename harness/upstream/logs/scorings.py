"""The scorings of a run: each pass over the validation split once, however often it is printed."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.upstream.logs.logged import Evaluation
from harness.upstream.wording import is_diagnostic


@dataclass(frozen=True)
class Scoring:
    """One pass over the validation set; a log may print it several times."""

    name: str
    line: int
    val_bpb: float
    val_loss: float | None
    decimals: int
    seconds: float | None
    final: bool


def scorings(evaluations: Sequence[Evaluation]) -> list[Scoring]:
    """Scorings in order; one that repeats the scoring before it (rounded, exact) is merged with it.

    The merged scoring keeps the most precise figures, their name, and the last time printed.
    """
    found: list[Scoring] = []
    for evaluation in evaluations:
        scoring = Scoring(
            name=evaluation.name,
            line=evaluation.line,
            val_bpb=evaluation.val_bpb,
            val_loss=evaluation.val_loss,
            decimals=evaluation.decimals,
            seconds=evaluation.seconds,
            final=not is_diagnostic(evaluation.name),
        )
        if found and _same(found[-1], scoring):
            last = found[-1]
            sharper = scoring if scoring.decimals > last.decimals else last
            found[-1] = Scoring(
                name=sharper.name,
                line=sharper.line,
                val_bpb=sharper.val_bpb,
                val_loss=sharper.val_loss if sharper.val_loss is not None else scoring.val_loss,
                decimals=sharper.decimals,
                seconds=scoring.seconds if scoring.seconds is not None else last.seconds,
                final=last.final,
            )
        else:
            found.append(scoring)
    return found


def _same(one: Scoring, other: Scoring) -> bool:
    if one.final != other.final:
        return False
    # The rounding of both figures, and a little more for figures that were rounded twice.
    width = 0.51 * 10.0 ** -min(one.decimals, other.decimals) + 1e-9
    if abs(one.val_bpb - other.val_bpb) > width:
        return False
    if one.val_loss is None or other.val_loss is None:
        return True
    return abs(one.val_loss - other.val_loss) <= 2 * width


def last_final(found: Sequence[Scoring]) -> Scoring | None:
    """The last scoring that is no diagnostic; the last one of all if every one is."""
    finals = [scoring for scoring in found if scoring.final]
    return finals[-1] if finals else (found[-1] if found else None)
