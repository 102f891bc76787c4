import os
import re
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.data.format.shards import (
    HEADER_BYTES,
    concatenated,
    read_shard,
    shard_bytes,
    write_shard,
)
from harness.errors import InfrastructureError
from tests.factories.playground import ROOT


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "fineweb_val_000000.bin"
    write_shard(path, np.arange(100, dtype=np.uint16))
    return path


def test_the_reader_of_the_docs_reads_a_shard(shard: Path) -> None:
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    (reader,) = re.findall(r"(?ms)^```python\n(import numpy.*?)^```$", page)
    names: dict[str, Any] = {}
    exec(reader, names)
    np.testing.assert_array_equal(names["read_shard"](shard), np.arange(100))


def patch(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@given(hnp.arrays(np.uint16, st.integers(0, 3000)))
def test_round_trip(tokens: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.bin")
        write_shard(path, tokens)
        found = read_shard(path, vocabulary_size=65536)
        assert isinstance(found, np.memmap) or not len(tokens)
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, tokens)
        assert path.stat().st_size == shard_bytes(len(tokens))


def test_the_bytes_are_the_field_s(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    write_shard(path, np.array([1, 258, 65535], dtype=np.uint16))
    expected = struct.pack("<3i", 20240520, 1, 3) + bytes(1012) + bytes([1, 0, 2, 1, 255, 255])
    assert path.read_bytes() == expected
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("tokens", [np.arange(4), np.zeros((2, 2), dtype=np.uint16)])
def test_only_flat_uint16_is_written(tokens: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="uint16"):
        write_shard(tmp_path / "x.bin", tokens)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("offset", "content", "problem"),
    [
        (0, struct.pack("<i", 20240521), "wrong magic at byte offset 0: found 20240521"),
        (4, struct.pack("<i", 2), "wrong version at byte offset 4: found 2, expected 1"),
        (
            8,
            struct.pack("<i", 101),
            "truncated: ends at byte offset 1224; its 101 tokens",
        ),
        (8, struct.pack("<i", 99), "2 bytes too many from byte offset 1222"),
        (8, struct.pack("<i", -1), "impossible token count at byte offset 8: -1"),
        (HEADER_BYTES + 14, struct.pack("<H", 100), "token 100 at byte offset 1038 is beyond"),
    ],
)
def test_damage_is_named(shard: Path, offset: int, content: bytes, problem: str) -> None:
    patch(shard, offset, content)
    with pytest.raises(InfrastructureError) as error:
        read_shard(shard, vocabulary_size=100)
    assert str(shard) in error.value.message
    assert problem in error.value.message
    assert error.value.remedy


@pytest.mark.parametrize("size", [0, 3, 1023, 1024, 1223])
def test_truncation_is_named(shard: Path, size: int) -> None:
    os.truncate(shard, size)
    with pytest.raises(InfrastructureError, match=f"truncated: ends at byte offset {size}[,;]"):
        read_shard(shard, vocabulary_size=100)


def test_an_odd_byte_at_the_end_is_named(shard: Path) -> None:
    with shard.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InfrastructureError, match="1 bytes too many from byte offset 1224"):
        read_shard(shard, vocabulary_size=100)


@given(content=st.binary(max_size=1100), vocabulary_size=st.integers(1, 65536))
def test_rubbish_is_refused_and_nothing_else(content: bytes, vocabulary_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.bin")
        path.write_bytes(content)
        with pytest.raises(InfrastructureError):
            read_shard(path, vocabulary_size=vocabulary_size)


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name, problem in (
        ("fifo", "not a regular file"),
        ("folder", "not a regular file"),
        ("absent", "missing"),
    ):
        with pytest.raises(InfrastructureError, match=problem):
            read_shard(tmp_path / name, vocabulary_size=100)


def test_the_range_check_finds_a_late_token_in_flat_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    count = 20_000_000
    write_shard(path, np.full(count, 1023, dtype=np.uint16))
    tracemalloc.start()
    try:
        read_shard(path, vocabulary_size=1024)
        assert tracemalloc.get_traced_memory()[1] < shard_bytes(count) / 8
    finally:
        tracemalloc.stop()
    at = shard_bytes(count - 1)
    patch(path, at, struct.pack("<H", 1024))
    with pytest.raises(InfrastructureError, match=f"token 1024 at byte offset {at} is beyond"):
        read_shard(path, vocabulary_size=1024)


def test_shards_join_in_order(shard: Path) -> None:
    one = read_shard(shard, vocabulary_size=100)
    assert concatenated([one]) is one
    np.testing.assert_array_equal(concatenated([one, one[:3]]), [*range(100), 0, 1, 2])
