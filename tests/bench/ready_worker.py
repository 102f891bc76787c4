"""A worker without a model: its logits lie ready, and it answers the moment it is asked.

It speaks the worker's own protocol, and imports no torch. When it is dismissed it prints the
processor seconds that answering took it.
"""

import argparse
import socket
import sys
import time

import numpy as np

from harness.inside import worker as wire

BLOCK_VALUES = 1 << 20


def main() -> None:
    """Connect, fill the memory once, answer until CLOSE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--dtype", choices=tuple(wire.DTYPES.values()), required=True)
    options = parser.parse_args()
    connection = wire.connect(options.socket)
    fill(np.frombuffer(connection.logit_memory, np.uint8), options.dtype)
    code = next(code for code, name in wire.DTYPES.items() if name == options.dtype)
    channel = connection.channel
    channel.sendall(wire.Message(wire.READY).pack())
    began = time.process_time()
    while (request := receive(channel)).kind != wire.CLOSE:
        channel.sendall(request._replace(kind=wire.REPLY, dtype=code).pack())
    print(time.process_time() - began)


def receive(channel: socket.socket) -> wire.Message:
    """The next message of the harness."""
    content = channel.recv(wire.MESSAGE_BYTES, socket.MSG_WAITALL)
    if len(content) < wire.MESSAGE_BYTES:
        sys.exit("the harness closed the channel")
    return wire.Message.unpack(content)


def fill(memory: np.ndarray, dtype: str) -> None:
    """Logits as a model's may be: normal ones, three times as wide."""
    normal = np.random.default_rng(0).normal(scale=3, size=BLOCK_VALUES).astype(np.float32)
    block = {
        "float32": normal.tobytes(),
        "float16": normal.astype(np.float16).tobytes(),
        # The upper half of a float32 is a bfloat16, rounded towards 0.
        "bfloat16": (normal.view(np.uint32) >> 16).astype(np.uint16).tobytes(),
    }[dtype]
    filler = np.frombuffer(block, np.uint8)
    for begin in range(0, len(memory), len(filler)):
        part = memory[begin : begin + len(filler)]
        part[:] = filler[: len(part)]


if __name__ == "__main__":
    main()
