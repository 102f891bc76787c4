"""A run's score: chooses its sizes, and makes a run of a draft and its scorings."""

from collections.abc import Sequence

from harness.upstream.logs.log_run import Draft
from harness.upstream.logs.logged import LoggedRun
from harness.upstream.logs.scorings import Scoring

_CODE_COPIES = 8


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
        not_finite=draft.not_finite,
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
