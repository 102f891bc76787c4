"""Packs a script as minified entries are: raw LZMA2, base85, one ``exec``.

``python -m tests.upstream_entries.packing`` writes ``packed/train_gpt.py`` from its readable copy.
"""

import base64
import lzma
from pathlib import Path

FOLDER = Path(__file__).parent / "packed"
READABLE = "train_gpt_human.py"
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def pack(source: str) -> str:
    """Two lines that do what ``source`` does."""
    packed = lzma.compress(source.encode(), format=lzma.FORMAT_RAW, filters=_FILTERS)
    text = base64.b85encode(packed).decode()
    return (
        "import lzma as L,base64 as B\n"
        f'exec(L.decompress(B.b85decode("{text}"),format=L.FORMAT_RAW,'
        'filters=[{"id":L.FILTER_LZMA2}]))\n'
    )


def unpack(script: str) -> str:
    """What :func:`pack` packed."""
    text = script.partition('b85decode("')[2].partition('"')[0]
    filters = [{"id": lzma.FILTER_LZMA2}]
    return lzma.decompress(base64.b85decode(text), format=lzma.FORMAT_RAW, filters=filters).decode()


if __name__ == "__main__":
    (FOLDER / "train_gpt.py").write_text(pack((FOLDER / READABLE).read_text()))
