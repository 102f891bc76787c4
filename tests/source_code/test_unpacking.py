"""Wrappers are unpacked within bounds, never run."""

import ast
import sys
import tracemalloc

import pytest

from harness.source_code.unpacking import LARGEST_UNPACKED_BYTES, OpaqueError, unpack
from tests.source_code.wrappers import packed


@pytest.mark.parametrize("how", ["zlib", "bz2", "lzma"])
def test_a_bomb_is_not_unpacked_beyond_the_bound(how: str) -> None:
    text = packed("#" * (8 * LARGEST_UNPACKED_BYTES), how)
    tree = ast.parse(text)
    tracemalloc.start()
    try:
        with pytest.raises(OpaqueError, match="unpacks to more than"):
            unpack(tree)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_UNPACKED_BYTES
    finally:
        tracemalloc.stop()


PACKED_BY = {
    "brotli": "import brotli\nexec(brotli.decompress({!r}))",
    "zstandard": "import zstandard\nexec(zstandard.ZstdDecompressor().decompress({!r}))",
}


def _packed_by(package: str, text: str) -> str:
    module = pytest.importorskip(package)
    pack = module.compress if package == "brotli" else module.ZstdCompressor().compress
    return PACKED_BY[package].format(pack(text.encode()))


@pytest.mark.parametrize("package", PACKED_BY)
def test_other_packages_unpack_too(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse(_packed_by(package, "print('packed')\n" * 100))
    assert unpack(tree) == [b"print('packed')\n" * 100]
    with pytest.raises(OpaqueError, match="unpacks to more than"):
        unpack(ast.parse(_packed_by(package, "#" * (4 * LARGEST_UNPACKED_BYTES))))
    with pytest.raises(OpaqueError, match="cannot be unpacked"):
        unpack(ast.parse(PACKED_BY[package].format(b"rubbish" * 9)))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OpaqueError, match=rf"not installed here \(pip install {package}"):
        unpack(tree)
