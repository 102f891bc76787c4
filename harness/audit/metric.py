"""A run's score: merges its scorings, chooses its sizes, and makes a run of a draft."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.upstream.logs.log_run import Draft
from harness.upstream.logs.logged import Evaluation, LoggedRun

_DIAGNOSTIC = re.compile(
    r"diagnostic|\binit(?:ial)?\b|pre[-_ ]?quant|post[-_ ]?ema|pre[-_ ]?ttt|unquanti[zs]ed"
    r"|before|float(?:32|16)"
    r"|\bfp(?:32|16)\b|\bbf16\b|\braw\b|\btrain(?:ing)?\b|\bstep\b",
    re.IGNORECASE,
)
_CODE_COPIES = 8


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
            final=not _DIAGNOSTIC.search(evaluation.name),
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


def run_of(draft: Draft, found: Sequence[Scoring], chosen: Scoring | None, why: str) -> LoggedRun:
    """A draft as a run with one scoring as its score."""
    total, model, code = _sizes(draft)
    lines = dict(draft.lines)
    lines |= {name: line for name, (line, _) in (("total_bytes", total), ("model_bytes", model),
                                                 ("code_bytes", code)) if line}  # fmt: skip
    post = round(sum(took for _, took in draft.post_train), 6) if draft.post_train else None
    if draft.serialize_seconds is not None:
        post = max(post or 0.0, draft.serialize_seconds)
    timed = [scoring.seconds for scoring in found if scoring.seconds is not None]
    return LoggedRun(
        log=draft.log,
        line=chosen.line if chosen else None,
        seed=draft.seed,
        metric=chosen.name if chosen else None,
        metric_reason=why if chosen else "",
        val_bpb=chosen.val_bpb if chosen else None,
        val_loss=chosen.val_loss if chosen else None,
        val_decimals=chosen.decimals if chosen else 0,
        model_bytes=model[1],
        code_bytes=code[1],
        code_bytes_logged=tuple(dict.fromkeys(size for _, size in draft.codes))[:_CODE_COPIES],
        total_bytes=total[1],
        train_seconds=draft.train_seconds,
        train_slack_seconds=draft.train_slack_seconds,
        eval_seconds=chosen.seconds if chosen else None,
        eval_seconds_all=round(sum(timed), 6) if timed else None,
        compile_seconds=round(draft.compile_seconds, 6) or None,
        post_train_seconds=post,
        artifact_seconds=draft.artifact_seconds,
        steps=draft.steps,
        tokens=draft.tokens,
        world_size=draft.world_size,
        gpu=draft.gpu,
        gpus=len(draft.gpu_rows) or None,
        torch=draft.torch,
        python=draft.python,
        tokenizer=draft.tokenizer,
        evaluations=tuple(draft.evaluations[-32:]),
        first_losses=tuple(draft.first_losses),
        hyperparameters=draft.settings,
        lines=lines,
    )


_Sized = tuple[int | None, int | None]


def _sizes(draft: Draft) -> tuple[_Sized, _Sized, _Sized]:
    """(line, bytes) of the total, model and code that belong together; where unsure, the last ones.

    Logs also print unquantized sizes, and the code's size raw and compressed: sizes that add up
    belong together. A total that no line gives is the sum of model and code.
    """
    named = [total for total in draft.totals if total[2]] or draft.totals
    for line, total, _ in reversed(named):
        for weighed in reversed(draft.models):
            for written in reversed(draft.codes):
                if weighed[1] + written[1] == total:
                    return (line, total), weighed, written
    model: _Sized = draft.models[-1] if draft.models else (None, None)
    code: _Sized = draft.codes[-1] if draft.codes else (None, None)
    if named:
        line, logged, _ = named[-1]
        unquantized = model[1] is not None and model[1] > logged
        return (line, logged), (None, None) if unquantized else model, code
    if model[1] is not None and code[1] is not None:
        return (model[0], model[1] + code[1]), model, code
    return (None, None), model, code
