"""Asking again, in sandboxes that were shown nothing else: secret targets, and whole windows."""

from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.steps.score import facts_of
from harness.run.workbench import Workbench


def probe(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Ask for the targets that were drawn, with another suffix, and compare the answers."""
    return facts_of(step, bench.session.probe(bench.directory.artifact(run), step=step))


def recall(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Ask for windows that were drawn, in another order, and compare the answers."""
    return facts_of(step, bench.session.recall(bench.directory.artifact(run), step=step))
