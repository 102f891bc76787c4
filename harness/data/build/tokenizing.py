"""Custom datasets: from documents and any tokenizer to a directory that can be verified."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.data.build.building import SHARD_TOKENS, build_dataset
from harness.data.format.dataset import Dataset
from harness.data.format.documents import DocumentFiles, numbered_lines, unpacked
from harness.data.format.manifest import LARGEST_COUNT, TextRule
from harness.data.format.reading import Progress, content_of, reading
from harness.data.format.tokenizers import (
    MODEL_BYTES_LIMIT,
    AnyTokenizer,
    ByteTokenizer,
    TokenizerError,
    parse_tokenizer,
)
from harness.errors import UsageError
from harness.safeio.reading import open_named

PURE_BYTES = "bytes"
"""What names the pure-byte tokenizer on the command line, instead of a file."""

_SPLITS = ("docs_val", "docs_train")
_SUFFIXES = (".jsonl", ".jsonl.gz")


def tokenize_documents(
    documents: Iterable[str],
    tokenizer: AnyTokenizer,
    directory: Path,
    *,
    name: str,
    validation_documents: int,
    source: str,
    tokenizer_name: str = "tokenizer.model",
    text: TextRule = "raw",
    shard_tokens: int = SHARD_TOKENS,
    workers: int | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
) -> Dataset:
    """Make the dataset ``directory/name``: the first documents are validation, the others train.

    ``documents`` is read once, in order, and never held in memory whole. See
    :func:`harness.data.build.building.build_dataset` for the rest: it is deterministic, parallel,
    all or nothing, and proves that the tokens of every validation document decode to it.

    Raises:
        UsageError: ``name`` is not a valid name, or ``validation_documents`` is no such
            count.
        TextLost: the tokens of a validation document do not decode to it; the message names it and
        the place.
        InfrastructureError: the disk is full, or ``directory/name`` exists already.
    """
    if not 1 <= validation_documents <= LARGEST_COUNT:
        raise UsageError(
            f"{validation_documents} validation documents: must be at least 1, and at most "
            f"{LARGEST_COUNT:,}"
        )
    stream = iter(documents)
    return build_dataset(
        stream,
        itertools.islice(stream, validation_documents),
        tokenizer.model,
        directory / name,
        source=source,
        tokenizer_name=tokenizer_name,
        text=text,
        shard_tokens=shard_tokens,
        workers=workers,
        replace=replace,
        progress=progress,
        position=documents.position if isinstance(documents, DocumentFiles) else None,
        note=note,
    )


def tokenizer_at(where: str) -> tuple[AnyTokenizer, str]:
    """The tokenizer in a file, or the byte tokenizer; and a name for its file in a dataset.

    Raises:
        UsageError: the file is missing, or is no tokenizer.
    """
    if where == PURE_BYTES:
        return ByteTokenizer(), "pure_byte_260.json"
    path = Path(where)
    try:
        tokenizer = parse_tokenizer(content_of(path, limit_bytes=MODEL_BYTES_LIMIT, own=True))
    except TokenizerError as error:
        raise UsageError(
            error.detail, file=path, remedy=f"name a SentencePiece model, or {PURE_BYTES}"
        ) from error
    usable = path.name.isascii() and path.name[:1].isalnum() and " " not in path.name
    return tokenizer, path.name if usable else "tokenizer.model"


def document_files(paths: list[Path]) -> tuple[DocumentFiles, int | None]:
    """The files of documents in the order given, or the files of a directory.

    A directory holds ``docs_val`` and ``docs_train``, as ``.jsonl`` or ``.jsonl.gz``; then all of
    ``docs_val`` is validation, and its number of documents is returned.

    Raises:
        UsageError: a directory among several paths, or one without these files; a file is missing
            or cannot be read. Reading them says the same of a line that is no document.
    """
    if len(paths) == 1 and paths[0].is_dir():
        found = [_split_file(paths[0], split) for split in _SPLITS]
        path = found[0]
        with reading(path, own=True), open_named(path) as file, unpacked(path, file) as lines:
            count = sum(1 for _ in numbered_lines(path, lines, own=True))
        return DocumentFiles(found, own=True), count
    for path in paths:
        if path.is_dir():
            raise UsageError("a directory; give it alone, or files of documents", file=path)
    return DocumentFiles(paths, own=True), None


def _split_file(directory: Path, split: str) -> Path:
    for suffix in _SUFFIXES:
        if (directory / f"{split}{suffix}").is_file():
            return directory / f"{split}{suffix}"
    raise UsageError(f"holds neither {split}.jsonl nor {split}.jsonl.gz", file=directory)
