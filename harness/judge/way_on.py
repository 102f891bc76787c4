"""What to look at and what to do after a verdict: the deciding check, a file, the next step."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from harness.evidence.places import try_folder
from harness.evidence.run import Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import STEPS, step_of
from harness.judge.case import Case
from harness.judge.conclude import deciding
from harness.judge.next_step import next_step
from harness.judge.rules import CHECKS, rule_of
from harness.judge.rules.clocks import charged_seconds, farthest_apart
from harness.judge.verdict import Next, VerdictName, WayOn
from harness.models import Finding

_STEP_OF_CHECK: dict[str, StepName] = {
    **{step.finding: step.name for step in reversed(STEPS)},
    "train_wallclock": "train",
    "total_wallclock": "train",
    "artifact": "train",
    "sealed": "train",
    "blind": "train",
    "score_wallclock": "score",
    "coverage": "score",
}
_OF_THE_HOST = frozenset({"hardware", "dataset", "isolation"})
_TIMED: dict[str, Literal["train", "score"]] = {
    "train_wallclock": "train",
    "score_wallclock": "score",
}


class _Place(NamedTuple):
    run: Run
    step: StepName | None


def way_on(case: Case, name: VerdictName, findings: Sequence[Finding]) -> WayOn:
    """Where a verdict leads: files are relative to the directory of the evidence."""
    check = deciding(findings, CHECKS, rehearsal=case.plan.rehearses_on(case.track))
    if check is None:
        return WayOn(next=_of_success(name))
    place = _place(case, check)
    return WayOn(
        check=check.id,
        file=_file(case, check, place),
        seed=place.run.seed if place and place.run.role == "seed" else None,
        next=_next(case, check, name, place),
    )


def log_of(run: Run) -> str:
    """The log of the step of a run that failed or was killed; empty where none did."""
    for facts in run.steps:
        killed = any(phase.outcome == "deadline" for phase in facts.phases)
        step = step_of(facts.name)
        if (facts.failure is not None or killed) and step.log and _printed(facts):
            return f"{folder_of(run)}/{step.log}"
    return ""


def _printed(facts: StepFacts) -> bool:
    """Whether the code that ran in a step has printed anything: an empty log says nothing."""
    return any(phase.log_bytes for phase in facts.phases)


def folder_of(run: Run) -> str:
    """The folder of a run's evidence, relative to that of the verification."""
    return try_folder(run.role, run.seed, run.attempt)


def _of_success(name: VerdictName) -> Next:
    return "accept" if name == "VERIFIED" else "official" if name == "REHEARSED" else "nothing"


def _place(case: Case, check: Finding) -> _Place | None:
    """The run and the step that a check is about: the failed one, or the worst."""
    failed = case.failure(check.id)
    if failed is not None:
        step = next(s.name for s in failed[0].steps if s.failure is failed[1])
        return _Place(failed[0], step)
    if check.id == "clocks" and (apart := farthest_apart(case)) is not None:
        return _Place(apart.run, apart.step)
    if check.id in _TIMED:
        step = _TIMED[check.id]
        timed = [(charged_seconds(run, step, limit=None) or 0.0, run) for run in case.seeds]
        worst = max(timed, key=lambda pair: pair[0], default=None)
        return _Place(worst[1], step) if worst else None
    if check.id == "bytes":
        weighed = [(run.artifact.bytes, run) for run in case.seeds if run.artifact is not None]
        heaviest = max(weighed, key=lambda pair: pair[0], default=None)
        return _Place(heaviest[1], None) if heaviest else None
    wanted = _STEP_OF_CHECK.get(check.id)
    runs = [run for run in case.runs if wanted is not None and run.step(wanted) is not None]
    return _Place(runs[0], wanted) if runs else None


def _file(case: Case, check: Finding, place: _Place | None) -> str:
    """What to open: the log of the step, or else the evidence that the check was asked of."""
    if check.id == "brought_along":
        return "entry"
    if place is None:
        lost = next((run for run in case.runs if run.lost), None)
        return (log_of(lost) or f"{folder_of(lost)}/evidence.json") if lost else ""
    folder = folder_of(place.run)
    if check.id == "bytes" and place.run.artifact is not None:
        return f"{folder}/artifact/{place.run.artifact.name}"
    log = step_of(place.step).log if place.step else None
    facts = place.run.step(place.step) if place.step else None
    return f"{folder}/{log}" if log and facts and _printed(facts) else f"{folder}/evidence.json"


def _next(case: Case, check: Finding, name: VerdictName, place: _Place | None) -> Next:
    """What settles it: of what failed, another entry; of what is unknown, more of our own work."""
    slow = check.id in _TIMED or check.id == "clocks"
    if slow and place is not None and place.step != "train" and _can_be_rescored(case):
        return "rescore"
    if name == "REJECTED":
        return "slower" if slow and case.plan.rehearsal else "mend"
    return _of_unknown(case, check)


def _can_be_rescored(case: Case) -> bool:
    """Whether every seed that the looks asked for was trained, so that there is all to score."""
    trained = {run.draw for run in case.seeds if run.artifact is not None and not run.lost}
    looks = case.plan.draws_for("look")[: case.runs_needed]
    return all(draw.number in trained for draw in looks) and not case.used_up


def _of_unknown(case: Case, check: Finding) -> Next:
    """What is left to do in this plan, if anything; else what a person can do."""
    if check.id in _OF_THE_HOST and case.runs:
        return "doctor"
    if next_step(case).draws:
        return "resume"
    if check.id == "confirmation" and next_step(case, confirming=True).draws:
        return "confirm"
    rule = rule_of(check.id)
    decidable = rule is not None and rule.decidable and check.measured is not None
    return "decide" if decidable else "anew"
