"""Compares each document's cost with a plain compressor's; no untrusted code runs here."""

from harness.data.format.dataset import Dataset
from harness.evidence.run import Run, StepFacts
from harness.evidence.step_names import StepName
from harness.evidence.steps import Step
from harness.run.workbench import Workbench
from harness.scoring.document_costs import costs_of, gap_of, plain_bits, spread_of


def spread(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """How the score's cost is spread over the validation documents."""
    bits, text_bytes = costs_of(bench.directory.documents(run, "score"))
    return StepFacts(
        name=step.name, result=spread_of(bits, text_bytes, plain_bits(bench.texts.scored))
    )


def gap(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """How much cheaper the published documents are than the unpublished ones predict."""
    holdout = bench.texts.holdout
    assert holdout is not None  # noqa: S101 - the step follows the scoring of those documents
    sets: tuple[tuple[StepName, Dataset], ...] = (
        ("score", bench.texts.scored),
        ("holdout", holdout),
    )
    published, unpublished = (
        (*costs_of(bench.directory.documents(run, name)), plain_bits(dataset))
        for name, dataset in sets
    )
    return StepFacts(name=step.name, result=gap_of(published, unpublished))
