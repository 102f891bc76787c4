"""Whether the text comes back from its tokens."""

from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.models import Finding


def _tokenizer(case: Case) -> Finding:
    documents = case.dataset.validation_documents
    kind, file = case.plan.entry.tokenizer.kind, case.plan.entry.tokenizer.file
    proof, failure = case.tokenizer, case.failure("tokenizer")
    finding = Finding(
        id="tokenizer",
        status="pass",
        measured=documents,
        limit=documents,
        unit="documents",
        detail="the dataset's own: gives every validation document back exactly",
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
    name = file or ("pure bytes" if kind == "bytes" else case.plan.entry.tokenizer.code)
    detail = (
        f"the submission's own ({name}, {proof.vocabulary_size:,} ids, {per_token:.3f} bytes per "
        "token): gives every validation document back exactly"
    )
    return finding.model_copy(update={"detail": detail})


TOKENIZER = Rule(
    "tokenizer",
    "Every validation document comes back from its tokens, exactly.",
    _tokenizer,
    better="higher",
    per_seed=True,
)
