"""A submission's own tokenizer that has a normal form, and the dataset in pure bytes.

The texts are the track's own; only the tokens differ. The untrusted tokenizer is first brought to
its normal form (``data/format/normal_form.py``) in a limited process (``normalizing_process.py``);
only that form makes tokens, is proven on every document and is shown to sandboxes. A model makes
its tokens in sandboxes (``run/codec``). Pure bytes are ours, and need none: they are made here.
Both are stored by digest, up to a limit (``derived.py``).
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.contest.entry import Entry
from harness.data.build.building import build_dataset
from harness.data.format.dataset import Dataset, check_files
from harness.data.format.documents import DocumentFiles
from harness.data.format.manifest import MANIFEST_NAME, FileEntry, load_manifest
from harness.data.format.normal_form import compressed_bytes
from harness.data.format.reading import silent
from harness.data.format.shards import shard_bytes
from harness.data.format.tokenizers import ByteTokenizer
from harness.errors import InfrastructureError
from harness.run.derived import derived, make_room, only_one, use
from harness.run.normalizing_process import ask
from harness.safeio.files import digest_of_named, sha256_of_bytes
from harness.safeio.text import plain

FORMAT = b"3"
"""Part of the digest they are kept by; a new one when the same inputs give other files."""
_SMALL_FILES_BYTES = 1 << 20
"""Manifest, headers and the like."""
_NOTE_SECONDS = 15.0


@dataclass(frozen=True)
class OwnTokenizer:
    """The tokenizer that an entry brings, unchanged.

    Attributes:
        name: what error messages call it.
        file_name: the name of its file beside the data.
        model: the content of its file.
        built_in: whether it is one of ours that the entry only chose.
    """

    name: str
    file_name: str
    model: bytes
    built_in: bool = False

    @property
    def sha256(self) -> str:
        """Digest of the model."""
        return sha256_of_bytes(self.model)


@dataclass(frozen=True)
class NormalTokenizer:
    """A tokenizer in its normal form, as a file that the harness built.

    Attributes:
        name, file_name: as in the original tokenizer.
        model: the content of the file.
    """

    name: str
    file_name: str
    model: bytes

    @property
    def sha256(self) -> str:
        """Digest of the file, and so of the normal form."""
        return sha256_of_bytes(self.model)

    @property
    def is_bytes(self) -> bool:
        """Whether it is that of pure bytes, chosen or brought as a file."""
        return self.model == ByteTokenizer().model


def own_tokenizer(entry: Entry, files: Mapping[str, bytes]) -> OwnTokenizer | None:
    """The entry's own tokenizer, if it brings one that has a normal form.

    One that is code has none: ``run/codec`` proves it. ``files`` are the entry's files.
    """
    kind, file = entry.tokenizer.kind, entry.tokenizer.file
    if kind in ("stock", "code"):
        return None
    if kind == "bytes":
        model = ByteTokenizer().model
        return OwnTokenizer("pure bytes", "pure_byte_260.json", model, built_in=True)
    if kind == "model" and file is not None:
        return OwnTokenizer(file, "tokenizer.model", files[file])
    raise InfrastructureError(f"a tokenizer of kind {kind} cannot be run by this harness")


@dataclass(frozen=True)
class Normalized:
    """A tokenizer's normal form, or the reason why it has none.

    ``weight_bytes`` is its compressed size; null for one that is built in.
    """

    tokenizer: NormalTokenizer | None
    weight_bytes: int | None = None
    problem: str = ""

    @property
    def kept(self) -> NormalTokenizer | None:
        """What is stored as evidence: the normal form of a tokenizer that is not built in."""
        return None if self.weight_bytes is None else self.tokenizer


def normalized(own: OwnTokenizer) -> Normalized:
    """The normal form of an entry's tokenizer, made in a separate process.

    Raises:
        InfrastructureError: our side failed, or that process was killed from outside.
    """
    if own.built_in:
        return Normalized(NormalTokenizer(own.name, own.file_name, own.model))
    answer = ask(own.model)
    if answer.word.kind == "rejected":
        return Normalized(None, problem=f"{own.name}: {plain(answer.word.text, 1000)}")
    if tuple(map(len, answer.parts)) != answer.word.sizes or len(answer.parts) != 2:
        raise InfrastructureError(
            "the process that reads the tokenizer did not hand over what it made",
            remedy="try again",
        )
    model, serialized = answer.parts
    tokenizer = NormalTokenizer(own.name, own.file_name, model)
    return Normalized(tokenizer, weight_bytes=compressed_bytes(serialized))


def in_bytes(
    own: NormalTokenizer,
    dataset: Dataset,
    *,
    note: Callable[[str], None],
    holds: ExitStack,
    train: bool = True,
) -> Dataset:
    """``dataset`` in pure bytes.

    It is made once, then found again by its digest, and compared with its manifest each time.
    Concurrent callers wait for each other.

    Args:
        own: the tokenizer of pure bytes.
        dataset: the track's dataset, already checked.
        note: called with a sentence on what is being done.
        holds: until it is closed, nobody removes the dataset.
        train: whether the train shards are wanted too, or only the validation split.

    Raises:
        InfrastructureError: the dataset has no raw documents, or there is no room.
    """
    assert own.is_bytes  # noqa: S101 - nothing else is parsed in this process
    key = digest_of_named(
        {
            "format": FORMAT,
            "dataset": dataset.digest.encode(),
            "normal form": own.sha256.encode(),
            "train": b"1" if train else b"0",
        }
    )
    root = derived(dataset.directory.parent)
    with only_one(root):
        found = opened(root / key)
        if found is None:
            note(f"tokenizing {dataset.manifest.name} with {own.name}")
            _build(dataset, own, root / key, note=note, train=train)
            found = opened(root / key)
        if found is None or not same_text(found, dataset):
            raise InfrastructureError(
                "not what was to be made there", file=root / key, remedy="remove it and try again"
            )
        use(found.directory, holds)
    return found


def opened(directory: Path) -> Dataset | None:
    """A dataset made earlier, every file compared with its manifest; None if absent or damaged.

    The tokens are not decoded again: that was done before the manifest was written.
    """
    if not (directory / MANIFEST_NAME).is_file():
        return None
    try:
        manifest = load_manifest(directory / MANIFEST_NAME)
        dataset = Dataset(directory=directory.resolve(), manifest=manifest)
        check_files(dataset, silent)
    except InfrastructureError:
        return None
    return dataset


def same_text(found: Dataset, dataset: Dataset) -> bool:
    """Whether two datasets are of the same validation text."""
    mine, theirs = found.manifest.totals, dataset.manifest.totals
    return (mine.validation_documents, mine.validation_bytes) == (
        theirs.validation_documents,
        theirs.validation_bytes,
    ) and found.manifest.documents.sha256 == dataset.manifest.documents.sha256


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


def _build(
    dataset: Dataset,
    own: NormalTokenizer,
    destination: Path,
    *,
    note: Callable[[str], None],
    train: bool,
) -> None:
    texts = train_documents(dataset) if train else ()
    noted = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal noted
        if time.monotonic() - noted > _NOTE_SECONDS:
            noted = time.monotonic()
            note(f"{what}: {done:,} of {total:,}")

    make_room(destination.parent, need_bytes=_need_bytes(dataset, own, train=train), note=note)
    build_dataset(
        texts,
        DocumentFiles([dataset.documents_path]),
        own.model,
        destination,
        source=f"{dataset.manifest.name} in the tokens of a submission",
        tokenizer_name=own.file_name,
        most_tokens=most_tokens(dataset, train=train),
        replace=True,
        progress=progress,
    )


def _need_bytes(dataset: Dataset, own: NormalTokenizer, *, train: bool) -> int:
    """The most bytes that it may take: its texts, and the most tokens allowed."""
    texts = sum(entry.bytes for entry in _documents(dataset, train=train))
    tokens = most_tokens(dataset, train=train)
    return texts + shard_bytes(tokens) + len(own.model) + _SMALL_FILES_BYTES


def most_tokens(dataset: Dataset, *, train: bool) -> int:
    """The most tokens that a derived dataset may have, so that none can fill our disk.

    An honest tokenizer makes one token of several bytes; the byte tokenizer makes one of each byte,
    and one BOS per document. There is room for a space before each document, and for texts that
    NFKC makes longer.
    """
    entries = _documents(dataset, train=train)
    size = sum(entry.text_bytes or 0 for entry in entries)
    return size + size // 8 + 2 * sum(entry.documents or 0 for entry in entries) + 1024


def _documents(dataset: Dataset, *, train: bool) -> tuple[FileEntry, ...]:
    more = dataset.manifest.of_kind("docs_train") if train else ()
    return (dataset.manifest.documents, *more)
