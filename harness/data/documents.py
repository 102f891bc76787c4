"""Raw documents: a file of JSON objects, one a line, each with its text under ``text``."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.data.reading import damaged, reading, regular_file_bytes
from harness.storage import write_atomically

LINE_BYTES_LIMIT = 256 << 20


def write_documents(path: Path, texts: Iterable[str]) -> None:
    """Write ``texts`` one a line, in order, atomically.

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair, which UTF-8 cannot carry.
        InfrastructureError: the disk is full or the directory is not writable.
    """
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    write_atomically(path, "".join(lines).encode())


def read_documents(path: Path) -> Iterator[str]:
    """The texts, in order, one line in memory at a time; keys besides ``text`` are ignored.

    Every text can be encoded as UTF-8.

    Raises:
        InfrastructureError: a line is not such an object; the message names file and line.
    """
    regular_file_bytes(path)
    with reading(path), path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES_LIMIT):
            number += 1
            if len(line) == LINE_BYTES_LIMIT:
                raise damaged(path, f"line {number}: longer than {LINE_BYTES_LIMIT} bytes")
            yield _text_of(path, number, line)


def _text_of(path: Path, number: int, line: bytes) -> str:
    try:
        value: Any = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"line {number}: not valid JSON in UTF-8") from error
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise damaged(path, f'line {number}: expected an object with a string under "text"')
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise damaged(
            path, f"line {number}: character {error.start} of the text is half a surrogate pair"
        ) from error
    return text


def text_bytes(text: str) -> int:
    """UTF-8 bytes of a text: what bits per byte are measured against."""
    return len(text.encode())


def first_difference(expected: str, found: str) -> int:
    """Index of the first character at which two different texts part."""
    for index, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            return index
    return min(len(expected), len(found))
