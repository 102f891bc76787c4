"""Rules on time: training, the work after it, scoring with and without compilation."""

from collections.abc import Iterator
from functools import partial

from harness.audit.findings import AuditCheck
from harness.audit.policy import Policy
from harness.audit.summary import Evidence, overshoot, post_trained
from harness.audit.verdicts import at, check, listed


def clock_checks(evidence: Evidence, policy: Policy) -> Iterator[AuditCheck]:
    """``train_time``, ``post_train``, ``eval_time`` and ``eval_compile``."""
    yield _train_time(evidence, policy)
    yield _post_train(evidence, policy)
    yield _eval_time(evidence)
    yield from _eval_compile(evidence)


def _train_time(evidence: Evidence, policy: Policy) -> AuditCheck:
    limit = evidence.track.budget.train_seconds
    if limit is None:
        return check("train_time", "pass", "the track sets no limit")
    timed = [run for run in evidence.runs if run.train_seconds is not None]
    if not timed:
        return check("train_time", "unknown", "no log tells how long training took")
    run = max(timed, key=lambda run: overshoot(run, limit) or (run.train_seconds or 0) - 1e6)
    past, took = overshoot(run, limit), run.train_seconds or 0.0
    step = took / run.steps if run.steps else 0.0
    allowed = max(policy.time.last_step_seconds, step)
    tell = partial(check, "train_time", measured=took, limit=limit, unit="s")
    places = [at(each, "train_seconds") for each in sorted(timed, key=lambda r: r is not run)]
    if past > allowed:
        sentence = f"{run.log}: training took {took:,.3f} s, {past:,.3f} s over"
        return tell("fail", sentence, *places)
    if len(timed) < len(evidence.runs):
        without = listed([each.log for each in evidence.runs if each not in timed])
        return tell("unknown", f"no time of training in {without}", *places)
    note = f"; {past:.3f} s over is the loop's last step" if past > 0 else ""
    sentence = f"the longest of {len(timed)} took {took:,.3f} s{note}"
    return tell("pass", sentence, *places)


def _post_train(evidence: Evidence, policy: Policy) -> AuditCheck:
    limit = evidence.track.budget.train_seconds
    if limit is None:
        return check("post_train", "pass", "the track sets no limit")
    late = [(s, run) for run in evidence.runs if (s := post_trained(run)) is not None]
    own = [(run.artifact_seconds, run) for run in evidence.runs if run.artifact_seconds]
    if not late and not own:
        return check("post_train", "unknown", "no log tells how long the work after training took")
    took, run = max([*late, *own], key=lambda pair: pair[0])
    work = run.post_train_seconds or 0.0
    over = took > limit + policy.time.last_step_seconds
    sentence = (
        f"{run.log}: training and {work:,.1f} s of calibration and quantization end at "
        f"{took:,.1f} s"
        if not own or took > max(s for s, _ in own)
        else f"{run.log}: the log puts the artifact at {took:,.1f} s"
    )
    return check(
        "post_train",
        "fail" if over else "pass",
        sentence,
        at(run, "post_train_seconds"),
        at(run, "train_seconds"),
        measured=round(took, 3),
        limit=limit,
        unit="s",
    )


def _eval_time(evidence: Evidence) -> AuditCheck:
    limit = evidence.track.budget.score_seconds
    if limit is None:
        return check("eval_time", "pass", "the track sets no limit")
    timed = [run for run in evidence.runs if run.eval_seconds is not None]
    if not timed:
        return check("eval_time", "unknown", "no log tells how long the scoring took")
    run = max(timed, key=lambda run: run.eval_seconds or 0.0)
    took = run.eval_seconds or 0.0
    together = f"; all its scorings together {run.eval_seconds_all:,.1f} s" if (
        run.eval_seconds_all and run.eval_seconds_all > took) else ""  # fmt: skip
    return check(
        "eval_time",
        "fail" if took > limit else "pass",
        f"{run.log}: {run.metric} took {took:,.1f} s{together}",
        at(run, "val_bpb"),
        measured=took,
        limit=limit,
        unit="s",
    )


def _eval_compile(evidence: Evidence) -> Iterator[AuditCheck]:
    limit = evidence.track.budget.score_seconds
    timed = [run for run in evidence.runs if run.eval_seconds and run.compile_seconds]
    if not timed or limit is None:
        return
    run = max(timed, key=lambda run: (run.eval_seconds or 0) + (run.compile_seconds or 0))
    took = (run.eval_seconds or 0.0) + (run.compile_seconds or 0.0)
    yield check(
        "eval_compile",
        "fail" if took > limit else "pass",
        f"{run.log}: scoring with {run.compile_seconds:,.1f} s of compilation took {took:,.1f} s",
        at(run, "val_bpb"),
        at(run, "compile_seconds"),
        measured=round(took, 3),
        limit=limit,
        unit="s",
    )
