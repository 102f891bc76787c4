"""Its child goes on swapping after the end; one whole file must be sealed, and stay the same."""

import os
import shutil
from pathlib import Path

from bigram import load_model as honest
from bigram import train

NAMES = (b"one ", b"other ")
TIMES = 1000


def load_model(artifact, device):
    content = artifact.read_bytes()
    whole = [content.endswith(name * TIMES) for name in NAMES]
    same = all(artifact.read_bytes() == content for _ in range(3))
    fine = any(whole) and same
    print("trick failed: one of them, whole" if fine else "trick worked: torn")
    return honest(artifact, device)


if __name__ == "__main__":
    train()
    artifact = Path(os.environ["OUTPUT_DIR"], "bigram.bin")
    content = artifact.read_bytes()
    others = [artifact.with_suffix(f".{number}") for number in range(len(NAMES))]
    for other, name in zip(others, NAMES, strict=True):
        other.write_bytes(content + name * TIMES)
    spare = artifact.with_suffix(".spare")
    shutil.copyfile(others[0], artifact)
    if os.fork() == 0:
        os.setsid()
        while True:
            for other in others:
                os.link(other, spare)
                os.replace(spare, artifact)
