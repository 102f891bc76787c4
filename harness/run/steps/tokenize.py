"""Proves the entry's own tokenizer on every validation document, before any seed run."""

from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.evidence.store import NORMAL_FORM
from harness.run.texts import check_window, prove_tokenizer
from harness.run.tokenizing import normalized
from harness.run.workbench import Workbench
from harness.safeio.files import write_atomically


def tokenize(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Encode the track's texts with the entry's own tokenizer, and check the round trip of each."""
    own = bench.own_tokenizer
    assert own is not None  # noqa: S101 - the step is there for entries that bring one
    normal = normalized(own)
    if normal.kept is not None:
        write_atomically(bench.place / NORMAL_FORM, normal.kept.model)
    note, holds = bench.progress.note, bench.holds
    proof = prove_tokenizer(own, normal, bench.stock, note=note, holds=holds)
    if proof.vocabulary_size is not None:
        check_window(bench.plan.entry, vocabulary_size=proof.vocabulary_size)
    return StepFacts(name=step.name, result=proof)
