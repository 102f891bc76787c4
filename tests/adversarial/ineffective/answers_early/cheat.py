"""What the memory holds when it says so is its answer: at that time, nothing."""

import socket
import sys
import time

import torch
from bigram import load_model as honest


def load_model(artifact, device):
    honest_model = honest(artifact, device)
    early, send = set(), socket.socket.sendall

    def send_once(channel, data):
        if data not in early:
            send(channel, data)

    socket.socket.sendall = send_once

    def model(tokens, first):
        logits = honest_model(tokens, first)
        worker = sys._getframe(1).f_locals
        begin = worker["request"].slot * worker["logit_bytes"]
        memory = worker["logit_memory"]
        torch.frombuffer(memory, dtype=torch.float32, count=logits.numel(), offset=begin).zero_()
        reply = worker["request"]._replace(kind=3).pack()
        early.add(reply)
        send(worker["channel"], reply)
        time.sleep(0.05)
        return logits

    return model
