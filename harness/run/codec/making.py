"""The dataset in the tokens of a tokenizer that is code: train text first, validation text last.

Nothing of the validation text is read before the last train document is encoded and its ids are
sealed on our disk: a tokenizer cannot write into train ids what it has not been shown. Each part
has a sandbox of its own, and is kept when it is done.
"""

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.data.format.dataset import Dataset
from harness.data.format.documents import DocumentFiles
from harness.data.format.manifest import Kind
from harness.data.format.shards import Tokens, shard_bytes
from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import PhaseFacts
from harness.inside import codec as wire
from harness.run.codec.assembling import assemble, phases_of
from harness.run.codec.documents import (
    CodecError,
    Document,
    Stated,
    in_parts,
    numbered,
    unpacked,
)
from harness.run.codec.parts import PartFacts, Parts
from harness.run.codec.phase import Coder, Spoken, speak
from harness.run.derived import derived, drop_other_parts, make_room, only_one, parts_of, use
from harness.run.tokenizing import most_tokens, opened, same_text, train_documents
from harness.safeio.files import digest_of_named

FORMAT = b"code 2"
"""Part of the digest they are kept by; a new one when the same inputs give other files."""
_SMALL_FILES_BYTES = 64 << 20


@dataclass(frozen=True)
class Made:
    """A dataset, or why there is none; and the sandboxes that ran for it, now or earlier.

    ``failed`` is the sandbox that did wrong, or that our side lost.
    """

    dataset: Dataset | None
    phases: tuple[PhaseFacts, ...]
    failed: Spoken | None = None


class _Stop(Exception):
    def __init__(self, spoken: Spoken) -> None:
        super().__init__()
        self.spoken = spoken


def key_of(
    dataset: Dataset, coder: Coder, *, brought: str, sandbox: SandboxFacts, train: bool
) -> str:
    """What a dataset is kept by: all that its tokens, and what they prove, depend on.

    ``brought`` is the digest of the entry, or of the model's normal form where the code is ours.
    """
    words = {
        "tokenizer": coder.tokenizer.model_dump(mode="json"),
        "allowed": coder.allowed.model_dump(mode="json"),
        "sandbox": sandbox.model_dump(
            mode="json", include={"kind", "proves", "image_digest", "runtime", "seccomp_digest"}
        ),
    }
    return digest_of_named(
        {
            "format": FORMAT,
            "dataset": dataset.digest.encode(),
            "brought": brought.encode(),
            "measured by": measured_by().encode(),
            "words": json.dumps(words, sort_keys=True).encode(),
            "train": b"1" if train else b"0",
        }
    )


def make(coder: Coder, dataset: Dataset, key: str, *, train: bool, holds: ExitStack) -> Made:
    """``dataset`` in the tokens of a tokenizer, made now or found.

    Args:
        coder: the tokenizer and its sandboxes.
        dataset: of the track, already checked.
        key: from :func:`key_of`.
        train: whether the train shards are wanted too.
        holds: until it is closed, nobody removes the dataset.

    Raises:
        SubmissionError, InfrastructureError: a sandbox could not be started, there is no room, or
            the dataset has no raw documents.
    """
    root = derived(dataset.directory.parent)
    with only_one(root):
        found = opened(root / key)
        if found is None:
            coder.note(f"tokenizing {dataset.manifest.name} with {coder.name}")
            done: list[PartFacts] = []
            try:
                _build(coder, dataset, root / key, train=train, done=done)
            except _Stop as stop:
                phases = tuple(facts.phase for facts in done)
                last = () if stop.spoken.phase is None else (stop.spoken.phase,)
                return Made(None, (*phases, *last), stop.spoken)
            found = opened(root / key)
        if found is None or not same_text(found, dataset):
            raise InfrastructureError(
                "not what was to be made there", file=root / key, remedy="remove it and try again"
            )
        use(found.directory, holds)
    return Made(found, phases_of(found))


def published_documents(coder: Coder, dataset: Dataset) -> DocumentFiles | None:
    """The validation documents before they were normalized, where they were.

    A model may give back a normalized text only if it encodes what was published. None for a
    tokenizer that is code: its text is the one that is counted.
    """
    files = dataset.manifest.of_kind("docs_raw") if coder.pieces is not None else ()
    return DocumentFiles([dataset.directory / entry.path for entry in files]) if files else None


def need_bytes(dataset: Dataset, *, train: bool) -> int:
    """The most bytes that making it may take: its parts, and the shards made of them."""
    tokens = 2 * shard_bytes(most_tokens(dataset, train=train))
    return tokens + dataset.manifest.documents.bytes + _SMALL_FILES_BYTES


def _build(
    coder: Coder, dataset: Dataset, destination: Path, *, train: bool, done: list[PartFacts]
) -> None:
    """Make it; ``done`` gets the facts of each part as soon as it is there."""
    train_texts = train_documents(dataset) if train else None
    drop_other_parts(destination.parent, destination.name)
    need = need_bytes(dataset, train=train)
    make_room(destination.parent, need_bytes=need, note=coder.note)
    parts = Parts(parts_of(destination.parent, destination.name))
    train_names = []
    most = most_tokens(dataset, train=train)
    if train_texts is not None:
        for name, facts in _train_parts(coder, parts, train_texts, room=most):
            train_names.append(name)
            done.append(facts)
    # From here on, and not before, there is validation text.
    texts = DocumentFiles([dataset.documents_path])
    published = published_documents(coder, dataset)
    val_names = []
    documents = numbered(texts, train=False, published=published)
    for number, part in enumerate(in_parts(documents), start=1):
        name = f"validation-{number}"
        expected = done[0].stated if done else None
        room = Room(most, sum(facts.tokens for facts in done))
        done.append(
            parts.kept(name) or _encode(coder, parts, name, part, expected=expected, room=room)
        )
        val_names.append(name)
    cut: dict[Kind, list[Path]] = {
        "train": [parts.path(name) for name in train_names],
        "val": [parts.path(name) for name in val_names],
    }
    assemble(coder, dataset, destination, done=done, shards=cut)
    shutil.rmtree(parts.directory, ignore_errors=True)


@dataclass
class Room:
    """How many tokens all documents together may have; one alone may have more than its share.

    It stops a tokenizer that would fill our disk, and before that our memory.
    """

    most: int
    taken: int = 0

    def take(self, tokens: int) -> None:
        """Count tokens; raises CodecError if they are too many."""
        self.taken += tokens
        if self.taken > self.most:
            raise CodecError(
                f"makes more than {self.most:,} tokens, which is more than the texts have bytes"
            )


def _train_parts(
    coder: Coder, parts: Parts, texts: Iterable[str], *, room: int
) -> Iterator[tuple[str, PartFacts]]:
    """Encode the train documents part by part; those that are kept are only read over."""
    left, first, taken = iter(texts), 1, 0
    expected: Stated | None = None
    for number in itertools.count(1):
        name = f"train-{number}"
        facts = parts.kept(name)
        if facts is None:
            part = next(in_parts(numbered(left, train=True, first=first)), None)
            if part is None:
                return
            facts = _encode(coder, parts, name, part, expected=expected, room=Room(room, taken))
        else:
            for _ in itertools.islice(left, facts.documents):
                continue
        first += facts.documents
        taken += facts.tokens
        expected = facts.stated
        yield name, facts


def _encode(
    coder: Coder,
    parts: Parts,
    name: str,
    documents: list[Document],
    *,
    expected: Stated | None,
    room: Room,
) -> PartFacts:
    """Encode one part in a sandbox of its own, check all its ids, and keep them."""
    ids: dict[int, bytes] = {}

    def answered(document: Document, content: bytes, stated: Stated) -> None:
        found = check_ids(document, content, stated)
        if coder.pieces is not None:
            coder.pieces.check(document, found, stated)
        room.take(len(found) + 1)
        ids[document.number] = content

    spoken = speak(coder, f"encode-{name}", wire.ENCODE, documents, answered, expected=expected)
    if not spoken.went_well:
        raise _Stop(spoken)
    assert spoken.phase and spoken.stated  # noqa: S101 - it went well
    bos = spoken.stated.bos_id.to_bytes(2, "little")
    tokens = b"".join(part for one in documents for part in (bos, ids[one.number]))
    facts = PartFacts(
        phase=spoken.phase,
        documents=len(documents),
        text_bytes=sum(one.text_bytes for one in documents),
        tokens=len(tokens) // 2,
        vocabulary_size=spoken.stated.vocabulary_size,
        bos_id=spoken.stated.bos_id,
    )
    parts.keep(name, facts, tokens)
    return facts


def check_ids(document: Document, content: bytes, stated: Stated) -> Tokens:
    """The ids of an answer; raises CodecError if they are not of the vocabulary, or have BOS."""
    if len(content) % 2:
        raise CodecError("sends what is no answer", document)
    ids = unpacked(content)
    if len(ids) and int(ids.max()) >= stated.vocabulary_size:
        raise CodecError(
            f"returns id {int(ids.max()):,}, and the vocabulary has {stated.vocabulary_size:,}",
            document,
        )
    if (ids == stated.bos_id).any():
        raise CodecError(
            f"returns id {stated.bos_id}, its bos_id, which only we put before a document",
            document,
        )
    return ids
