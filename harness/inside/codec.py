"""The codec inside a sandbox: loads a tokenizer that is code, and encodes or decodes documents.

It runs beside untrusted code, so nothing it sends is trusted: the harness bounds every answer,
checks every id and compares every text itself. The wire format lives here, and the harness imports
it from here, so that both sides agree.

``make(model)`` is called once; then so many servers are forked as the harness asked for, each with
a connection of its own. A server reads a lot of documents and forks a process for each, which
answers and ends: whatever an honest tokenizer remembers of a document is gone with it. Nothing
rests on that, since the tokenizer's own code could undo it; what the harness rests on is that it
asks again elsewhere, in another order.
"""

import argparse
import array
import gc
import importlib
import os
import resource
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

MAGIC = 0x31434F44  # "DOC1"
READY = struct.Struct("<IIII")
"""Magic, status, size of the vocabulary, id of BOS; zeros where the tokenizer has no such thing."""
LOT = struct.Struct("<III")
"""Magic, what is to be done, number of documents; then their sizes as uint32, then their contents.

That is a text in UTF-8 for ``ENCODE``, ids as little-endian uint16 for ``DECODE``, and two texts
for ``ENCODE_EITHER``, the size of the first before it. A lot without documents is a goodbye."""
FIRST = struct.Struct("<I")
ANSWER = struct.Struct("<IIIQ")
"""Magic, place in the lot, status, bytes that follow: ids, or a text. With a status that is not
``OK`` none follow, but for ``DIED``: how the process ended, as a text."""
ENCODE, DECODE, ENCODE_EITHER = 1, 2, 3
LARGEST_VOCABULARY = 1 << 16
(
    OK,
    LOAD_FAILED,
    NO_METHODS,
    NO_VOCABULARY,
    NO_BOS,
    RAISED,
    WRONG_TYPE,
    BEYOND,
    SURROGATE,
    MEMORY,
    DIED,
) = range(11)
_ANSWERED = 77  # the exit code of a process that has answered: a plain exit would be a 0


def main() -> int:
    """Connect, load, serve until the goodbye. Started by the harness; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--make", required=True, help="module:function")
    parser.add_argument("--model", help="a file in the working directory")
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--memory", type=int, help="bytes that one process may have")
    options = parser.parse_args()
    if options.memory:
        _limit(options.memory)
    channel = _connected(options.socket)
    status, tokenizer, vocabulary, bos = _loaded(options.make, options.model)
    ready = READY.pack(MAGIC, status, vocabulary, bos)
    channel.sendall(ready)
    if status != OK:
        return 1
    gc.collect()
    gc.freeze()  # so that a process that is forked copies as few pages as can be
    servers = []
    for _ in range(1, options.servers):
        server = os.fork()
        if server == 0:
            channel.close()
            channel = _connected(options.socket)
            channel.sendall(ready)
            _serve(channel, tokenizer)
        servers.append(server)
    child = os.fork()
    if child == 0:
        _serve(channel, tokenizer)
    channel.close()
    ends = [os.waitpid(server, 0)[1] for server in (child, *servers)]
    return 1 if any(ends) else 0


def _connected(path: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(path)
    return channel


def _limit(memory: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _loaded(make: str, model: str | None) -> tuple[int, Any, int, int]:
    """Status, tokenizer, size of the vocabulary, id of BOS."""
    try:
        sys.path[0] = str(Path.cwd())  # not beside this file
        module, _, function = make.partition(":")
        path = None if model is None else Path.cwd() / model
        tokenizer = getattr(importlib.import_module(module), function)(path)
        methods = (getattr(tokenizer, name, None) for name in ("encode", "decode"))
        if not all(map(callable, methods)):
            return NO_METHODS, None, 0, 0
        size = _number(tokenizer, "vocabulary_size")
        if not 2 <= size <= LARGEST_VOCABULARY:
            print(f"vocabulary_size is {size}", file=sys.stderr)
            return NO_VOCABULARY, None, 0, 0
        bos = _number(tokenizer, "bos_id")
        if not 0 <= bos < size:
            print(f"bos_id is {bos}, of {size} ids", file=sys.stderr)
            return NO_BOS, None, 0, 0
    except MemoryError:
        return MEMORY, None, 0, 0
    except BaseException:  # noqa: BLE001 - whatever it raises, the harness must hear of it
        traceback.print_exc()
        return LOAD_FAILED, None, 0, 0
    return OK, tokenizer, size, bos


def _number(tokenizer: Any, name: str) -> int:
    value = getattr(tokenizer, name, -1)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        print(f"{name} is {value!r:.100}", file=sys.stderr)
        return -1
    return int(value)


def _serve(channel: socket.socket, tokenizer: Any) -> NoReturn:
    """Answer lots until the goodbye, with a process for each document."""
    while True:
        _, what, count = LOT.unpack(_exactly(channel, LOT.size))
        if count == 0:
            os._exit(0)
        sizes = array.array("I")
        sizes.frombytes(_exactly(channel, count * sizes.itemsize))
        contents = [_exactly(channel, size) for size in sizes]
        for place, content in enumerate(contents):
            child = os.fork()
            if child == 0:
                _answer(channel, tokenizer, what, place, content)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if ended != _ANSWERED:
                how = f"signal {-ended}" if ended < 0 else f"exit code {ended}"
                _send(channel, place, DIED, how.encode())


def _answer(
    channel: socket.socket, tokenizer: Any, what: int, place: int, content: bytearray
) -> NoReturn:
    """Encode or decode one document, send the answer, and end; nothing else happens here."""
    code = 1
    try:
        status, answer = _result(tokenizer, what, content)
        _send(channel, place, status, answer)
        code = _ANSWERED
    finally:
        os._exit(code)


def _result(tokenizer: Any, what: int, content: bytearray) -> tuple[int, bytes]:
    try:
        if what == ENCODE:
            return _packed(tokenizer.encode(content.decode()))
        if what == ENCODE_EITHER:
            end = FIRST.size + FIRST.unpack_from(content)[0]
            first, second = content[FIRST.size : end].decode(), content[end:].decode()
            return _packed(tokenizer.encode_either(first, second))
        ids = array.array("H")
        ids.frombytes(content)
        text = tokenizer.decode(ids.tolist())
        if not isinstance(text, str):
            print(f"expected a str, got {type(text)}", file=sys.stderr)
            return WRONG_TYPE, b""
        return _written(text)
    except MemoryError:
        return MEMORY, b""
    except BaseException:  # noqa: BLE001 - as where it is loaded
        traceback.print_exc()
        return RAISED, b""


def _written(text: str) -> tuple[int, bytes]:
    try:
        return OK, text.encode()
    except UnicodeEncodeError:
        return SURROGATE, b""


def _packed(ids: Any) -> tuple[int, bytes]:
    """Ids as little-endian uint16, whatever sequence of integers they are."""
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    try:
        packed = array.array("H", list(ids))  # of bytes, each would be half an id
    except OverflowError:
        return BEYOND, b""
    except (TypeError, ValueError):
        print(f"expected a sequence of ids, got {type(ids)}", file=sys.stderr)
        return WRONG_TYPE, b""
    return OK, packed.tobytes()


def _send(channel: socket.socket, place: int, status: int, answer: bytes) -> None:
    channel.sendall(ANSWER.pack(MAGIC, place, status, len(answer)) + answer)


def _exactly(channel: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    view = memoryview(content)
    done = 0
    while done < size:
        count = channel.recv_into(view[done:])
        if count == 0:
            os._exit(0)  # the harness closed the channel
        done += count
    return content


if __name__ == "__main__":
    sys.exit(main())
