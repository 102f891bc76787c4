"""The manifest of a dataset: its files, their content, and its total size."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.data.format.reading import model_of
from harness.data.format.shards import TOKEN_LIMIT, shard_bytes
from harness.errors import UsageError
from harness.models import Exact
from harness.safeio.text import plain

MANIFEST_NAME = "manifest.json"
MANIFEST_BYTES_LIMIT = 16 << 20

Kind = Literal["train", "val", "tokenizer", "docs_train", "docs_val", "docs_raw"]
FOLDERS: dict[Kind, str] = {
    "train": "train",
    "val": "val",
    "tokenizer": "tokenizer",
    "docs_train": "",
    "docs_val": "",
    "docs_raw": "",
}
"""Where each kind must lie: a folder that is mounted may hold one kind only."""
DOCUMENTS: tuple[Kind, ...] = ("docs_train", "docs_val", "docs_raw")

TextRule = Literal["raw", "normalized"]
"""What text a dataset's validation bytes are counted of: the documents as they came, or what the
normalization of the dataset's own tokenizer makes of them."""

_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
RelativePath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$", max_length=200)]
Name = Annotated[str, Field(pattern=rf"^{_PART}$", max_length=100)]
LARGEST_COUNT = 1 << 50
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Bpb = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]


class FileEntry(Exact):
    """One file. Shards count tokens; document files count documents and bytes of text."""

    path: RelativePath
    kind: Kind
    bytes: Count
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tokens: Count | None = None
    documents: Count | None = None
    text_bytes: Count | None = None

    @model_validator(mode="after")
    def _agrees_with_its_kind(self) -> "FileEntry":
        folder = FOLDERS[self.kind]
        if PurePosixPath(self.path).parent != PurePosixPath(folder):
            place = f"in {folder}/" if folder else "at the top"
            raise ValueError(f"a file of kind {self.kind} must lie directly {place}")
        shard = self.kind in ("train", "val")
        if shard != (self.tokens is not None):
            raise ValueError("tokens must be given for shards, and for nothing else")
        if self.tokens is not None and self.bytes != shard_bytes(self.tokens):
            raise ValueError(
                f"{self.tokens} tokens need {shard_bytes(self.tokens)} bytes, not {self.bytes}"
            )
        raw = self.kind in DOCUMENTS
        if raw != (self.documents is not None) or raw != (self.text_bytes is not None):
            raise ValueError(
                "documents and text_bytes must be given for document files, and for nothing else"
            )
        return self


class Totals(Exact):
    """Sums over the files; bytes are UTF-8 bytes of the texts in ``docs_val``."""

    train_tokens: Count
    validation_tokens: Annotated[int, Field(gt=1, le=LARGEST_COUNT)]
    validation_documents: Annotated[int, Field(gt=0, le=LARGEST_COUNT)]
    validation_bytes: Annotated[int, Field(gt=0, le=LARGEST_COUNT)]


class Manifest(Exact):
    """A dataset's ``manifest.json``.

    Paths are relative to the dataset's directory and use ``/``; files of one kind are listed in the
    order of their stream. ``baselines`` maps count-based models to bits per byte.

    ``docs_val`` holds the text that bits per byte are measured against, and the tokens of every
    validation document decode to it exactly. Where ``text`` is ``normalized``, ``docs_val`` holds
    the published text after the normalization (NFKC, white space) of this dataset's own tokenizer,
    and ``docs_raw`` holds the published text. It is written once, when the dataset is made, so that
    it is the same for every submission: no tokenizer that a submission brings can change it.
    """

    format: Literal[1] = 1
    name: Name
    source: str = Field(min_length=1, max_length=1000)
    text: TextRule = "raw"
    vocabulary_size: int = Field(gt=1, le=TOKEN_LIMIT)
    bos_id: int = Field(ge=0)
    tokenizer: RelativePath
    files: tuple[FileEntry, ...] = Field(max_length=100_000)
    baselines: dict[Name, Bpb] = Field(default={})
    totals: Totals

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Manifest":
        if self.bos_id >= self.vocabulary_size:
            raise ValueError(f"bos_id {self.bos_id} is beyond the vocabulary")
        if len({entry.path for entry in self.files}) != len(self.files):
            raise ValueError("files: a path is listed twice")
        if [entry.path for entry in self.of_kind("tokenizer")] != [self.tokenizer]:
            raise ValueError("files: must list the tokenizer, and no other of kind tokenizer")
        if not self.of_kind("train") or not self.of_kind("val"):
            raise ValueError("files: must list at least one train and one val shard")
        if len(self.of_kind("docs_val")) != 1:
            raise ValueError("files: must list exactly one file of kind docs_val")
        raw = [entry.documents for entry in self.of_kind("docs_raw")]
        if raw != ([self.documents.documents] if self.text == "normalized" else []):
            raise ValueError(
                "files: must list one file of kind docs_raw, of as many documents as docs_val, "
                "where text is normalized, and none where it is raw"
            )
        found = totals_of(self.files)
        if found != self.totals:
            raise ValueError(
                "totals: do not agree with the files: "
                + ", ".join(
                    f"{key} is {stated}, the files add up to {getattr(found, key)}"
                    for key, stated in self.totals
                    if stated != getattr(found, key)
                )
            )
        return self

    def of_kind(self, kind: Kind) -> tuple[FileEntry, ...]:
        """The files of one kind, in order."""
        return tuple(entry for entry in self.files if entry.kind == kind)

    @property
    def documents(self) -> FileEntry:
        """The file of raw validation documents."""
        return self.of_kind("docs_val")[0]

    def canonical(self) -> bytes:
        """The content in canonical form: sorted keys, no white space."""
        content = self.model_dump(mode="json")
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    def to_json(self) -> bytes:
        """The content of ``manifest.json``."""
        return (self.model_dump_json(indent=2, exclude_none=True) + "\n").encode()


def totals_of(files: tuple[FileEntry, ...]) -> Totals:
    """The sums over the files; constructed without validation, to be compared even if wrong."""

    def total(kind: Kind, field: Literal["tokens", "documents", "text_bytes"]) -> int:
        return sum(getattr(entry, field) or 0 for entry in files if entry.kind == kind)

    return Totals.model_construct(
        train_tokens=total("train", "tokens"),
        validation_tokens=total("val", "tokens"),
        validation_documents=total("docs_val", "documents"),
        validation_bytes=total("docs_val", "text_bytes"),
    )


def check_name(name: str) -> None:
    """Refuse a name that no dataset, and so no directory of one, can have.

    Raises:
        UsageError: it is empty, too long, hidden, or has characters that are not allowed in a name.
    """
    if len(name) > 100 or not re.fullmatch(_PART, name):
        raise UsageError(
            f"dataset {plain(name, 200)!r}: not a name; at most 100 letters, digits, '_', '.' and "
            "'-', of which the first is a letter or a digit"
        )


def load_manifest(path: Path) -> Manifest:
    """Read and validate a manifest.

    Raises:
        InfrastructureError: missing, not JSON, or a key is unknown, missing or makes no sense;
            the message names the file and each field.
    """
    return model_of(Manifest, path, limit_bytes=MANIFEST_BYTES_LIMIT)
