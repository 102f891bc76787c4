"""Whether the tokenizer's round trip is lossless."""

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding


def _tokenizer(case: Case) -> Finding:
    documents = case.dataset.validation_documents
    kind, file = case.plan.entry.tokenizer.kind, case.plan.entry.tokenizer.file
    proof, failure = case.tokenizer, case.failure("tokenizer")
    other = case.plan.texts.entered
    whose = f"that of dataset {other.name}" if other else "the dataset's own"
    finding = Finding(
        id="tokenizer",
        status="pass",
        measured=documents,
        limit=documents,
        unit="documents",
        detail=f"{whose}: lossless on every validation document",
    )
    if not case.own_tokenizer:
        return finding
    if proof is None:
        ours = failure is None or failure[1].fault == "infrastructure"
        detail = failure[1].reason if failure else "not reached"
        return finding.model_copy(
            update={"status": "unknown" if ours else "fail", "measured": 0, "detail": detail}
        )
    if proof.problem:
        measured = (proof.document or 1) - 1
        return finding.model_copy(
            update={"status": "fail", "measured": measured, "detail": proof.problem}
        )
    per_token = case.dataset.validation_bytes / (proof.validation_tokens or 1)
    name = case.plan.entry.tokenizer.code or file or "pure bytes"
    # Evidence from before such tokenizers were run says what it says.
    if kind == "code" and case.track.tokenizing is not None and proof.repeated < documents:
        detail = f"{proof.repeated:,} documents were encoded again, {documents:,} must be"
        return finding.model_copy(
            update={"status": "unknown", "measured": proof.repeated, "detail": detail}
        )
    ran = case.preparation.step("tokenize") if case.preparation else None
    if kind == "code" and not (ran and ran.phases):
        detail = "the evidence does not say in which sandboxes it ran"
        return finding.model_copy(update={"status": "unknown", "measured": 0, "detail": detail})
    again = f", and {proof.repeated:,} documents encoded again alike" if kind == "code" else ""
    detail = (
        f"the submission's own ({name}, {proof.vocabulary_size:,} ids, {per_token:.3f} bytes per "
        f"token): lossless on every validation document{again}"
    )
    return finding.model_copy(update={"detail": detail})


TOKENIZER = Rule(
    "tokenizer",
    "Encoding and decoding leaves every validation document unchanged.",
    _tokenizer,
    better="higher",
    per_seed=True,
)
