"""Squats on the channel: a second worker with other answers."""

import socket
import struct
import sys

from bigram import load_model as honest


def load_model(artifact, device):
    path = next(word for word in sys.argv if word.endswith("/socket"))
    squatter = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    squatter.connect(path)
    squatter.sendall(struct.pack("<IIIIQIIII", 0x31464C47, 1, 0, 0, 0, 0, 0, 0, 0))
    squatter.settimeout(1)
    try:
        print(f"trick worked: {squatter.recv(48)}")
    except OSError:
        print("trick failed: nobody greets a second worker")
    return honest(artifact, device)
