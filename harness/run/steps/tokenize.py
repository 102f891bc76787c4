"""Proves the entry's own tokenizer on every validation document, before any seed run."""

from harness.errors import SubmissionError
from harness.evidence.places import NORMAL_FORM
from harness.evidence.results import TokenizerProof
from harness.evidence.run import Run, StepFacts
from harness.evidence.steps import Step
from harness.run.codec.texts import Proven, prove_code, prove_model
from harness.run.endings import failure_of
from harness.run.texts import brought_by, check_window, prove_bytes
from harness.run.tokenizing import normalized
from harness.run.workbench import Workbench
from harness.safeio.files import write_atomically


def tokenize(step: Step, bench: Workbench, run: Run) -> StepFacts:
    """Encode the track's texts with the entry's own tokenizer, and check the round trip of each."""
    if bench.plan.entry.tokenizer.kind == "code":
        coder, entry = bench.coder(step), bench.plan.entry
        proven = prove_code(coder, entry, bench.host.sandbox, bench.stock, holds=bench.holds)
    else:
        proven = _of_normal_form(step, bench)
    failure = failure_of(step, proven.lost) if proven.lost is not None else None
    facts = StepFacts(name=step.name, phases=proven.phases, result=proven.proof, failure=failure)
    if proven.proof is not None and proven.proof.vocabulary_size is not None:
        try:
            check_window(bench.plan.entry, vocabulary_size=proven.proof.vocabulary_size)
        except SubmissionError as error:
            return facts.model_copy(update={"result": None, "failure": failure_of(step, error)})
    return facts


def _of_normal_form(step: Step, bench: Workbench) -> Proven:
    """A model is run in sandboxes, each a phase of this step; pure bytes need none."""
    own = bench.own_tokenizer
    assert own is not None  # noqa: S101 - the step is there for entries that bring one
    normal = normalized(own)
    brought = brought_by(own, normal)
    if normal.kept is not None:
        write_atomically(bench.place / NORMAL_FORM, normal.kept.model)
    if normal.tokenizer is None:
        return Proven((), TokenizerProof(**brought, problem=normal.problem))
    note, holds = bench.progress.note, bench.holds
    if normal.tokenizer.is_bytes:
        proof = prove_bytes(normal.tokenizer, brought, bench.stock, note=note, holds=holds)
        return Proven((), proof)
    coder = bench.model_coder(normal.tokenizer, step)
    return prove_model(coder, brought, bench.host.sandbox, bench.stock, holds=holds)
