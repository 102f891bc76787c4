"""How a run spent its time, as stretches beside each other."""

from collections.abc import Iterator
from datetime import datetime

from harness.evidence.plan import Plan
from harness.evidence.results import Scores
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import step_of
from harness.report.exhibits.model import MOST_STRETCHES, Stretch

# Stored names keep their spelling, and the whole step is called training already.
_IN_WORDS = {"quantisation": "quantization", "training": "steps"}


def stretches(run: Run, plan: Plan) -> tuple[Stretch, ...]:
    """Every sandbox of the run in order, and what is known of the time inside it.

    Sandboxes are as long as the engine says. What training did inside is what its log claims;
    loading and scoring are as we measured them while we asked.
    """
    found = list(_found_in(run, plan))
    return tuple(found[:MOST_STRETCHES])


def _found_in(run: Run, plan: Plan) -> Iterator[Stretch]:
    first: datetime | None = None
    for facts in run.steps:
        for phase in facts.phases:
            began = _moment(phase.started_at)
            if began is None:
                continue
            first = began if first is None else first
            begins = max((began - first).total_seconds(), 0.0)
            step = step_of(facts.name)
            yield Stretch(
                step=step.name,
                name=step.label,
                by="engine",
                begins=begins,
                seconds=max(phase.wallclock_seconds, 0.0),
                limit_seconds=step.limit(plan),
                outcome=phase.outcome,
            )
            yield from _inside(run, facts, begins)


def _inside(run: Run, facts: StepFacts, begins: float) -> Iterator[Stretch]:
    if facts.name == "train":
        for span in run.timeline:
            seconds = max(span.seconds, 0.0)
            name = _IN_WORDS.get(span.name, span.name)
            yield Stretch(step="train", name=name, by="log", begins=begins, seconds=seconds)
            begins += seconds
    elif isinstance(facts.result, Scores):
        for name, seconds in (
            ("loading", facts.result.load_seconds),
            ("answering", facts.result.model_seconds),
        ):
            took = max(seconds, 0.0)
            yield Stretch(step=facts.name, name=name, by="scoring", begins=begins, seconds=took)
            begins += took


def _moment(said: str) -> datetime | None:
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        return None
