"""Whether every target was scored, once."""

import math
from collections.abc import Sequence

from harness.evidence.results import Scores
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.rules.training import passed_by_all
from harness.models import Finding

ANSWERED = "every requested logit arrived: none is NaN or +inf, and none -inf on a target"


def _scoring(case: Case) -> Finding | None:
    if not case.plan.entry.asked:
        return None
    done = sum(run.scores is not None for run in case.seeds)
    return passed_by_all(case, "scoring", done, ANSWERED)


def _coverage(case: Case) -> Finding | None:
    if not case.plan.entry.asked:
        return None
    dataset, targets = case.dataset, case.targets
    scored = [run.scores for run in case.seeds if run.scores is not None]
    whole = [
        scores
        for scores in scored
        if scores.targets == targets
        and _observed_all(scores)
        and scores.bytes == dataset.validation_bytes
        and scores.documents == dataset.validation_documents
    ]
    good = bool(case.seeds) and len(whole) == len(case.seeds)
    return Finding(
        id="coverage",
        status="pass" if good else "unknown",
        measured=min((scores.targets for scores in scored), default=None),
        limit=targets,
        unit="targets",
        detail="every validation target scored once, all bytes of the text in the denominator"
        + observed(scored)
        if good
        else "not reached in every seed run"
        if len(scored) < len(case.seeds) or not case.seeds
        else "the evidence does not cover the validation split",
    )


def _observed_all(scores: Scores) -> bool:
    """Whether an adaptive model observed every segment of a stream that is scored as a whole."""
    if scores.streams == "documents":
        return True
    return scores.segments_observed == math.ceil(scores.targets / (scores.segment or math.inf))


def observed(scored: Sequence[Scores]) -> str:
    """What an adaptive model has observed, as the end of a sentence; empty for any other."""
    count = max((scores.segments_observed for scores in scored), default=0)
    studies = max((scores.studies for scores in scored), default=0)
    said = f"; {count:,} segments observed, each after all of it was scored" if count else ""
    return said + (f"; finished documents studied {studies:,} times" if studies else "")


SCORING = Rule(
    "scoring",
    "The model answered every request with logits of the right shape: none NaN or +inf, and on a "
    "target none -inf (elsewhere that is a probability of 0).",
    _scoring,
    per_seed=True,
)
COVERAGE = Rule(
    "coverage",
    "Every validation target was scored exactly once, and every byte of the text is counted.",
    _coverage,
)
