"""Wrappers are unpacked within bounds, never run."""

import ast
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
