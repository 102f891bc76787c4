"""The texts of a track in the tokens of an entry's code: proven once, found again by each run."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass

from harness.contest.entry import Entry
from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import PhaseFacts
from harness.evidence.results import TokenizerProof
from harness.run.codec.making import key_of, make
from harness.run.codec.phase import Coder, Spoken
from harness.run.codec.proving import prove
from harness.run.derived import derived, kept, only_one, parts_of, remove
from harness.run.texts import Brought, StockTexts, Texts, as_proven, proof_of


@dataclass(frozen=True)
class Proven:
    """What became of a tokenizer that is code; ``lost`` is what our side did, if anything."""

    phases: tuple[PhaseFacts, ...]
    proof: TokenizerProof | None
    lost: InfrastructureError | None = None


@dataclass(frozen=True)
class _One:
    """What one set of documents came to."""

    dataset: Dataset | None
    phases: tuple[PhaseFacts, ...]
    repeated: int = 0
    failed: Spoken | None = None


def prove_code(
    coder: Coder, entry: Entry, sandbox: SandboxFacts, stock: StockTexts, *, holds: ExitStack
) -> Proven:
    """Encode all texts with an entry's code, and prove it on each validation document.

    Args:
        coder: the tokenizer and its sandboxes.
        entry: whose it is.
        sandbox: what the sandbox proves.
        stock: the track's texts.
        holds: until it is closed, nobody removes the datasets that were made.

    Raises:
        SubmissionError, InfrastructureError: a sandbox could not be started, there is no room, or
            the dataset has no raw documents.
    """
    brought: Brought = {
        "bytes": entry.bytes,
        "sha256": entry.digest,
        "normal_form_bytes": None,
        "normal_form_sha256": None,
    }
    return _prove(coder, entry.digest, brought, sandbox, stock, holds=holds)


def prove_model(
    coder: Coder, brought: Brought, sandbox: SandboxFacts, stock: StockTexts, *, holds: ExitStack
) -> Proven:
    """The same with a SentencePiece model, of which the proof says what was ``brought``.

    Raises:
        as :func:`prove_code`.
    """
    assert coder.pieces is not None  # noqa: S101 - it is the coder of a model
    return _prove(coder, coder.pieces.sha256, brought, sandbox, stock, holds=holds)


def _prove(
    coder: Coder,
    key: str,
    brought: Brought,
    sandbox: SandboxFacts,
    stock: StockTexts,
    *,
    holds: ExitStack,
) -> Proven:
    scored = _proven(coder, key, sandbox, stock.dataset, holds=holds)
    if scored.dataset is None:
        return _failed(scored, brought, scored.phases)
    hidden, phases = None, scored.phases
    if stock.holdout is not None:
        hidden = _proven(coder, key, sandbox, stock.holdout, holds=holds, unpublished=True)
        phases = (*phases, *hidden.phases)
        if hidden.dataset is None:
            return _failed(hidden, brought, phases, of="the unpublished documents: ")
    proof = proof_of(
        brought, scored.dataset, hidden.dataset if hidden else None, repeated=scored.repeated
    )
    return Proven(phases, proof)


def texts_of_code(
    coder: Coder,
    entry: Entry,
    sandbox: SandboxFacts,
    stock: StockTexts,
    proof: TokenizerProof | None,
    *,
    holds: ExitStack,
) -> Texts:
    """The texts in the tokens of an entry's code, as they were proven; made again if removed.

    With the coder of a model, in the tokens of that.

    Raises:
        InfrastructureError: they differ from those of the proof, or cannot be made.
        SubmissionError: a sandbox could not be started.
    """
    if proof is None or proof.problem:
        raise InfrastructureError("the entry's tokenizer has not been proven")
    brought = entry.digest if coder.pieces is None else coder.pieces.sha256

    def found(dataset: Dataset, *, train: bool) -> Dataset | None:
        key = key_of(dataset, coder, brought=brought, sandbox=sandbox, train=train)
        return make(coder, dataset, key, train=train, holds=holds).dataset

    scored = found(stock.dataset, train=True)
    holdout = found(stock.holdout, train=False) if stock.holdout is not None else None
    return as_proven(scored, holdout, proof)


def _proven(
    coder: Coder,
    brought: str,
    sandbox: SandboxFacts,
    dataset: Dataset,
    *,
    holds: ExitStack,
    unpublished: bool = False,
) -> _One:
    train = not unpublished
    root = derived(dataset.directory.parent)
    key = key_of(dataset, coder, brought=brought, sandbox=sandbox, train=train)
    with ExitStack() as own:
        made = make(coder, dataset, key, train=train, holds=own)
        if made.dataset is None:
            return _One(None, made.phases, failed=made.failed)
        place = parts_of(root, key)
        proved = prove(coder, dataset, made.dataset, place, train=train, unpublished=unpublished)
        phases = (*made.phases, *proved.phases)
        if proved.failed is None:
            shutil.rmtree(place, ignore_errors=True)
            holds.push(own.pop_all())
            return _One(made.dataset, phases, proved.repeated)
    if proved.failed.problem:
        # Nobody will ask for it again, and its ids are not worth their room.
        with only_one(root):
            for each in kept(root):
                if each.key == key:
                    remove(each)
    return _One(None, phases, failed=proved.failed)


def _failed(one: _One, brought: Brought, phases: tuple[PhaseFacts, ...], *, of: str = "") -> Proven:
    spoken = one.failed
    if spoken is None or spoken.lost is not None or not spoken.problem:
        lost = InfrastructureError("a sandbox of the tokenizer was lost", remedy="resume")
        lost = (spoken and spoken.lost) or lost
        if not phases:
            raise lost  # nothing of it was run
        return Proven(phases, None, lost)
    document = spoken.document
    numbered = document.number if document and document.split == "validation" and not of else None
    problem = f"{of}{spoken.problem}"[:2000]
    proof = TokenizerProof(**brought, problem=problem, document=numbered)
    return Proven(phases, proof)
