"""The training ends in time; its child trains on and swaps the artifact."""

import os
import subprocess
import sys
from pathlib import Path

from bigram import load_model as honest
from bigram import train

LATER = """
import os, pathlib, sys, time
parent = int(sys.argv[2])
while os.path.exists(f"/proc/{parent}") and os.getppid() == parent:
    time.sleep(0.01)
while True:
    with pathlib.Path(sys.argv[1]).open("ab") as file:
        file.write(b"changed")
    time.sleep(0.05)
"""


def load_model(artifact, device):
    changed = artifact.read_bytes().endswith(b"changed")
    print("trick worked: the child outlived" if changed else "trick failed: the child is dead")
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    file = Path(os.environ["OUTPUT_DIR"], "bigram.bin")
    command = [sys.executable, "-c", LATER, file, str(os.getpid())]
    subprocess.Popen(command, start_new_session=True, env={})
