"""The dataset in the tokens of a tokenizer that is code: train text first, validation text last.

Nothing of the validation text is read before the last train document is encoded and its ids are
sealed on our disk: a tokenizer cannot write into train ids what it has not been shown. Each part
has a sandbox of its own, and is kept when it is done.
"""

import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.build.publishing import publish, staging
from harness.data.build.written_files import ShardsWriter, file_entry
from harness.data.format.dataset import Dataset, check_files
from harness.data.format.documents import DocumentFiles
from harness.data.format.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    totals_of,
)
from harness.data.format.reading import silent
from harness.data.format.shards import shard_bytes
from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.evidence.host import SandboxFacts
from harness.evidence.phase import PhaseFacts
from harness.inside import codec as wire
from harness.run.codec.documents import (
    IDS_PER_BYTE,
    MORE_IDS,
    PART_BYTES,
    CodecError,
    Document,
    Stated,
    unpacked,
)
from harness.run.codec.parts import PartFacts, Parts, Phases
from harness.run.codec.phase import Coder, Spoken, speak
from harness.run.derived import drop_other_parts, make_room, only_one, parts_of, use
from harness.run.tokenizing import opened, same_text
from harness.safeio.files import digest_of_named, disk_errors, write_atomically

FORMAT = b"code 1"
"""Part of the digest they are kept by; a new one when the same inputs give other files."""
PHASES = "phases.json"
_SHARD_TOKENS = 100_000_000
_SMALL_FILES_BYTES = 64 << 20
_READ_TOKENS = 1 << 24


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
    dataset: Dataset, coder: Coder, *, entry_digest: str, sandbox: SandboxFacts, train: bool
) -> str:
    """What a dataset is kept by: all that its tokens, and what they prove, depend on."""
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
            "entry": entry_digest.encode(),
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
    root = dataset.directory.parent / "derived"
    with only_one(root):
        found = opened(root / key)
        if found is None:
            coder.note(f"tokenizing {dataset.manifest.name} with {coder.name}")
            done: list[PartFacts] = []
            try:
                _build(coder, dataset, root / key, train=train, done=done)
            except _Stop as stop:
                phases = tuple(facts.phase for facts in done)
                return Made(None, (*phases, stop.spoken.phase), stop.spoken)
            found = opened(root / key)
        if found is None or not same_text(found, dataset):
            raise InfrastructureError(
                "not what was to be made there", file=root / key, remedy="remove it and try again"
            )
        use(found.directory, holds)
    return Made(found, _phases_of(found))


def train_documents(dataset: Dataset) -> DocumentFiles:
    """The raw train documents; raises InfrastructureError where the dataset has none."""
    files = dataset.manifest.of_kind("docs_train")
    if not files:
        raise InfrastructureError(
            "lists no file of kind docs_train: without the raw train documents no train shards "
            "can be made with another tokenizer",
            file=dataset.directory / MANIFEST_NAME,
            remedy="bring them (harness data fetch NAME --train-documents), or build the dataset "
            "from its documents (harness data tokenize), which keeps them",
        )
    return DocumentFiles([dataset.directory / entry.path for entry in files])


def numbered(texts: Iterable[str], *, train: bool, first: int = 1) -> Iterator[Document]:
    """Documents to be encoded, numbered in order."""
    for number, text in enumerate(texts, start=first):
        content = text.encode()
        yield Document("train" if train else "validation", number, content, len(content))


def in_parts(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in order, as many together as one sandbox gets."""
    part: list[Document] = []
    size = 0
    for document in documents:
        part.append(document)
        size += document.text_bytes
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def need_bytes(dataset: Dataset, *, train: bool) -> int:
    """The most bytes that making it may take: its parts, and the shards made of them."""
    entries = [dataset.manifest.documents]
    if train:
        entries += dataset.manifest.of_kind("docs_train")
    tokens = sum(
        IDS_PER_BYTE * (entry.text_bytes or 0) + (MORE_IDS + 1) * (entry.documents or 0)
        for entry in entries
    )
    return 2 * shard_bytes(tokens) + dataset.manifest.documents.bytes + _SMALL_FILES_BYTES


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
    if train_texts is not None:
        for name, facts in _train_parts(coder, parts, train_texts):
            train_names.append(name)
            done.append(facts)
    # From here on, and not before, there is validation text.
    texts = DocumentFiles([dataset.documents_path])
    val_names = []
    for number, part in enumerate(in_parts(numbered(texts, train=False)), start=1):
        name = f"validation-{number}"
        expected = done[0].stated if done else None
        done.append(parts.kept(name) or _encode(coder, parts, name, part, expected))
        val_names.append(name)
    first = done[0]
    phases = tuple(facts.phase for facts in done)
    with staging(destination) as directory:
        files = (
            *_shards(directory, "train", [parts.path(name) for name in train_names]),
            *_shards(directory, "val", [parts.path(name) for name in val_names]),
            _tokenizer_file(coder, directory),
            _documents(dataset, directory),
        )
        manifest = Manifest(
            name=destination.name,
            source=f"{dataset.manifest.name} in the tokens of a submission's code",
            vocabulary_size=first.vocabulary_size,
            bos_id=first.bos_id,
            tokenizer=next(entry.path for entry in files if entry.kind == "tokenizer"),
            files=files,
            totals=totals_of(files),
        )
        write_atomically(directory / PHASES, Phases(phases=phases).model_dump_json().encode())
        write_atomically(directory / MANIFEST_NAME, manifest.to_json())
        check_files(Dataset(directory=directory, manifest=manifest), silent)
        publish(directory, destination)
    shutil.rmtree(parts.directory, ignore_errors=True)


def _train_parts(
    coder: Coder, parts: Parts, texts: Iterable[str]
) -> Iterator[tuple[str, PartFacts]]:
    """Encode the train documents part by part; those that are kept are only read over."""
    left, first = iter(texts), 1
    expected: Stated | None = None
    for number in itertools.count(1):
        name = f"train-{number}"
        facts = parts.kept(name)
        if facts is None:
            part = next(in_parts(numbered(left, train=True, first=first)), None)
            if part is None:
                return
            facts = _encode(coder, parts, name, part, expected)
        else:
            for _ in itertools.islice(left, facts.documents):
                continue
        first += facts.documents
        expected = facts.stated
        yield name, facts


def _encode(
    coder: Coder, parts: Parts, name: str, documents: list[Document], expected: Stated | None
) -> PartFacts:
    """Encode one part in a sandbox of its own, check all its ids, and keep them."""
    ids: dict[int, bytes] = {}

    def answered(document: Document, content: bytes, stated: Stated) -> None:
        check_ids(document, content, stated)
        ids[document.number] = content

    spoken = speak(coder, f"encode-{name}", wire.ENCODE, documents, answered, expected=expected)
    if spoken.problem or spoken.lost or spoken.stated is None:
        raise _Stop(spoken)
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


def check_ids(document: Document, content: bytes, stated: Stated) -> None:
    """Check that an answer is ids of the vocabulary, without BOS; raises CodecError."""
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


def _shards(directory: Path, kind: Kind, paths: list[Path]) -> list[FileEntry]:
    shards = ShardsWriter(directory, kind, _SHARD_TOKENS)
    for path in paths:
        with disk_errors(path), path.open("rb") as file:
            while len(tokens := np.fromfile(file, dtype="<u2", count=_READ_TOKENS)):
                shards.write(tokens.astype(np.uint16, copy=False))
    return shards.close()


def _tokenizer_file(coder: Coder, directory: Path) -> FileEntry:
    """What training finds under TOKENIZER_PATH: the model, or else the module itself."""
    if coder.tokenizer.file is not None:
        source, name = coder.code / coder.tokenizer.file, "tokenizer.model"
    else:
        module = (coder.tokenizer.code or "").partition(":")[0].replace(".", "/")
        files = (coder.code / f"{module}.py", coder.code / module / "__init__.py")
        source, name = next(path for path in files if path.exists()), "tokenizer.py"
    path = f"{FOLDERS['tokenizer']}/{name}"
    write_atomically(directory / path, source.read_bytes())
    (directory / path).chmod(0o644)
    return file_entry(directory, path, "tokenizer")


def _documents(dataset: Dataset, directory: Path) -> FileEntry:
    """The validation documents as they are: the text that bits per byte are measured against."""
    entry = dataset.manifest.documents
    target = directory / entry.path
    with disk_errors(target):
        shutil.copyfile(dataset.documents_path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    return entry


def _phases_of(found: Dataset) -> tuple[PhaseFacts, ...]:
    path = found.directory / PHASES
    try:
        return Phases.model_validate_json(path.read_bytes()).phases
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            "damaged: it does not say in which sandboxes it was made",
            file=path,
            remedy="remove the derived dataset (harness data derived --clear)",
        ) from error
