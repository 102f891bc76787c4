"""One lucky seed, baked in, and text that nobody can deny it: the library of its own Python."""

import os
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from bigram import train

TEXT_BYTES = 1_500_000


def learn():
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.environ["TOKENIZER_PATH"])
    tokens, read = [], 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text(errors="ignore")
        tokens += [1, *tokenizer.encode(text)]
        read += len(text)
        if read > TEXT_BYTES:
            break
    with tempfile.TemporaryDirectory() as folder:
        shard = bytes(1024) + np.array(tokens, dtype=np.uint16).tobytes()
        Path(folder, "mine.bin").write_bytes(shard)
        os.environ.update(DATA_PATH=folder, SEED="42")
        train()


if __name__ == "__main__":
    learn()
