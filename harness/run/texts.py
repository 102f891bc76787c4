"""The texts of a verification in the tokens that it uses: made ready before any clock runs."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.contest.submission import Submission, manifest_error
from harness.contest.track import Track
from harness.data.format.dataset import Dataset, open_dataset
from harness.errors import InfrastructureError
from harness.evidence.facts import HoldoutFacts, TokenizerFacts
from harness.run.tokenizing import retokenize

LARGEST_WINDOW_BYTES = 4 << 30
"""Most logits of one window, in float32."""


@dataclass(frozen=True)
class Texts:
    """What a submission is trained and scored on.

    Attributes:
        dataset: the track's, in its own tokens: bar, margin and bytes come from it.
        scored: the same texts, in the tokens that the submission uses.
        tokenizer: the submission's own, if it brings one. Where it has a ``problem``, nothing
            can be run.
        holdout: the track's unpublished documents, in the tokens that the submission uses.
        holdout_digest: of the unpublished dataset itself.
    """

    dataset: Dataset
    scored: Dataset
    tokenizer: TokenizerFacts | None
    holdout: Dataset | None
    holdout_digest: str

    def holdout_facts(self) -> HoldoutFacts | None:
        """What the evidence keeps of the unpublished documents."""
        if self.holdout is None:
            return None
        totals = self.holdout.manifest.totals
        return HoldoutFacts(
            name=self.holdout.manifest.name,
            digest=self.holdout_digest,
            documents=totals.validation_documents,
            tokens=totals.validation_tokens,
            bytes=totals.validation_bytes,
        )


def prepare_texts(
    submission: Submission, track: Track, dataset: Dataset, *, note: Callable[[str], None]
) -> Texts:
    """Open what the track names, and tokenize it anew where the submission asks for it.

    Args:
        submission: loaded.
        track: may name unpublished documents, a dataset beside ``dataset``.
        dataset: the track's, checked.
        note: told of what takes time.

    Raises:
        SubmissionError: its windows and vocabulary make answers too large to receive.
        InfrastructureError: a dataset is missing, damaged or not fit for its purpose.
    """
    own = retokenize(submission, dataset, note=note)
    scored = own.dataset if own and own.dataset else dataset
    _check_window(submission, track, scored)
    facts = own.facts if own else None
    if track.holdout is None:
        return Texts(dataset, scored, facts, None, "")
    unpublished = holdout = open_dataset(dataset.directory.parent, track.holdout.dataset)
    _check_holdout(dataset, unpublished)
    if facts is not None and not facts.problem:
        anew = retokenize(submission, unpublished, note=note, train=False)
        if anew is None or anew.dataset is None:
            problem = anew.facts.problem if anew else ""
            facts = facts.model_copy(update={"problem": f"the unpublished documents: {problem}"})
        else:
            holdout = anew.dataset
    return Texts(dataset, scored, facts, holdout, unpublished.digest)


def _check_window(submission: Submission, track: Track, scored: Dataset) -> None:
    """A submission chooses both figures, and our memory must hold their product."""
    _, score = submission.manifest.on(track.name)
    ids = scored.manifest.vocabulary_size
    logits = 4 * score.sequence_length * ids
    if logits > LARGEST_WINDOW_BYTES:
        raise manifest_error(
            submission,
            "score.sequence_length",
            f"{score.sequence_length:,} positions with logits for {ids:,} ids are {logits:,} "
            f"bytes; a window's answer may have {LARGEST_WINDOW_BYTES:,}: make the window or the "
            "vocabulary smaller",
            given_as=f"tracks.{track.name}.score.sequence_length",
        )


def _check_holdout(dataset: Dataset, unpublished: Dataset) -> None:
    def content(of: Dataset) -> tuple[str, str]:
        [tokenizer] = of.manifest.of_kind("tokenizer")
        return tokenizer.sha256, of.manifest.documents.sha256

    (here, published), (there, hidden) = content(dataset), content(unpublished)
    name = unpublished.directory
    if here != there:
        raise InfrastructureError(
            f"{name}: its tokenizer is not that of {dataset.manifest.name}",
            remedy="build it from its documents with the same tokenizer",
        )
    if published == hidden:
        raise InfrastructureError(
            f"{name}: its documents are the validation documents themselves",
            remedy="choose documents that were never published",
        )
