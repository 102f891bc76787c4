"""What the rules ask of the evidence of a tokenizer that is code."""

from typing import Any

from harness.contest.entry import Tokenizer
from harness.evidence.phase import IsolationFact
from harness.evidence.plan import Plan
from harness.evidence.run import StepFacts
from harness.models import Finding
from tests.factories.plans import CODE, DOCUMENTS, entry, plan
from tests.factories.results import phase, tokenizer_proof
from tests.factories.runs import good_runs, preparation, verdict_of

FILES = {**CODE, "words.py": b"def make(model):\n    return None\n"}
LEAKY = phase(
    "again-validation-1",
    isolation=(IsolationFact(id="no_network", expected="none", actual="x"),),
)


def made() -> Plan:
    return plan(entry=entry(FILES, tokenizer=Tokenizer(kind="code", code="words:make")))


def check(name: str, *, phases: tuple[Any, ...] = (), **proof: Any) -> Finding:
    of = made()
    before = preparation(of)
    fields = {"repeated": DOCUMENTS, **proof}
    facts = StepFacts(name="tokenize", phases=phases, result=tokenizer_proof(of, **fields))
    prepared = before.model_copy(update={"steps": (facts,)})
    runs = [prepared, *(run for run in good_runs(of) if run.role == "seed")]
    verdict = verdict_of(of, runs)
    return next(each for each in verdict.checks if each.id == name)


def test_all_documents_encoded_again_alike_pass() -> None:
    found = check("tokenizer", phases=(phase("encode-train-1"),))
    assert found.status == "pass"
    assert "words:make, 1,024 ids" in found.detail
    assert f"{DOCUMENTS:,} documents encoded again alike" in found.detail


def test_fewer_prove_nothing() -> None:
    found = check("tokenizer", phases=(phase("encode-train-1"),), repeated=DOCUMENTS - 1)
    assert (found.status, found.measured) == ("unknown", DOCUMENTS - 1)


def test_a_proof_without_the_sandboxes_that_it_comes_from_proves_nothing() -> None:
    assert check("tokenizer").status == "unknown"


def test_one_difference_rejects() -> None:
    problem = {
        "vocabulary_size": None,
        "dataset_digest": "",
        "train_tokens": None,
        "validation_tokens": None,
        "problem": "words:make: decoding validation document 5: does not give it back",
        "document": 5,
    }
    found = check("tokenizer", phases=(phase("encode-train-1"),), **problem)
    assert (found.status, found.measured) == ("fail", 4)


def test_isolation_is_asked_of_each_of_its_sandboxes() -> None:
    whole = check("isolation", phases=(phase("encode-train-1"), phase("again-validation-1")))
    leaky = check("isolation", phases=(phase("encode-train-1"), LEAKY))
    assert (whole.status, leaky.status) == ("pass", "unknown")
