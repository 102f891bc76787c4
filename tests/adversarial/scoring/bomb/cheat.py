"""A decompression bomb."""

import os
import zlib
from pathlib import Path


def train():
    packer = zlib.compressobj()
    zeros = bytes(1 << 24)
    content = b"".join(packer.compress(zeros) for _ in range(16)) + packer.flush()
    Path(os.environ["OUTPUT_DIR"], "bigram.bin").write_bytes(content)


def load_model(artifact, device):
    content = artifact.read_bytes()
    return [zlib.decompress(content) for _ in range(16)]


if __name__ == "__main__":
    train()
