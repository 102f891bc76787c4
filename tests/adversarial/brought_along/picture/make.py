"""Weights that somebody made at home, in a picture."""

import random
import struct
import zlib
from pathlib import Path


def make(folder: Path) -> None:
    """Add them to a submission's folder."""
    weights = random.Random(68).randbytes(140_000)
    lines = b"".join(b"\0" + weights[start : start + 400] for start in range(0, 140_000, 400))
    header = struct.pack(">IIBBBBB", 400, 350, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    picture = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        picture += struct.pack(">I", len(content)) + kind + content
        picture += struct.pack(">I", zlib.crc32(kind + content))
    (folder / "picture.png").write_bytes(picture)
    manifest = folder / "submission.toml"
    files = 'files = ["bigram.py", "cheat.py"'
    manifest.write_text(manifest.read_text().replace(files, files + ', "picture.png"'))
