"""The worker inside the score sandbox: loads the submission's model and answers requests.

This one file is all of ours that the sandbox holds. It runs beside untrusted code, so nothing it
sends is trusted: the harness checks every message and copies every logit before use. The wire
format lives here, and the harness imports it from here, so that both sides agree.

A message is one fixed-size struct on a Unix stream socket. Tokens and logits pass through two
shared memories whose descriptors come with HELLO: ``slots`` areas of int64 numbers, tokens [B, L]
first, and of logits [B, P, V], in float32, bfloat16 or float16 as the REPLY says.
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
import tempfile
import traceback
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = 0x31464C47  # "GLF1"
HELLO, READY, REQUEST, REPLY, CLOSE, OBSERVE, ASK_ROWS, OBSERVE_ROWS, RESET, STUDY = range(10)
DEMAND, SEALED = 10, 11
OK, LOAD_FAILED, MODEL_FAILED, WRONG_TYPE, WRONG_SHAPE = range(5)
NO_OBSERVE, NO_RESET, NO_STUDY, OBSERVE_FAILED, RESET_FAILED, STUDY_FAILED = range(5, 11)
SCRIPT_FAILED, NEVER_READ, NEVER_CALLED, NO_MODEL, NOT_DRIVEN = range(11, 16)
_LACKS = {"observe": NO_OBSERVE, "reset": NO_RESET, "study": NO_STUDY}
_TELLS = {
    OBSERVE: OBSERVE_FAILED,
    OBSERVE_ROWS: OBSERVE_FAILED,
    RESET: RESET_FAILED,
    STUDY: STUDY_FAILED,
}
# What logits cross in, by the code in a REPLY; an area has room for the first.
FLOAT32 = 1
DTYPES = {FLOAT32: "float32", 2: "bfloat16", 3: "float16"}
_STRUCT = struct.Struct("<IIIIQIIIII")
MESSAGE_BYTES = _STRUCT.size
LENGTH = struct.Struct("<Q")


class Message(NamedTuple):
    """One control message; fields that its kind does not use are 0.

    HELLO: ``slot`` = number of slots, ``length`` and ``first`` = high and low half of the bytes
    of a logits slot. REQUEST: windows are asked from position ``first`` on. ASK_ROWS: ``first``
    positions of each; behind the tokens stand the first position [B] and the row [B] of each.
    OBSERVE: ``length`` tokens. OBSERVE_ROWS: tokens [B, L], rows [B], counts [B]. RESET: rows [B].
    What is told lies in slot 0. STUDY: behind the message come ``windows`` lengths as uint32 and,
    of all documents together, ``length`` tokens as uint16. REPLY repeats what it answers;
    ``dtype`` says what its logits are in. DEMAND: the worker of a script that is taken over wants
    its sealed artifact; it comes with SEALED, as the descriptor of a memory.
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

    @property
    def positions(self) -> int:
        """How many logits of each window are asked."""
        return self.first if self.kind == ASK_ROWS else self.length - self.first

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
    parser.add_argument("--methods", default="", help="that the model must have: observe,reset")
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    parser.add_argument("--describe", help="module:function; list the artifact's tensors instead")
    parser.add_argument("--checkpoint", type=Path)
    options = parser.parse_args()
    if options.describe:
        return _describe(options)
    if options.index is None and options.workers > 1:
        return _fan_out(options.workers, grouped="study" in options.methods.split(","))
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


def _fan_out(workers: int, *, grouped: bool) -> int:
    """Start one process for each device; the phase ends when all have ended."""
    command = [sys.executable, *sys.argv]
    if grouped:
        command += ["--group", str(Path(tempfile.mkdtemp()) / "group")]
    children = [subprocess.Popen([*command, "--index", str(index)]) for index in range(workers)]
    return max(child.wait() for child in children)


def _join_group(path: str, *, index: int, workers: int, device: Any) -> None:
    """Make torch's default process group of all workers, so that models can study together."""
    import torch.distributed

    for library in ("GLOO", "NCCL"):
        os.environ[f"{library}_SOCKET_IFNAME"] = "lo"  # the one that a sandbox has
    torch.distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{path}",
        rank=index,
        world_size=workers,
    )


class Connection(NamedTuple):
    """What a worker has of the harness: its channel, the first message, and both memories."""

    channel: socket.socket
    hello: Message
    token_memory: mmap.mmap
    logit_memory: mmap.mmap


def connect(path: str) -> Connection:
    """Connect to the harness and receive the memories."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(path)
    content, descriptors = receive_descriptors(channel)
    memories = (mmap.mmap(each, os.fstat(each).st_size) for each in descriptors)
    return Connection(channel, Message.unpack(content), *memories)


def _serve(options: argparse.Namespace, *, index: int) -> int:
    connection = connect(options.socket)
    channel = connection.channel

    import torch

    device = torch.device(f"cuda:{index}" if options.device == "cuda" else "cpu")
    if device.type == "cuda":
        # Kernels that a model brings run on the current device, wherever its tensors lie; and what
        # is made on "cuda" without a number would lie on the first one, for all workers.
        torch.cuda.set_device(device)
    if options.group:
        _join_group(options.group, index=index, workers=options.workers, device=device)
    try:
        model = _imported(options.load)(options.artifact, device)
    # Whatever untrusted code raises, the harness must receive it as an answer.
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        channel.sendall(Message(READY, status=LOAD_FAILED).pack())
        return 1
    for name in filter(None, options.methods.split(",")):
        if not callable(getattr(model, name, None)):
            channel.sendall(Message(READY, status=_LACKS[name]).pack())
            return 1
    answer(connection, model, device)
    return 0


def answer(connection: Connection, model: Any, device: Any) -> None:
    """Say that a model is loaded, and have it answer until CLOSE."""
    channel = connection.channel
    channel.sendall(Message(READY).pack())
    served = _Served(
        model,
        device,
        channel,
        connection.token_memory,
        connection.logit_memory,
        connection.hello,
    )
    while (request := Message.unpack(_receive(channel))).kind != CLOSE:
        asked = request.kind in (REQUEST, ASK_ROWS)
        status, dtype = served.ask(request) if asked else (served.tell(request), 0)
        channel.sendall(request._replace(kind=REPLY, status=status, dtype=dtype).pack())


class _Served(NamedTuple):
    """A loaded model, and the memories through which it is asked."""

    model: Any
    device: Any
    channel: socket.socket
    token_memory: mmap.mmap
    logit_memory: mmap.mmap
    hello: Message

    def ask(self, request: Message) -> tuple[int, int]:
        """Answer a request; returns a status, and what the logits are in."""
        import torch

        count, length = request.windows, request.length
        tokens = self._numbers(request.slot, 0, count, length)
        asked: tuple[Any, ...] = (request.first,)
        if request.kind == ASK_ROWS:
            firsts, rows = (
                self._numbers(request.slot, count * (length + i), count) for i in (0, 1)
            )
            asked = (firsts, rows)
        expected = (count, request.positions, self.hello.vocabulary)
        try:
            with torch.no_grad():
                logits = self.model(tokens, *asked)
            status, dtype = _complaint(logits, expected), 0
            if status == OK:
                dtype = _crosses_in(logits)
                torch.frombuffer(
                    self.logit_memory,
                    dtype=getattr(torch, DTYPES[dtype]),
                    count=expected[0] * expected[1] * expected[2],
                    offset=request.slot * ((self.hello.length << 32) + self.hello.first),
                ).view(expected).copy_(logits)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            status, dtype = MODEL_FAILED, 0
        return status, dtype

    def tell(self, request: Message) -> int:
        """Tell the model what was scored, or what begins; returns a status."""
        count, length = request.windows, request.length
        try:
            # Not under no_grad: these calls are meant for learning from what was scored.
            if request.kind == OBSERVE:
                self.model.observe(self._numbers(0, 0, length))
            elif request.kind == OBSERVE_ROWS:
                tokens = self._numbers(0, 0, count, length)
                rows, counts = (self._numbers(0, count * (length + i), count) for i in (0, 1))
                self.model.observe(rows, tokens, counts)
            elif request.kind == RESET:
                self.model.reset(self._numbers(0, 0, count))
            else:
                self.model.study(_receive_documents(self.channel, count, length))
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
            return _TELLS[request.kind]
        return OK

    def _numbers(self, slot: int, begin: int, *shape: int) -> Any:
        """int64 numbers of a slot, from the ``begin``-th on, as a tensor of the model's own."""
        import torch

        slot_bytes = len(self.token_memory) // self.hello.slot
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        numbers = torch.frombuffer(
            self.token_memory, dtype=torch.int64, count=count, offset=slot * slot_bytes + 8 * begin
        )
        return numbers.view(shape).to(self.device, copy=True)


def _receive_documents(channel: socket.socket, count: int, tokens: int) -> list[Any]:
    """Documents as tensors int64[M] on the CPU: there may be many."""
    import torch

    lengths = torch.frombuffer(bytearray(_receive(channel, 4 * count)), dtype=torch.int32)
    content = torch.frombuffer(bytearray(_receive(channel, 2 * tokens)), dtype=torch.uint16)
    return list(torch.split(content.to(torch.int64), lengths.tolist()))


def _imported(name: str) -> Any:
    """Import ``module:function`` from the working directory, not from beside this file."""
    sys.path[0] = str(Path.cwd())
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _complaint(logits: Any, expected: tuple[int, int, int]) -> int:
    import torch

    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        found = f"{logits.dtype}" if isinstance(logits, torch.Tensor) else f"{type(logits)}"
        print(
            "expected a tensor of logits in float32, bfloat16 or float16 (logits.float() makes "
            f"one), got {found}",
            file=sys.stderr,
        )
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


def _receive(channel: socket.socket, size: int = MESSAGE_BYTES) -> bytes:
    content = bytearray()
    while len(content) < size:
        chunk = channel.recv(min(size - len(content), 1 << 20))
        if not chunk:
            raise SystemExit("the harness closed the channel")
        content += chunk
    return bytes(content)


def receive_descriptors(channel: socket.socket) -> tuple[bytes, list[int]]:
    """A message, and the descriptors that came with it."""
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
