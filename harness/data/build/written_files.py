"""Files of a dataset that is being made, each with its entry in the manifest."""

from pathlib import Path

import numpy as np

from harness.data.format.documents import DocumentWriter
from harness.data.format.manifest import (
    FOLDERS,
    FileEntry,
    Kind,
)
from harness.data.format.shards import Tokens, write_shard
from harness.safeio.files import sha256_of


class ShardsWriter:
    """Cuts a stream of tokens into shards."""

    def __init__(self, directory: Path, kind: Kind, shard_tokens: int) -> None:
        self.directory = directory
        self.kind: Kind = kind
        self.shard_tokens = shard_tokens
        self.waiting: list[Tokens] = []
        self.waiting_tokens = 0
        self.entries: list[FileEntry] = []

    def write(self, tokens: Tokens) -> None:
        """Append tokens to the stream."""
        while self.waiting_tokens + len(tokens) >= self.shard_tokens:
            room = self.shard_tokens - self.waiting_tokens
            self.waiting.append(tokens[:room])
            self._flush()
            tokens = tokens[room:]
        if len(tokens):
            self.waiting.append(tokens)
            self.waiting_tokens += len(tokens)

    def close(self) -> list[FileEntry]:
        """Finish, and return the shards: at least one, even if it is empty."""
        if self.waiting or not self.entries:
            self._flush()
        return self.entries

    def _flush(self) -> None:
        path = f"{FOLDERS[self.kind]}/fineweb_{self.kind}_{len(self.entries):06d}.bin"
        tokens = np.concatenate([np.empty(0, dtype=np.uint16), *self.waiting])
        write_shard(self.directory / path, tokens)
        self.entries.append(file_entry(self.directory, path, self.kind, tokens=len(tokens)))
        self.waiting, self.waiting_tokens = [], 0


def file_entry(
    directory: Path,
    path: str,
    kind: Kind,
    *,
    tokens: int | None = None,
    documents: int | None = None,
    text_bytes: int | None = None,
) -> FileEntry:
    """The manifest entry of an existing file."""
    return FileEntry(
        path=path,
        kind=kind,
        bytes=(directory / path).stat().st_size,
        sha256=sha256_of(directory / path),
        tokens=tokens,
        documents=documents,
        text_bytes=text_bytes,
    )


def document_entry(directory: Path, written: DocumentWriter, kind: Kind) -> FileEntry:
    """The manifest entry of a file of documents that was just written."""
    return file_entry(
        directory,
        written.path.name,
        kind,
        documents=written.documents,
        text_bytes=written.text_bytes,
    )
