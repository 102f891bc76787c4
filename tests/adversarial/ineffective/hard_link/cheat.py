"""Two names for one file, to change what was sealed through the other."""

import os
import subprocess
import sys
from pathlib import Path

from bigram import load_model as honest
from bigram import train

LATER = """
import pathlib, sys, time
while True:
    time.sleep(0.5)
    with pathlib.Path(sys.argv[1]).open("ab") as file:
        file.write(b"changed")
"""


def load_model(artifact, device):
    changed = artifact.read_bytes().endswith(b"changed")
    print("trick worked: changed" if changed else "trick failed: what was sealed is what is scored")
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    output = Path(os.environ["OUTPUT_DIR"])
    (output / "bigram.bin").rename(output / "other")
    os.link(output / "other", output / "bigram.bin")
    subprocess.Popen([sys.executable, "-c", LATER, output / "other"], start_new_session=True)
