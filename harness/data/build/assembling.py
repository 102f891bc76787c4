"""Makes a dataset of shards, a tokenizer and documents that somebody else made.

Here bytes are counted for data that we did not tokenize ourselves. Bits per byte are measured
against text, so the question is which text the tokens stand for. Two answers are accepted, for all
validation documents together:

- ``raw``: each document's tokens decode to the published document, exactly;
- ``normalized``: each decodes to the published document after the normalization of the dataset's
  own tokenizer. The field's SentencePiece models apply NFKC and fold white space before they
  encode, so models were trained and scored on that text, and the field's figure of about
  151,080,891 bytes counts its bytes.

Anything else is damage, and is refused with a message that names the first document and place.
Which rule holds is written in the manifest, and under ``normalized`` the normalized text is written
out as ``docs_val`` beside the published one (``docs_raw``). From then on there is only one rule:
tokens must decode to ``docs_val``, byte for byte, whichever tokenizer made them. The normalization
is taken from the reference dataset, which the track names: a submission cannot choose one that
shrinks or grows the denominator. It is computed from the published text, not from the tokens, so
that a disagreement of the two is detected.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.data.build.publishing import publish, staging
from harness.data.build.written_files import document_entry, file_entry
from harness.data.format.dataset import Dataset, check_dataset, document_starts, documents_of
from harness.data.format.documents import DocumentWriter
from harness.data.format.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    TextRule,
    load_manifest,
    totals_of,
)
from harness.data.format.reading import Progress, damaged
from harness.data.format.shards import Tokens, concatenated, read_shard
from harness.data.format.tokenizers import AnyTokenizer, difference, load_tokenizer
from harness.data.hub.pins import PINS_NAME, Pin, Pins
from harness.errors import InfrastructureError
from harness.safeio.files import disk_errors, write_atomically
from harness.safeio.parsing import problems_of

DOCUMENTS_PIN = "docs_raw.jsonl"
"""Under this name the texts of the validation documents are pinned, wherever they came from."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Local files to assemble; ``train_documents``: whether the train texts are wanted."""

    name: str
    train: list[Path]
    val: list[Path]
    tokenizer: Path
    source: str
    train_documents: bool = False


def assemble(
    parts: Parts,
    texts: Iterator[str],
    root: Path,
    pins: Pins,
    *,
    hold: Callable[[Pin], None],
    progress: Progress,
    note: Callable[[str], None],
) -> Dataset:
    """Make ``root/name`` of the parts, and let it replace an older one once everything is checked.

    Args:
        parts: the files; they are hard-linked where possible, else copied.
        texts: the published documents in order, validation first; read as far as needed.
        root: directory of the datasets.
        pins: written beside the manifest, with the digest of the validation documents added.
        hold: raises an error if a digest of the validation documents is not the pinned one.
        progress: called with the progress of each stage.
        note: called with a sentence on which text the tokens stand for.

    Raises:
        InfrastructureError: a file is damaged, the tokens are not those of the documents, or
            the disk is full.
    """
    with staging(root / parts.name) as directory:
        tokenizer_path = _bring(parts.tokenizer, directory, "tokenizer")
        tokenizer = load_tokenizer(directory / tokenizer_path)
        train = _shards(parts.train, directory, "train", tokenizer)
        val = _shards(parts.val, directory, "val", tokenizer)
        stream = concatenated([tokens for _, tokens in val])
        rule, entries = _documents(
            directory, stream, tokenizer, texts, progress=progress, note=note
        )
        pin = Pin(path=DOCUMENTS_PIN, bytes=entries[-1].bytes, sha256=entries[-1].sha256)
        hold(pin)
        if parts.train_documents:
            count = sum(int((tokens == tokenizer.bos_id).sum()) for _, tokens in train)
            entries.append(_train_documents(directory, count, texts, progress))
        files = (
            *(entry for entry, _ in (*train, *val)),
            file_entry(directory, tokenizer_path, "tokenizer"),
            *entries,
        )
        try:
            manifest = Manifest(
                name=parts.name,
                source=parts.source,
                text=rule,
                vocabulary_size=tokenizer.vocabulary_size,
                bos_id=tokenizer.bos_id,
                tokenizer=tokenizer_path,
                files=files,
                totals=totals_of(files),
            )
        except ValidationError as error:
            raise damaged(directory, problems=problems_of(error)) from error
        write_atomically(directory / MANIFEST_NAME, manifest.to_json())
        others = (each for each in pins.files if each.path != pin.path)
        pins = pins.model_copy(update={"files": (*others, pin)})
        write_atomically(directory / PINS_NAME, pins.to_json())
        # Read back from the disk: the check is about what was written, not about what was intended.
        manifest = load_manifest(directory / MANIFEST_NAME)
        check_dataset(Dataset(directory=directory, manifest=manifest), progress=progress)
        publish(directory, root / parts.name)
    return Dataset(directory=(root / parts.name).resolve(), manifest=manifest)


def _bring(path: Path, directory: Path, kind: Kind) -> str:
    """Hard-link a file where possible, because shards are large; else copy it."""
    relative = f"{FOLDERS[kind]}/{path.name}"
    place = directory / relative
    with disk_errors(place):
        try:
            os.link(path.resolve(), place)
        except OSError:
            shutil.copyfile(path, place)
        place.chmod(0o644)
    return relative


def _shards(
    paths: list[Path], directory: Path, kind: Kind, tokenizer: AnyTokenizer
) -> list[tuple[FileEntry, Tokens]]:
    found = []
    for path in paths:
        place = _bring(path, directory, kind)
        tokens = read_shard(directory / place, vocabulary_size=tokenizer.vocabulary_size)
        found.append((file_entry(directory, place, kind, tokens=len(tokens)), tokens))
    return found


def _documents(
    directory: Path,
    stream: Tokens,
    tokenizer: AnyTokenizer,
    texts: Iterator[str],
    *,
    progress: Progress,
    note: Callable[[str], None],
) -> tuple[TextRule, list[FileEntry]]:
    """Decide which text the tokens stand for, and write it; the published text is written last."""
    val, raw = directory / "docs_val.jsonl", directory / "docs_raw.jsonl"
    starts = document_starts(stream, tokenizer.bos_id, directory / FOLDERS["val"])
    inexact = 0
    first_inexact = not_normalized = ""
    with DocumentWriter(val) as normalized_file, DocumentWriter(raw) as raw_file:
        for number, tokens in enumerate(documents_of(stream, starts), start=1):
            text = next(texts, None)
            if text is None:
                raise InfrastructureError(
                    f"the documents end after {number - 1:,}; the validation shards hold "
                    f"{len(starts):,}",
                    remedy="these are not the documents of these shards: give other --documents",
                )
            normalized = tokenizer.normalized(text)
            problem = tokenizer.mismatch(tokens, text)
            if problem:
                inexact += 1
                first_inexact = first_inexact or f"document {number}, {problem}"
                problem = tokenizer.mismatch(tokens, normalized)
            elif text != normalized:
                problem = f"raw, though normalization changes it: {difference(normalized, text)}"
            not_normalized = not_normalized or (problem and f"document {number}, {problem}")
            if first_inexact and not_normalized:
                raise damaged(
                    directory / FOLDERS["val"],
                    "the tokens are neither the published documents nor what the tokenizer's own "
                    f"normalization makes of them: {not_normalized}",
                )
            normalized_file.write([normalized])
            raw_file.write([text])
            if number % 64 == 0 or number == len(starts):
                progress("comparing tokens with documents", number, len(starts))
    if not inexact:
        with disk_errors(val):
            raw.replace(val)
        raw_file.path = val
        note(f"all {len(starts):,} validation documents come back exactly from their tokens")
        return "raw", [document_entry(directory, raw_file, "docs_val")]
    note(
        f"{len(starts) - inexact:,} of {len(starts):,} validation documents come "
        f"back exactly from their tokens, the others after the tokenizer's own normalization "
        f"(the first: {first_inexact}); so bytes are counted of the normalized "
        f"text, {normalized_file.text_bytes:,}; as published they are {raw_file.text_bytes:,}"
    )
    return "normalized", [
        document_entry(directory, normalized_file, "docs_val"),
        document_entry(directory, raw_file, "docs_raw"),
    ]


def _train_documents(
    directory: Path, count: int, texts: Iterator[str], progress: Progress
) -> FileEntry:
    """The next ``count`` documents; the last shard may hold only a part of the last one."""
    with DocumentWriter(directory / "docs_train.jsonl") as file:
        for text in itertools.islice(texts, count):
            file.write([text])
            if file.documents % 1024 == 0:
                progress("writing train documents", file.documents, count)
    if file.documents < count:
        raise InfrastructureError(
            f"the documents end after {file.documents:,} for training; the shards hold {count:,}",
            remedy="these are not the documents of these shards: give other --documents",
        )
    return document_entry(directory, file, "docs_train")
