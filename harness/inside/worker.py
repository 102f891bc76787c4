"""The worker inside the score sandbox: loads the submission's model and answers requests.

This one file is all of ours that the sandbox holds. It runs beside untrusted code, so nothing it
sends is trusted: the harness checks every message and copies every logit before use. The wire
format lives here, and the harness imports it from here, so that both sides agree.

A message is one fixed-size struct on a Unix stream socket. Tokens and logits pass through two
shared memories whose descriptors come with HELLO: ``slots`` areas of int64 tokens [B, L] and of
logits [B, L - first, V], in float32, bfloat16 or float16 as the REPLY says.
"""

import argparse
import array
import importlib
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = 0x31464C47  # "GLF1"
HELLO, READY, REQUEST, REPLY, CLOSE, OBSERVE = range(6)
OK, LOAD_FAILED, MODEL_FAILED, WRONG_TYPE, WRONG_SHAPE, NO_OBSERVE, OBSERVE_FAILED = range(7)
# What logits cross in, by the code in a REPLY; an area has room for the first.
FLOAT32 = 1
DTYPES = {FLOAT32: "float32", 2: "bfloat16", 3: "float16"}
_STRUCT = struct.Struct("<IIIIQIIIII")
MESSAGE_BYTES = _STRUCT.size
LENGTH = struct.Struct("<Q")


class Message(NamedTuple):
    """One control message; fields that its kind does not use are 0.

    HELLO: ``slot`` = number of slots, ``windows`` = most windows in a request, ``length`` and
    ``first`` = high and low half of the bytes of a logits slot. OBSERVE: ``length`` tokens in
    slot 0. REPLY repeats its REQUEST or OBSERVE; ``dtype`` says what its logits are in.
    """

    kind: int
    status: int = 0
    vocabulary: int = 0
    serial: int = 0
    slot: int = 0
    windows: int = 0
    length: int = 0
    first: int = 0
    dtype: int = 0

    def pack(self) -> bytes:
        """The message as bytes."""
        return _STRUCT.pack(MAGIC, *self)

    @classmethod
    def unpack(cls, content: bytes) -> "Message":
        """The message in ``content``; ValueError when the magic number is not ours."""
        magic, *fields = _STRUCT.unpack(content)
        if magic != MAGIC:
            raise ValueError("not a message of this protocol")
        return cls(*fields)


def main() -> int:
    """Connect, load, answer until CLOSE. Started by the harness; see ``--help``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--load", required=True, help="module:function")
    parser.add_argument("--artifact", required=True, type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--adaptive", action="store_true", help="the model must have observe()")
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--describe", help="module:function; list the artifact's tensors instead")
    parser.add_argument("--checkpoint", type=Path)
    options = parser.parse_args()
    if options.describe:
        return _describe(options)
    if options.index is None and options.workers > 1:
        return _fan_out(options.workers)
    return _serve(options, index=options.index or 0)


def _describe(options: argparse.Namespace) -> int:
    """Send the submission's description of its artifact: a length, then JSON; 0: it raised."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(options.socket)
    try:
        describe = _imported(options.describe)
        content = json.dumps(describe(options.artifact, options.checkpoint)).encode()
    except BaseException:  # noqa: BLE001 - as in _serve
        traceback.print_exc()
        content = b""
    channel.sendall(LENGTH.pack(len(content)) + content)
    return 0


def _fan_out(workers: int) -> int:
    """Start one process for each device; the phase ends when all have ended."""
    command = [sys.executable, *sys.argv]
    children = [subprocess.Popen([*command, "--index", str(index)]) for index in range(workers)]
    return max(child.wait() for child in children)


def _serve(options: argparse.Namespace, *, index: int) -> int:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(options.socket)
    content, descriptors = _receive_hello(channel)
    hello = Message.unpack(content)
    token_memory, logit_memory = (
        mmap.mmap(descriptor, os.fstat(descriptor).st_size) for descriptor in descriptors
    )
    token_bytes = len(token_memory) // hello.slot
    logit_bytes = (hello.length << 32) + hello.first

    import torch

    device = torch.device(f"cuda:{index}" if options.device == "cuda" else "cpu")
    try:
        model = _imported(options.load)(options.artifact, device)
    # Whatever untrusted code raises, the harness must receive it as an answer.
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        channel.sendall(Message(READY, status=LOAD_FAILED).pack())
        return 1
    if options.adaptive and not callable(getattr(model, "observe", None)):
        channel.sendall(Message(READY, status=NO_OBSERVE).pack())
        return 1
    channel.sendall(Message(READY).pack())
    while True:
        request = Message.unpack(_receive(channel))
        if request.kind == CLOSE:
            return 0
        if request.kind == OBSERVE:
            observed = torch.frombuffer(token_memory, dtype=torch.int64, count=request.length)
            status = OK
            try:
                # Not under no_grad: this call is meant for learning from what was scored.
                model.observe(observed.to(device, copy=True))
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
                status = OBSERVE_FAILED
            channel.sendall(request._replace(kind=REPLY, status=status).pack())
            continue
        shape = (request.windows, request.length)
        tokens = torch.frombuffer(
            token_memory,
            dtype=torch.int64,
            count=shape[0] * shape[1],
            offset=request.slot * token_bytes,
        ).view(shape)
        expected = (request.windows, request.length - request.first, hello.vocabulary)
        try:
            with torch.no_grad():
                logits = model(tokens.to(device, copy=True), request.first)
            status, dtype = _complaint(logits, expected), 0
            if status == OK:
                dtype = _crosses_in(logits)
                torch.frombuffer(
                    logit_memory,
                    dtype=getattr(torch, DTYPES[dtype]),
                    count=expected[0] * expected[1] * expected[2],
                    offset=request.slot * logit_bytes,
                ).view(expected).copy_(logits)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            status, dtype = MODEL_FAILED, 0
        channel.sendall(request._replace(kind=REPLY, status=status, dtype=dtype).pack())


def _imported(name: str) -> Any:
    """Import ``module:function`` from the working directory, not from beside this file."""
    sys.path[0] = str(Path.cwd())
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _complaint(logits: Any, expected: tuple[int, int, int]) -> int:
    import torch

    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        print(f"expected a floating point tensor of logits, got {type(logits)}", file=sys.stderr)
        return WRONG_TYPE
    if tuple(logits.shape) != expected:
        print(f"expected logits {expected}, got {tuple(logits.shape)}", file=sys.stderr)
        return WRONG_SHAPE
    return OK


def _crosses_in(logits: Any) -> int:
    """The code of the logits' own type, or of float32, to which any other is converted."""
    import torch

    codes = {getattr(torch, name): code for code, name in DTYPES.items()}
    return codes.get(logits.dtype, FLOAT32)


def _receive(channel: socket.socket) -> bytes:
    content = b""
    while len(content) < MESSAGE_BYTES:
        chunk = channel.recv(MESSAGE_BYTES - len(content))
        if not chunk:
            raise SystemExit("the harness closed the channel")
        content += chunk
    return content


def _receive_hello(channel: socket.socket) -> tuple[bytes, list[int]]:
    descriptors = array.array("i")
    content, ancillary, _, _ = channel.recvmsg(
        MESSAGE_BYTES, socket.CMSG_SPACE(2 * descriptors.itemsize), 0
    )
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data)
    return content, list(descriptors)


if __name__ == "__main__":
    sys.exit(main())
