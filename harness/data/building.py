"""Make a dataset directory from documents and a tokenizer, whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.data.baselines import unigram_bpb, witten_bell_bigram_bpb
from harness.data.dataset import Dataset, check_dataset
from harness.data.documents import text_bytes, write_documents
from harness.data.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    check_name,
    load_manifest,
    totals_of,
)
from harness.data.reading import Progress, silent
from harness.data.shards import Tokens, write_shard
from harness.data.tokenizers import Tokenizer
from harness.errors import InfrastructureError
from harness.storage import disk_errors, sha256_of, sync_directory, write_atomically

SHARD_TOKENS = 100_000_000
"""Tokens in a full shard, as in the field."""


def build_dataset(
    documents_train: Sequence[str],
    documents_val: Sequence[str],
    tokenizer_model: bytes,
    destination: Path,
    *,
    source: str,
    tokenizer_name: str = "tokenizer.model",
    shard_tokens: int = SHARD_TOKENS,
    replace: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Build a dataset at ``destination``, whose last part is its name.

    It is made in a directory beside, checked there, and renamed, so that half of a dataset
    never stands under the final name. With ``replace`` an older one is removed.

    Raises:
        UsageError: ``destination`` does not end in a name fit for a dataset.
        InfrastructureError: the tokenizer loses text, something is there already, or the disk
            is full.
    """
    progress = progress or silent
    check_name(destination.name)
    if os.path.lexists(destination) and not replace:
        raise InfrastructureError(f"{destination}: exists already", remedy="remove it first")
    with _staging(destination) as directory:
        tokenizer = Tokenizer(tokenizer_model)
        total = len(documents_train) + len(documents_val)
        train = _tokenize(documents_train, tokenizer, progress, done=0, total=total)
        val = _tokenize(documents_val, tokenizer, progress, done=len(documents_train), total=total)
        progress("counting baselines", 0, 1)
        baselines = _baselines(train, val, tokenizer.vocabulary_size, documents_val)
        progress("counting baselines", 1, 1)
        tokenizer_path = f"{FOLDERS['tokenizer']}/{tokenizer_name}"
        write_atomically(directory / tokenizer_path, tokenizer_model)
        files = (
            *_write_shards(directory, "train", train, shard_tokens),
            *_write_shards(directory, "val", val, shard_tokens),
            _entry(directory, tokenizer_path, "tokenizer"),
            _write_documents(directory, "docs_train", documents_train),
            _write_documents(directory, "docs_val", documents_val),
        )
        manifest = Manifest(
            name=destination.name,
            source=source,
            vocabulary_size=tokenizer.vocabulary_size,
            bos_id=tokenizer.bos_id,
            tokenizer=tokenizer_path,
            files=files,
            baselines=baselines,
            totals=totals_of(files),
        )
        write_atomically(directory / MANIFEST_NAME, manifest.to_json())
        # What was written is checked, not what was meant to be written.
        manifest = load_manifest(directory / MANIFEST_NAME)
        check_dataset(Dataset(directory=directory, manifest=manifest), progress=progress)
        _publish(directory, destination)
    return Dataset(directory=destination.resolve(), manifest=manifest)


def _tokenize(
    texts: Sequence[str], tokenizer: Tokenizer, progress: Progress, *, done: int, total: int
) -> Tokens:
    """One stream of all documents, BOS before each: uint16[N]."""
    pieces = [np.empty(0, dtype=np.uint16)]
    bos = np.array([tokenizer.bos_id], dtype=np.uint16)
    for number, text in enumerate(texts, start=1):
        tokens = tokenizer.encode(text)
        problem = tokenizer.mismatch(tokens, text)
        if problem:
            raise InfrastructureError(
                f"document {number} of {len(texts)}: the tokenizer loses text: {problem}",
                remedy="leave the document out, or use a tokenizer that gives back every text",
            )
        pieces += bos, tokens
        done += 1
        if done % 16 == 0 or done == total:
            progress("tokenizing documents", done, total)
    return np.concatenate(pieces)


def _baselines(
    train: Tokens, val: Tokens, vocabulary_size: int, documents_val: Sequence[str]
) -> dict[str, float]:
    """Rounded far below any margin, so that the order of a sum cannot change the digest."""
    val_bytes = sum(text_bytes(text) for text in documents_val)
    if not val_bytes:
        raise InfrastructureError(
            "the validation documents hold no text", remedy="use a larger corpus"
        )
    return {
        "unigram": round(unigram_bpb(train, val, vocabulary_size, val_bytes), 6),
        "witten_bell_bigram": round(
            witten_bell_bigram_bpb(train, val, vocabulary_size, val_bytes), 6
        ),
    }


def _entry(
    directory: Path,
    path: str,
    kind: Kind,
    *,
    tokens: int | None = None,
    documents: int | None = None,
    text_bytes: int | None = None,
) -> FileEntry:
    return FileEntry(
        path=path,
        kind=kind,
        bytes=(directory / path).stat().st_size,
        sha256=sha256_of(directory / path),
        tokens=tokens,
        documents=documents,
        text_bytes=text_bytes,
    )


def _write_shards(
    directory: Path, kind: Kind, tokens: Tokens, shard_tokens: int
) -> Iterator[FileEntry]:
    for number, start in enumerate(range(0, max(len(tokens), 1), shard_tokens)):
        path = f"{FOLDERS[kind]}/fineweb_{kind}_{number:06d}.bin"
        part = tokens[start : start + shard_tokens]
        write_shard(directory / path, part)
        yield _entry(directory, path, kind, tokens=len(part))


def _write_documents(directory: Path, kind: Kind, texts: Sequence[str]) -> FileEntry:
    path = f"{kind}.jsonl"
    write_documents(directory / path, texts)
    return _entry(
        directory,
        path,
        kind,
        documents=len(texts),
        text_bytes=sum(text_bytes(text) for text in texts),
    )


@contextlib.contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """A directory beside ``destination`` that is gone at the end, unless it was renamed."""
    with disk_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{staging_prefix(destination.name)}new-"
        directory = Path(tempfile.mkdtemp(dir=destination.parent, prefix=prefix))
    try:
        with disk_errors(directory):
            # A container's user is not ours: it must be able to read what is mounted.
            directory.chmod(0o755)
            for folder in sorted(set(FOLDERS.values()) - {""}):
                (directory / folder).mkdir()
                (directory / folder).chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _publish(directory: Path, destination: Path) -> None:
    with disk_errors(destination):
        if os.path.lexists(destination):
            prefix = f"{staging_prefix(destination.name)}old-"
            aside = Path(tempfile.mkdtemp(dir=destination.parent, prefix=prefix))
            try:
                older = destination.rename(aside / destination.name)
                try:
                    directory.rename(destination)
                except OSError:
                    older.rename(destination)
                    raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        else:
            directory.rename(destination)
        sync_directory(destination.parent)


def staging_prefix(name: str) -> str:
    """How the names of temporary directories of a build begin."""
    return f".{name}.building-"


@contextlib.contextmanager
def only_builder(root: Path, name: str) -> Iterator[None]:
    """Wait until no other process builds under ``root``; remove what killed builds left.

    Raises:
        InfrastructureError: ``root`` cannot be made or locked.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY)
    try:
        with disk_errors(root):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for stale in root.glob(f"{staging_prefix(name)}*"):
                shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)
