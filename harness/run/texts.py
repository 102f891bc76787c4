"""The texts of a verification, in the tokens that its entry uses."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from harness.contest.entry import STOCK, Entry, Tokenizer
from harness.contest.submission import MANIFEST as SUBMISSION
from harness.contest.track import Track
from harness.data.format.dataset import Dataset
from harness.data.format.manifest import MANIFEST_NAME, Manifest, load_manifest
from harness.data.format.proofs import open_proven, state_of
from harness.errors import InfrastructureError, SubmissionError, UsageError
from harness.evidence.plan import HoldoutFacts, TextFacts
from harness.evidence.results import TokenizerProof
from harness.run.tokenizing import Normalized, NormalTokenizer, OwnTokenizer, in_bytes

LARGEST_WINDOW_BYTES = 4 << 30
"""Most logits of one window, in float32."""


@dataclass(frozen=True)
class StockTexts:
    """The texts that a track names, in the dataset's own tokens.

    Attributes:
        dataset: the track's dataset; bar, margin and byte counts come from it.
        holdout: the track's unpublished documents, if it names any.
        entered: the same text in other tokens, where an entry was written for those.
    """

    dataset: Dataset
    holdout: Dataset | None
    entered: Dataset | None = None

    @property
    def scored(self) -> Dataset:
        """What an entry without a tokenizer of its own is trained on and scored in."""
        return self.entered or self.dataset

    def facts(self) -> TextFacts:
        """The figures of these texts that the plan records."""
        holdout = None
        if self.holdout is not None:
            totals = self.holdout.manifest.totals
            holdout = HoldoutFacts(
                name=self.holdout.manifest.name,
                digest=self.holdout.digest,
                documents=totals.validation_documents,
                tokens=totals.validation_tokens,
                bytes=totals.validation_bytes,
            )
        return TextFacts(
            dataset=self.dataset.facts(),
            holdout=holdout,
            entered=self.entered.facts() if self.entered else None,
        )


@dataclass(frozen=True)
class Texts:
    """The texts that an entry is trained and scored on, in its own tokens."""

    scored: Dataset
    holdout: Dataset | None


def open_texts(track: Track, data: Path, tokenizer: Tokenizer = STOCK) -> StockTexts:
    """Open the texts that a track names; each file is read here, unless it was and is untouched.

    Args:
        track: names the dataset and, optionally, a second dataset of unpublished documents.
        data: directory of the datasets.
        tokenizer: of the entry; it may be written for other tokens than the dataset's.

    Raises:
        InfrastructureError: a dataset is missing, damaged or unfit for its purpose.
    """
    dataset = _opened(data, track.dataset.name)
    holdout = None
    if track.holdout is not None:
        holdout = _opened(data, track.holdout.dataset)
        _check_holdout(dataset, holdout)
    ids = tokenizer.ids or dataset.manifest.vocabulary_size
    if ids == dataset.manifest.vocabulary_size:
        return StockTexts(dataset, holdout)
    return StockTexts(dataset, holdout, _same_text(track, data, dataset, ids))


def _same_text(track: Track, data: Path, dataset: Dataset, ids: int) -> Dataset:
    """The dataset of the same text in so many ids.

    BPB can be compared where the bytes that it is counted in are the same, so the documents must
    be; that their tokens decode to them is checked as in any dataset.
    """
    if track.holdout is not None:
        raise InfrastructureError(
            f"written for {ids:,} tokens, and the unpublished documents of track {track.name} are "
            f"there in {dataset.manifest.vocabulary_size:,} alone",
            file=data / track.holdout.dataset,
            remedy="judge it on a track without [holdout]",
        )
    text = dataset.manifest.documents.sha256
    found = [
        manifest.name
        for manifest in _manifests(data)
        if manifest.vocabulary_size == ids and manifest.documents.sha256 == text
    ]
    if len(found) == 1:
        return _opened(data, found[0])
    several = f"of the same text in so many are there: {', '.join(found)}"
    raise InfrastructureError(
        f"written for {ids:,} tokens, the dataset of track {track.name} has "
        f"{dataset.manifest.vocabulary_size:,}, and "
        + (several if found else "there is no dataset of the same text in so many"),
        file=data,
        remedy="keep one of them there"
        if found
        else "fetch the published one (harness data fetch), or make it of the documents of "
        f"{dataset.manifest.name} with that tokenizer (harness data tokenize)",
    )


def _manifests(data: Path) -> Iterator[Manifest]:
    """Those of all datasets at hand, in the order of their names; what is damaged is passed over:
    whoever asks for it by name is told."""
    for place in sorted(data.iterdir()):
        with contextlib.suppress(UsageError, InfrastructureError):
            if (place / MANIFEST_NAME).is_file():
                yield load_manifest(place / MANIFEST_NAME)


def check_window(entry: Entry, *, vocabulary_size: int) -> None:
    """Check that the logits of one window fit in our memory; an entry chooses both figures.

    Raises:
        SubmissionError: its windows and vocabulary make replies that are too large to receive.
    """
    length = entry.score.sequence_length
    logits = 4 * length * vocabulary_size
    if logits > LARGEST_WINDOW_BYTES:
        raise SubmissionError(
            f"{length:,} positions with logits for {vocabulary_size:,} ids are {logits:,} bytes; a "
            f"window's answer may have {LARGEST_WINDOW_BYTES:,}: make the window or the vocabulary "
            "smaller",
            file=SUBMISSION,
            within=Path(entry.folder),
            field="score.sequence_length",
        )


class Brought(TypedDict):
    """What a proof says of the tokenizer as it was brought: see :class:`TokenizerProof`."""

    bytes: int
    sha256: str
    normal_form_bytes: int | None
    normal_form_sha256: str | None


def brought_by(own: OwnTokenizer, normal: Normalized) -> Brought:
    """The facts of a tokenizer that has a normal form, or should have."""
    return {
        "bytes": len(own.model),
        "sha256": own.sha256,
        "normal_form_bytes": normal.weight_bytes,
        "normal_form_sha256": normal.kept.sha256 if normal.kept else None,
    }


def prove_bytes(
    own: NormalTokenizer,
    brought: Brought,
    stock: StockTexts,
    *,
    note: Callable[[str], None],
    holds: ExitStack,
) -> TokenizerProof:
    """Take all texts as pure bytes, and check the round trip of each.

    Args:
        own: the tokenizer of pure bytes.
        brought: what the proof says of it.
        stock: the track's texts.
        note: called with a sentence on what is being done.
        holds: until it is closed, nobody removes the datasets that were made.

    Raises:
        InfrastructureError: our side failed.
    """
    made = _in_bytes(own, stock, note=note, holds=holds)
    return proof_of(brought, made.scored, made.holdout)


def proof_of(
    brought: Brought, made: Dataset, hidden: Dataset | None, *, repeated: int = 0
) -> TokenizerProof:
    """The proof of a tokenizer by which no document was changed."""
    totals = made.manifest.totals
    return TokenizerProof(
        **brought,
        vocabulary_size=made.manifest.vocabulary_size,
        dataset_digest=made.digest,
        train_tokens=totals.train_tokens,
        validation_tokens=totals.validation_tokens,
        holdout_digest=hidden.digest if hidden else "",
        holdout_tokens=hidden.manifest.totals.validation_tokens if hidden else None,
        repeated=repeated,
    )


def texts_of_bytes(
    stock: StockTexts,
    own: NormalTokenizer,
    proof: TokenizerProof | None,
    *,
    note: Callable[[str], None],
    holds: ExitStack,
) -> Texts:
    """The texts as pure bytes, as they were proven; made again if they were removed meanwhile.

    ``holds`` is as in :func:`prove_bytes`.

    Raises:
        InfrastructureError: they differ from the texts of the proof.
    """
    made = _in_bytes(own, stock, note=note, holds=holds)
    return as_proven(made.scored, made.holdout, proof)


def as_proven(
    scored: Dataset | None, holdout: Dataset | None, proof: TokenizerProof | None
) -> Texts:
    """The texts in an entry's own tokens; raises InfrastructureError if they were not proven."""
    if proof is None or proof.problem:
        raise InfrastructureError("the entry's tokenizer has not been proven")
    digests = (scored.digest if scored else "", holdout.digest if holdout else "")
    if scored is None or digests != (proof.dataset_digest, proof.holdout_digest):
        raise InfrastructureError(
            "the texts in the entry's own tokens are not those that its tokenizer was proven on",
            remedy="start a new verification without --resume",
        )
    return Texts(scored, holdout)


def _in_bytes(
    own: NormalTokenizer, stock: StockTexts, *, note: Callable[[str], None], holds: ExitStack
) -> Texts:
    scored = in_bytes(own, stock.dataset, note=note, holds=holds)
    holdout = None
    if stock.holdout is not None:
        holdout = in_bytes(own, stock.holdout, note=note, holds=holds, train=False)
    return Texts(scored, holdout)


def _opened(data: Path, name: str) -> Dataset:
    """The dataset, checked in full once; it is checked again only if a file was touched since."""
    return _opened_once(data.absolute(), name, state_of(data / name))


@functools.lru_cache(maxsize=8)
def _opened_once(data: Path, name: str, state: object) -> Dataset:
    return open_proven(data, name)


def _check_holdout(dataset: Dataset, unpublished: Dataset) -> None:
    def content(of: Dataset) -> tuple[str, str]:
        [tokenizer] = of.manifest.of_kind("tokenizer")
        return tokenizer.sha256, of.manifest.documents.sha256

    (here, published), (there, hidden) = content(dataset), content(unpublished)
    directory = unpublished.directory
    if here != there:
        raise InfrastructureError(
            f"its tokenizer is not that of {dataset.manifest.name}",
            file=directory,
            remedy="build it from its documents with the same tokenizer",
        )
    if published == hidden:
        raise InfrastructureError(
            "its documents are the validation documents themselves",
            file=directory,
            remedy="choose documents that were never published",
        )
