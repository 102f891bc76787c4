"""Asking again, in sandboxes that were shown nothing else: secret targets, and whole windows."""

from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.elsewhere import session_of
from harness.run.steps.score import facts_of, sealed
from harness.run.workbench import Workbench


def probe(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Ask for the targets that were drawn, with another suffix, and compare the answers."""
    session = session_of(step, bench, run)
    return facts_of(step, session.probe(sealed(bench, run), step=step))


def probe_unpublished(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """The same of the unpublished documents: who looks ahead there hides what he remembers."""
    session = session_of(step, bench, run)
    return facts_of(step, session.probe(sealed(bench, run), step=step))


def recall(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Ask for windows that were drawn, in another order, and compare the answers."""
    session = session_of(step, bench, run)
    return facts_of(step, session.recall(sealed(bench, run), step=step))
