"""Asks for secret targets again, in a fresh sandbox that has been shown nothing else."""

from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.steps.score import facts_of
from harness.run.workbench import Workbench


def probe(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Ask for the drawn targets again, with an altered suffix, and compare the answers."""
    answered = bench.session.probe(bench.directory.artifact(run), step=step)
    if answered.result is None and not answered.violation:
        # The probes have more time than the scoring had, and less work.
        return facts_of(step, answered.blamed(answered.phase.detail))
    return facts_of(step, answered)
