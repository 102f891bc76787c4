"""Raw documents: files of JSON objects, one per line, each with its text under ``text``."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from harness.data.format.reading import damaged, reading, regular_file_bytes
from harness.safeio.files import writing_atomically
from harness.safeio.reading import open_named

LINE_BYTES_LIMIT = 256 << 20
GZIP_SUFFIX = ".gz"


class DocumentWriter:
    """Writes documents one per line, in order; the file appears whole at the end of the block.

    Args:
        path: the file.
        wanted: whether to write at all, for callers that only sometimes do.

    Attributes:
        documents: how many were written.
        text_bytes: UTF-8 bytes of their texts.

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair, which UTF-8 cannot encode.
        InfrastructureError: the disk is full or the directory is not writable.
    """

    def __init__(self, path: Path, *, wanted: bool = True) -> None:
        self.path = path
        self.documents = 0
        self.text_bytes = 0
        self._file: IO[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._wanted = wanted

    def __enter__(self) -> "DocumentWriter":
        if self._wanted:
            self._file = self._stack.enter_context(writing_atomically(self.path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, texts: Iterable[str]) -> None:
        """Append some documents."""
        if self._file is None:
            return
        for text in texts:
            line = json.dumps({"text": text}, ensure_ascii=False) + "\n"
            self._file.write(line.encode())
            self.documents += 1
            self.text_bytes += text_bytes(text)


def write_documents(path: Path, texts: Iterable[str]) -> None:
    """Write ``texts`` one per line, in order, atomically; errors as in :class:`DocumentWriter`."""
    with DocumentWriter(path) as file:
        file.write(texts)


def read_documents(path: Path) -> Iterator[str]:
    """The texts, in order, one line in memory at a time; keys besides ``text`` are ignored.

    Every text returned can be encoded as UTF-8. A file whose name ends in ``.gz`` is decompressed.

    Raises:
        InfrastructureError: a line is not such an object; the message names file and line.
    """
    return iter(DocumentFiles([path]))


class DocumentFiles:
    """The texts of several files of documents, one file after the other, read lazily.

    Lines are read as by :func:`read_documents`, one in memory at a time.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Check the files; no document is read yet.

        Raises:
            InfrastructureError: a file is missing, or not a regular file.
        """
        self._files = [(path, regular_file_bytes(path)) for path in paths]
        self._done = 0

    def position(self) -> tuple[int, int]:
        """How many bytes on disk the latest reader has read, and how many there are in all."""
        return self._done, sum(size for _, size in self._files)

    def __iter__(self) -> Iterator[str]:
        before = 0
        for path, size in self._files:
            with reading(path), open_named(path) as file, _unpacked(path, file) as lines:
                for number, line in enumerate(_lines(path, lines), start=1):
                    self._done = before + min(file.tell(), size)
                    yield text_of(path, number, line)
            before += size
            self._done = before


@contextlib.contextmanager
def _unpacked(path: Path, file: IO[bytes]) -> Iterator[IO[bytes]]:
    if path.suffix != GZIP_SUFFIX:
        yield file
        return
    with gzip.GzipFile(fileobj=file) as unpacked:
        yield unpacked  # type: ignore[misc]  # reads as any binary file does


def _lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    number = 0
    while True:
        number += 1
        try:
            line = file.readline(LINE_BYTES_LIMIT)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise damaged(path, f"not a whole gzip file: {error}", line=number) from error
        if not line:
            return
        if len(line) == LINE_BYTES_LIMIT:
            raise damaged(path, f"longer than {LINE_BYTES_LIMIT} bytes", line=number)
        yield line


def text_of(path: Path, number: int, line: bytes) -> str:
    """The text in one line of a file of documents.

    Raises:
        InfrastructureError: the line is not such an object; the message names file and line.
    """
    try:
        value: Any = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(path, "not valid JSON in UTF-8", line=number) from error
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise damaged(path, 'expected an object with a string under "text"', line=number)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise damaged(
            path,
            f"character {error.start} of the text is half a surrogate pair",
            line=number,
        ) from error
    return text


def text_bytes(text: str) -> int:
    """UTF-8 bytes of a text, against which bits per byte are measured."""
    return len(text.encode())


def first_difference(expected: str, found: str) -> int:
    """Index of the first character at which two different texts differ."""
    for index, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            return index
    return min(len(expected), len(found))
