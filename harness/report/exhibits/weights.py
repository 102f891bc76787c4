"""What lies in an artifact, where it says so itself in a form that can be read without running it.

An artifact is a stranger's file. It is never unpickled, and no more of it is read or unpacked than
``_MOST_HEADER_BYTES`` for its directory. Four forms are known: safetensors, zip (``torch.save``,
``numpy.savez``), and a short mark followed by a directory in JSON, compressed with zlib or
Zstandard, either with the tensors behind it in one stream or with a frame of its own for each.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy
import zstandard

from harness.errors import SubmissionError
from harness.evidence.store import RunDirectory
from harness.report.exhibits.model import MOST_TENSORS, NAME_LIMIT, Tensor, Weights
from harness.safeio.parsing import parse_json
from harness.safeio.reading import open_inside
from harness.safeio.text import plain

_MOST_HEADER_BYTES = 4 << 20
_MOST_ENTRIES = 20_000
_MOST_DIMENSIONS = 16
_ZIP_END_BYTES = 22 + 65_535
_LONGEST_MARK = 16
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_LARGEST = 1 << 50

NOT_READABLE = "its form is none that can be read without running its code"
NOT_THERE = "it is not there any more"


def weights_of(directory: RunDirectory, name: PurePath) -> Weights | str:
    """The tensors of an artifact, or a sentence on why they cannot be told.

    Args:
        directory: of the verification.
        name: of the file, below that directory.
    """
    try:
        with open_inside(directory.path, name) as file:
            return _read(file) or NOT_READABLE
    except OSError:
        return NOT_THERE
    except _UNREADABLE:
        return NOT_READABLE


_UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError, MemoryError),
    *(RuntimeError, SubmissionError),
    *(zipfile.BadZipFile, zlib.error, zstandard.ZstdError),
)


def _read(file: io.BufferedReader) -> Weights | None:
    start = file.read(_LONGEST_MARK + 8)
    file.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return _of_zip(file)
    if (length := int.from_bytes(start[:8], "little")) <= _MOST_HEADER_BYTES and start[8:9] == b"{":
        file.seek(8)
        return _of_safetensors(_json(file.read(length)))
    for skipped in range(_LONGEST_MARK + 1):
        rest = start[skipped:]
        if rest[:1] == b"\x78" and int.from_bytes(rest[:2], "big") % 31 == 0:
            file.seek(skipped)
            return _of_stream(file)
        if rest.startswith(_ZSTANDARD):
            file.seek(skipped)
            return _of_frames(file)
    return None


def _json(content: bytes) -> Any:
    return parse_json(content, limit_bytes=_MOST_HEADER_BYTES)


def _of_zip(file: io.BufferedReader) -> Weights | None:
    """Sizes by the archive's own list, which may be no longer than any other directory."""
    end = max(file.seek(0, io.SEEK_END) - _ZIP_END_BYTES, 0)
    file.seek(end)
    tail = file.read(_ZIP_END_BYTES)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or int.from_bytes(tail[place + 12 : place + 16], "little") > _MOST_HEADER_BYTES:
        return None
    entries = zipfile.ZipFile(file).infolist()[:_MOST_ENTRIES]
    found = [(entry.filename, "file in it", entry.compress_size) for entry in entries]
    return _weights("zip", found, compressed=False)


def _of_safetensors(directory: Any) -> Weights | None:
    found = []
    for name, told in directory.items():
        if name != "__metadata__":
            begin, end = told["data_offsets"]
            found.append((name, str(told["dtype"]), int(end) - int(begin)))
    return _weights("safetensors", found, compressed=False)


def _of_stream(file: io.BufferedReader) -> Weights | None:
    """zlib of a line of JSON ``{"tensors": {name: [type, shape]}}`` and the tensors behind it."""
    unpacker, head = zlib.decompressobj(), b""
    while b"\n" not in head and len(head) < _MOST_HEADER_BYTES and (piece := file.read(1 << 16)):
        head += unpacker.decompress(piece, _MOST_HEADER_BYTES - len(head))
    tensors = _json(head.partition(b"\n")[0])["tensors"]
    found = [
        (name, str(told[0]), math.prod(map(int, told[1][:_MOST_DIMENSIONS])) * _item_bytes(told[0]))
        for name, told in tensors.items()
    ]
    return _weights("zlib of a directory and tensors", found, compressed=True)


def _of_frames(file: io.BufferedReader) -> Weights | None:
    """A frame of JSON ``{"tensors": {name: [type, ..., bytes]}}``, then a frame for each tensor."""
    head = zstandard.ZstdDecompressor().stream_reader(file).read(_MOST_HEADER_BYTES)
    tensors = _json(head)["tensors"]
    found = [(name, str(told[0]), int(told[-1])) for name, told in tensors.items()]
    return _weights("a frame for each tensor", found, compressed=False)


def _item_bytes(kind: str) -> int:
    """Bytes of one number of a type, as NumPy spells it: ``<f4``, ``|i1``."""
    return numpy.dtype(kind).itemsize


def _weights(form: str, found: list[tuple[str, str, int]], *, compressed: bool) -> Weights | None:
    tensors = sorted(_checked(found), key=lambda tensor: -tensor.stored_bytes)
    if not tensors:
        return None
    left = tensors[MOST_TENSORS:]
    return Weights(
        format=form,
        compressed=compressed,
        tensors=tuple(tensors[:MOST_TENSORS]),
        left_out=len(left),
        left_out_bytes=sum(tensor.stored_bytes for tensor in left),
    )


def _checked(found: list[tuple[str, str, int]]) -> Iterator[Tensor]:
    for name, kind, size in found[:_MOST_ENTRIES]:
        if not 0 <= size < _LARGEST:
            raise ValueError("a tensor of an impossible size")
        yield Tensor(name=plain(name, NAME_LIMIT), kind=plain(kind, NAME_LIMIT), stored_bytes=size)
