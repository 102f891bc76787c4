"""A dataset that has been checked: every file is what the manifest says, every token its text."""

import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.format.documents import read_documents, text_bytes
from harness.data.format.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    check_name,
    load_manifest,
)
from harness.data.format.reading import Progress, damaged, reading, silent
from harness.data.format.shards import Tokens, concatenated, read_shard
from harness.data.format.tokenizers import AnyTokenizer, load_tokenizer
from harness.data.hub.repositories import KNOWN
from harness.errors import InfrastructureError
from harness.evidence.plan import DatasetFacts
from harness.safeio.reading import open_inside

DEFAULT_ROOT = Path("data")
DEMO_NAME = "demo_sp1024"
MOUNTED: tuple[Kind, ...] = ("train", "tokenizer")


@dataclass(frozen=True)
class Dataset:
    """A dataset directory and its manifest; made by :func:`open_dataset`, which checks both."""

    directory: Path
    manifest: Manifest

    @property
    def train_directory(self) -> Path:
        """The directory of train shards: the only data that training may see."""
        return self.directory / FOLDERS["train"]

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer's file, alone in its directory."""
        return self.directory / self.manifest.tokenizer

    @property
    def documents_path(self) -> Path:
        """The validation documents: the text that bits per byte are measured against."""
        return self.directory / self.manifest.documents.path

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's content, which covers every file through the digests in it."""
        return hashlib.sha256(self.manifest.canonical()).hexdigest()

    def facts(self) -> DatasetFacts:
        """What the evidence keeps of this dataset."""
        totals = self.manifest.totals
        return DatasetFacts(
            name=self.manifest.name,
            digest=self.digest,
            vocabulary_size=self.manifest.vocabulary_size,
            train_tokens=totals.train_tokens,
            validation_documents=totals.validation_documents,
            validation_tokens=totals.validation_tokens,
            validation_bytes=totals.validation_bytes,
            baselines=dict(self.manifest.baselines),
        )

    def validation_tokens(self) -> Tokens:
        """The whole validation stream, in order: uint16[N], memory-mapped if it is one shard."""
        return concatenated([tokens for _, tokens in self.shards("val")])

    def validation_document_bytes(self) -> NDArray[np.int64]:
        """UTF-8 bytes of each validation document's text: int64[D].

        Counted in the documents; the tokenizer does not matter.
        """
        return np.array(
            [text_bytes(text) for text in read_documents(self.documents_path)], dtype=np.int64
        )

    def shards(self, kind: Kind) -> Iterator[tuple[FileEntry, Tokens]]:
        """The shards of one kind with their manifest entries, in order, memory-mapped."""
        for entry in self.manifest.of_kind(kind):
            yield entry, self.shard(entry)

    def shard(self, entry: FileEntry) -> Tokens:
        """The tokens of one shard: uint16[N], memory-mapped."""
        path = self.directory / entry.path
        return read_shard(path, vocabulary_size=self.manifest.vocabulary_size)


def open_dataset(root: Path, name: str, *, progress: Progress | None = None) -> Dataset:
    """Open ``root/name`` and check all of it, reading every file once.

    Raises:
        UsageError: ``name`` cannot be the name of a dataset.
        InfrastructureError: the dataset is missing, or a file differs from the manifest.
    """
    dataset = named_dataset(root, name)
    check_dataset(dataset, progress=progress or silent)
    return dataset


def named_dataset(root: Path, name: str) -> Dataset:
    """What the manifest of ``root/name`` says; no other file is looked at.

    Raises:
        UsageError: ``name`` cannot be the name of a dataset.
        InfrastructureError: there is no manifest, or it is that of another dataset.
    """
    check_name(name)
    directory = root / name
    with reading(directory):
        present = (directory / MANIFEST_NAME).exists()
    if not present:
        raise InfrastructureError(
            f"there is no dataset {name}",
            file=directory / MANIFEST_NAME,
            remedy=_how_to_get(name, directory),
        )
    manifest = load_manifest(directory / MANIFEST_NAME)
    if manifest.name != name:
        raise InfrastructureError(
            f"expected {name!r}, found {manifest.name!r}",
            file=directory / MANIFEST_NAME,
            field="name",
            remedy=f"if the folder was renamed, name it {manifest.name} again; the track asks for "
            f"dataset {name}",
        )
    return Dataset(directory=directory.resolve(), manifest=manifest)


def _how_to_get(name: str, directory: Path) -> str:
    if name == DEMO_NAME:
        return "harness data demo"
    if name in KNOWN:
        return f"harness data fetch {name} --dest {directory.parent}"
    return (
        f"put {MANIFEST_NAME}, train/, val/, tokenizer/ and the validation documents under "
        f"{directory}, or make it with `harness data fetch` or `harness data tokenize`"
    )


def check_dataset(dataset: Dataset, *, progress: Progress) -> None:
    """Compare every file with the manifest, and every validation document with its tokens.

    Raises:
        InfrastructureError: there is a difference; the message names the file and place of the
            first.
    """
    check_files(dataset, progress)
    for kind in ("train", "val"):
        for entry, tokens in dataset.shards(kind):
            if len(tokens) != entry.tokens:
                raise damaged(
                    dataset.directory / entry.path,
                    f"{len(tokens)} tokens; the manifest says {entry.tokens}",
                )
    tokenizer = load_tokenizer(dataset.tokenizer_path)
    for what, found, stated in (
        ("pieces", tokenizer.vocabulary_size, dataset.manifest.vocabulary_size),
        ("as BOS id", tokenizer.bos_id, dataset.manifest.bos_id),
    ):
        if found != stated:
            raise damaged(dataset.tokenizer_path, f"has {found} {what}; the manifest says {stated}")
    _check_documents(dataset, tokenizer, progress)


def check_files(dataset: Dataset, progress: Progress) -> None:
    """Check sizes before digests, so that a missing or cut file is reported at once."""
    files = dataset.manifest.files
    for entry in files:
        path = dataset.directory / entry.path
        with reading(path), open_inside(dataset.directory, entry.path) as file:
            size = os.fstat(file.fileno()).st_size
        if size != entry.bytes:
            raise damaged(path, f"{size} bytes; the manifest says {entry.bytes}")
    for kind in MOUNTED:
        _check_nothing_unlisted(dataset, kind)
    total = sum(entry.bytes for entry in files)
    done = 0
    for entry in files:
        progress("checking digests", done, total)
        path = dataset.directory / entry.path
        with reading(path), open_inside(dataset.directory, entry.path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry.sha256:
            raise damaged(path, f"sha256 is {found}; the manifest says {entry.sha256}")
        done += entry.bytes
    progress("checking digests", total, total)


def _check_nothing_unlisted(dataset: Dataset, kind: Kind) -> None:
    """Refuse unlisted files: a submission sees everything that lies in a mounted directory."""
    folder = dataset.directory / FOLDERS[kind]
    listed = {dataset.directory / entry.path for entry in dataset.manifest.of_kind(kind)}
    with reading(folder):
        unlisted = sorted(set(folder.iterdir()) - listed)
    if unlisted:
        raise InfrastructureError(
            f"{unlisted[0].name!r} is not listed in the manifest, and everything in this "
            "directory is shown to submissions",
            file=folder,
            remedy="move it elsewhere",
        )


def document_starts(stream: Tokens, bos_id: int, path: Path) -> NDArray[np.int64]:
    """Positions of the BOS tokens in a stream of whole documents: int64[D], the first one is 0.

    Raises:
        InfrastructureError: the stream, which begins in ``path``, does not start with BOS.
    """
    starts = np.flatnonzero(stream == bos_id)
    if not len(starts) or starts[0] != 0:
        raise damaged(path, f"the stream does not start with BOS (id {bos_id})")
    return starts


def documents_of(stream: Tokens, starts: NDArray[np.int64]) -> Iterator[Tokens]:
    """The tokens of each document, without its BOS."""
    for start, end in itertools.pairwise([*starts.tolist(), len(stream)]):
        yield stream[start + 1 : end]


def _check_documents(dataset: Dataset, tokenizer: AnyTokenizer, progress: Progress) -> None:
    """Check that the tokens of every validation document decode to it exactly."""
    stream = dataset.validation_tokens()
    first_shard = dataset.directory / dataset.manifest.of_kind("val")[0].path
    totals = dataset.manifest.totals
    starts = document_starts(stream, tokenizer.bos_id, first_shard)
    if len(starts) != totals.validation_documents:
        raise damaged(
            first_shard,
            f"{len(starts)} BOS in the validation stream; "
            f"the manifest says {totals.validation_documents} documents",
        )
    path = dataset.documents_path
    documents = byte_count = 0
    for number, text in enumerate(read_documents(path)):
        if number >= len(starts):
            raise damaged(path, f"more documents than the {len(starts)} BOS", line=number + 1)
        end = int(starts[number + 1]) if number + 1 < len(starts) else len(stream)
        problem = tokenizer.mismatch(stream[int(starts[number]) + 1 : end], text)
        if problem:
            raise damaged(
                path,
                f"not what tokens {starts[number]} to {end - 1} of the validation stream say: "
                f"{problem}",
                line=number + 1,
            )
        documents += 1
        byte_count += text_bytes(text)
        if documents % 64 == 0 or documents == len(starts):
            progress("checking documents", documents, len(starts))
    if documents != totals.validation_documents:
        raise damaged(
            path, f"{documents} documents; the manifest says {totals.validation_documents}"
        )
    if byte_count != totals.validation_bytes:
        raise damaged(
            path, f"{byte_count} bytes of text; the manifest says {totals.validation_bytes}"
        )
