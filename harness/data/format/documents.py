"""Raw documents: files of JSON objects, one per line, each with its text under ``text``.

A byte order mark before the first line and empty lines after the last one are left out.
"""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from harness.data.format.reading import damaged, reading, regular_file_bytes
from harness.safeio.decoding import NotUtf8Error, decoded
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

    def __init__(self, paths: Sequence[Path], *, own: bool = False) -> None:
        """Check the files; no document is read yet.

        Args:
            paths: of the files, in order.
            own: whether the user named them, so that what is wrong with them is a UsageError.

        Raises:
            InfrastructureError: a file is missing, or not a regular file.
        """
        self._files = [(path, regular_file_bytes(path, own=own)) for path in paths]
        self._own = own
        self._done = 0

    def position(self) -> tuple[int, int]:
        """How many bytes on disk the latest reader has read, and how many there are in all."""
        return self._done, sum(size for _, size in self._files)

    def __iter__(self) -> Iterator[str]:
        before, own = 0, self._own
        for path, size in self._files:
            with reading(path, own=own), open_named(path) as file, unpacked(path, file) as lines:
                for number, line in numbered_lines(path, lines, own=own):
                    self._done = before + min(file.tell(), size)
                    yield text_of(path, number, line, own=own)
            before += size
            self._done = before


@contextlib.contextmanager
def unpacked(path: Path, file: IO[bytes]) -> Iterator[IO[bytes]]:
    """An open file of documents as it is read: decompressed, where its name says so."""
    if path.suffix != GZIP_SUFFIX:
        yield file
        return
    with gzip.GzipFile(fileobj=file) as inner:
        yield inner  # type: ignore[misc]  # reads as any binary file does


def numbered_lines(
    path: Path, file: IO[bytes], *, own: bool = False
) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, from 1; empty lines after the last document are left out.

    Raises:
        InfrastructureError: a line is too long or empty, or the file is no whole gzip file; a
            UsageError where it is the user's ``own``.
    """
    number, empty = 0, 0
    while True:
        number += 1
        try:
            line = file.readline(LINE_BYTES_LIMIT)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise damaged(path, f"not a whole gzip file: {error}", own=own, line=number) from error
        if not line:
            return
        if len(line) == LINE_BYTES_LIMIT:
            raise damaged(path, f"longer than {LINE_BYTES_LIMIT} bytes", own=own, line=number)
        if not line.strip():
            empty = empty or number
            continue
        if empty:
            problem = f"an empty line between documents; expected one such as {_EXAMPLE}"
            raise damaged(path, problem, own=own, line=empty)
        yield number, line


_EXAMPLE = '{"text": "A document."}'


def text_of(path: Path, number: int, line: bytes, *, own: bool = False) -> str:
    """The text in one line of a file of documents.

    Raises:
        InfrastructureError: the line is not such an object; the message names file and line. A
            UsageError where the file is the user's ``own``.
    """
    try:
        value: Any = json.loads(decoded(line) if number == 1 else line.decode())
    except NotUtf8Error as error:
        raise damaged(path, str(error), own=own, line=number) from error
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 at byte {error.start} of the line; save the file as UTF-8"
        raise damaged(path, problem, own=own, line=number) from error
    except (ValueError, RecursionError) as error:
        problem = f"not valid JSON; expected an object such as {_EXAMPLE}"
        raise damaged(path, problem, own=own, line=number) from error
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        problem = f'expected an object with a string under "text", such as {_EXAMPLE}'
        raise damaged(path, problem, own=own, line=number)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"character {error.start} of the text is half a surrogate pair"
        raise damaged(path, problem, own=own, line=number) from error
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
