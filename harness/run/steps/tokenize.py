"""Proves the entry's own tokenizer on every validation document, before any seed run."""

from harness.errors import SubmissionError
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.evidence.store import NORMAL_FORM
from harness.run.codec.texts import prove_code
from harness.run.endings import failure_of
from harness.run.texts import check_window, prove_tokenizer
from harness.run.tokenizing import normalized
from harness.run.workbench import Workbench
from harness.safeio.files import write_atomically


def tokenize(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Encode the track's texts with the entry's own tokenizer, and check the round trip of each."""
    if bench.plan.entry.tokenizer.kind == "code":
        return _with_code(step, bench)
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


def _with_code(step: Step, bench: Workbench) -> StepFacts:
    """The same for a tokenizer that is code: in sandboxes, each a phase of this step."""
    entry = bench.plan.entry
    proven = prove_code(
        bench.coder(step), entry, bench.host.sandbox, bench.stock, holds=bench.holds
    )
    failure = failure_of(step, proven.lost) if proven.lost is not None else None
    facts = StepFacts(name=step.name, phases=proven.phases, result=proven.proof, failure=failure)
    if proven.proof is not None and proven.proof.vocabulary_size is not None:
        try:
            check_window(entry, vocabulary_size=proven.proof.vocabulary_size)
        except SubmissionError as error:
            return facts.model_copy(update={"result": None, "failure": failure_of(step, error)})
    return facts
