"""Asking again elsewhere: the same ids for the same text, and the text from its ids alone.

Each validation document, and train documents that are drawn by their bytes, are encoded once more,
each alone, in a sandbox that saw nothing else; others, which see ids and no text, give the texts
back. A tokenizer that answers by anything but the document itself (its neighbors, the time, what
it remembers) gives another answer, and one that lost something cannot give it back.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.format.dataset import Dataset
from harness.data.format.documents import DocumentFiles
from harness.data.format.shards import Tokens
from harness.data.format.tokenizers import difference
from harness.errors import InfrastructureError
from harness.evidence.draws import TOKENIZER
from harness.evidence.phase import PhaseFacts
from harness.inside import codec as wire
from harness.run.codec.documents import (
    CodecError,
    Document,
    Stated,
    ids_of,
    in_parts,
    numbered,
    unpacked,
)
from harness.run.codec.making import published_documents
from harness.run.codec.parts import PartFacts, Parts
from harness.run.codec.phase import Coder, Spoken, speak
from harness.run.tokenizing import train_documents

TRAIN_SHARE = 0.02
"""Of the train text that is asked about again."""


@dataclass(frozen=True)
class Proved:
    """What asking again showed; ``repeated`` documents were encoded alike where nothing failed."""

    phases: tuple[PhaseFacts, ...]
    repeated: int
    failed: Spoken | None = None


@dataclass(frozen=True)
class Pair:
    """A document and the ids that it was given, uint16[N]."""

    document: Document
    ids: Tokens


def prove(
    coder: Coder, dataset: Dataset, made: Dataset, place: Path, *, train: bool, unpublished: bool
) -> Proved:
    """Ask again about a dataset that was made.

    Args:
        coder: the tokenizer and its sandboxes.
        dataset: the texts.
        made: their tokens.
        place: a directory where what is done is kept for whoever resumes.
        train: whether there are train documents to be asked about.
        unpublished: whether these are the track's unpublished documents.

    Raises:
        SubmissionError, InfrastructureError: a sandbox could not be started, or the dataset is not
            what its texts make.
    """
    nonce = hashlib.sha256(coder.nonce.encode()).hexdigest()[:16]
    parts, kind = Parts(place), "unpublished" if unpublished else "validation"
    validation = list(_validation(coder, dataset, made))
    sample = list(_sample(coder, dataset, made)) if train else []
    todo = [
        *(
            (f"again-{kind}-{number}", wire.ENCODE, part)
            for number, part in enumerate(_grouped([*validation, *sample]), start=1)
        ),
        *(
            (f"decode-{kind}-{number}", wire.DECODE, part)
            for number, part in enumerate(_grouped(validation), start=1)
        ),
        *(
            (f"decode-train-{number}", wire.DECODE, part)
            for number, part in enumerate(_grouped(sample if coder.restores_train else []), start=1)
        ),
    ]
    coder.note(f"asking {coder.name} again about {len(validation) + len(sample):,} documents")
    phases: list[PhaseFacts] = []
    stated = Stated(made.manifest.vocabulary_size, made.manifest.bos_id)
    for label, what, pairs in todo:
        name = f"{label}-{nonce}"
        facts = parts.kept(name)
        if facts is None:
            ask = _again if what == wire.ENCODE else _back
            spoken = ask(coder, label, pairs, stated)
            if spoken.phase is not None:
                phases.append(spoken.phase)
            if not spoken.went_well:
                return Proved(tuple(phases), 0, spoken)
            assert spoken.phase and spoken.stated  # noqa: S101 - it went well
            facts = PartFacts(
                phase=spoken.phase,
                documents=len(pairs),
                text_bytes=sum(pair.document.text_bytes for pair in pairs),
                vocabulary_size=spoken.stated.vocabulary_size,
                bos_id=spoken.stated.bos_id,
            )
            parts.keep(name, facts)
        else:
            phases.append(facts.phase)
    return Proved(tuple(phases), len(validation) + len(sample))


def _again(coder: Coder, label: str, pairs: Sequence[Pair], stated: Stated) -> Spoken:
    """Encode documents once more, each alone."""
    expected = {(one.document.split, one.document.number): one.ids for one in pairs}

    def answered(document: Document, content: bytes, said: Stated) -> None:
        before = expected[document.split, document.number]
        if len(content) % 2:
            raise CodecError("sends what is no answer", document)
        now = unpacked(content)
        if not np.array_equal(now, before):
            raise CodecError(f"gives other ids the second time: {_apart(before, now)}", document)

    documents = [pair.document for pair in pairs]
    return speak(coder, label, wire.ENCODE, documents, answered, alone=True, expected=stated)


def _back(coder: Coder, label: str, pairs: Sequence[Pair], stated: Stated) -> Spoken:
    """Decode the ids of documents, and compare the texts."""
    texts = {one.document.number: one.document.content for one in pairs}

    def answered(document: Document, content: bytes, said: Stated) -> None:
        expected = texts[document.number]
        if content != expected:
            found = content.decode(errors="replace")
            where = difference(expected.decode(), found)
            if found == expected.decode():
                where = "it is not UTF-8"
            raise CodecError(f"does not give it back: {where}", document)

    documents = [pair.document.encoded(pair.ids) for pair in pairs]
    return speak(coder, label, wire.DECODE, documents, answered, alone=True, expected=stated)


def _apart(before: Tokens, now: Tokens) -> str:
    """Where two sequences of ids first differ."""
    both = min(len(before), len(now))
    other = np.flatnonzero(before[:both] != now[:both])
    if len(other):
        at = int(other[0])
        return f"id {at} was {int(before[at])} and is {int(now[at])}"
    return f"{len(before):,} ids before, {len(now):,} now"


def _validation(coder: Coder, dataset: Dataset, made: Dataset) -> Iterator[Pair]:
    texts, published = DocumentFiles([dataset.documents_path]), published_documents(coder, dataset)
    documents = numbered(texts, train=False, published=published)
    return _pairs(documents, made, train=False)


def _sample(coder: Coder, dataset: Dataset, made: Dataset) -> Iterator[Pair]:
    """Train documents, each drawn with a chance that follows from its bytes.

    So what a tokenizer could do to documents that nobody asks about again is bounded by their
    bytes, however long those are that it would choose.
    """
    entries = dataset.manifest.of_kind("docs_train")
    count = sum(entry.documents or 0 for entry in entries)
    mean = sum(entry.text_bytes or 0 for entry in entries) / max(1, count)
    is_drawn = draw_by_bytes(coder.nonce, mean_bytes=mean)
    documents = numbered(train_documents(dataset), train=True)
    for pair in _pairs(documents, made, train=True):
        if is_drawn(pair.document.text_bytes):
            yield pair


def draw_by_bytes(nonce: str, *, mean_bytes: float) -> Callable[[int], bool]:
    """Whether the next train document is asked about again, called with its bytes, in order.

    One of the mean size is drawn with a chance of ``TRAIN_SHARE``, and any two together as likely
    as one of the size of both.
    """
    secret = TOKENIZER.of(nonce, "train documents")
    draw = np.random.default_rng(int.from_bytes(secret, "big"))

    def is_drawn(text_bytes: int) -> bool:
        spared = (1 - TRAIN_SHARE) ** (max(1, text_bytes) / max(1.0, mean_bytes))
        return bool(draw.random() >= spared)

    return is_drawn


def _pairs(documents: Iterator[Document], made: Dataset, *, train: bool) -> Iterator[Pair]:
    shards = (tokens for _, tokens in made.shards("train" if train else "val"))
    try:
        for document, ids in zip(documents, ids_of(shards, made.manifest.bos_id), strict=True):
            yield Pair(document, ids)
    except ValueError as error:
        raise InfrastructureError(
            "does not hold one document for each text",
            file=made.directory,
            remedy="remove it (harness data derived --remove all)",
        ) from error


def _grouped(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    left = iter(pairs)
    for part in in_parts(pair.document for pair in pairs):
        yield [next(left) for _ in part]
