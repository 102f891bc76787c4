"""16 MiB is not 16 MB."""

import os
from pathlib import Path

from bigram import load_model as honest
from bigram import train


def load_model(artifact, device):
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    with Path(os.environ["OUTPUT_DIR"], "bigram.bin").open("ab") as file:
        file.write(os.urandom((16 << 20) - file.tell()))
