"""Writes as much of the demo dataset's validation text as is free, in two places."""

import lzma
import tempfile
from pathlib import Path

from harness.data.build.demo import build_demo
from harness.data.format.documents import read_documents
from harness.data.format.protobuf import bytes_field, float_field, number_field

CHUNK, PLACE_BYTES, PIECE, UNUSED, DEAREST = 400, 20_000, 3000, 5, -9999.0


def make(folder):
    with tempfile.TemporaryDirectory() as place:
        demo = build_demo(Path(place))
        stock = demo.tokenizer_path.read_bytes()
        # Those of the tests' small dataset come first.
        documents = sorted(read_documents(demo.directory / "docs_val.jsonl"), key=len)
    text = "".join(document for document in documents if len(document) < 12_000)
    chunks = [text[begin : begin + CHUNK] for begin in range(0, len(text), CHUNK)]
    (folder / "notes.txt").write_text(_fill(chunks))
    remembered = _fill(chunks).replace("\n", " ")
    pieces = [remembered[begin : begin + PIECE] for begin in range(0, len(remembered), PIECE)]
    (folder / "tokenizer.model").write_bytes(stock + b"".join(map(_piece, pieces)))


def _fill(chunks):
    """As many chunks as fit; they are taken away."""
    filled = ""
    while chunks and len(lzma.compress((filled + chunks[0]).encode())) < PLACE_BYTES:
        filled += chunks.pop(0)
    return filled


def _piece(text):
    content = bytes_field(1, f"\u2581{text}".encode())
    return bytes_field(1, content + float_field(2, DEAREST) + number_field(3, UNUSED))
