"""The part of protocol buffers that SentencePiece's model files use.

It is short and pure Python, so that an untrusted file can be parsed without a C++ library.
"""

import struct
from collections.abc import Iterator

_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
_LARGEST_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes are no valid message."""


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field, in order: an int for a varint, else the raw bytes.

    Raises:
        WireError: a field is cut short, or has a wire type that current messages do not use.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(message, at)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise WireError(f"a field of wire type {kind}")
        if size > len(message) - at:
            raise WireError("a field is cut short")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LARGEST_VARINT_BYTES):
        if at + place >= len(message):
            raise WireError("a number is cut short")
        byte = message[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise WireError("a number of more than ten bytes")


def number_field(number: int, value: int) -> bytes:
    """Encode a field that holds an integer (at least 0), an enum or a bool."""
    return _written(number << 3 | _VARINT) + _written(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Encode a field that holds bytes, a text in UTF-8, or a message."""
    return _written(number << 3 | _LENGTH) + _written(len(value)) + value


def float_field(number: int, value: float) -> bytes:
    """Encode a field that holds a float32."""
    return _written(number << 3 | _FOUR) + struct.pack("<f", value)


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
