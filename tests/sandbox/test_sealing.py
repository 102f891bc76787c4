"""A sealed copy is whole and read-only, or does not exist."""

import os
from pathlib import Path

import pytest

from harness.sandbox.protocol import ArtifactError
from harness.sandbox.sealing import copy_hashed


class TestCopy:
    def test_a_copy_that_breaks_off_leaves_nothing(self, tmp_path: Path) -> None:
        for chunks in ([b"ab"], [b"abcd"]):
            with pytest.raises(ArtifactError, match="changed its size"):
                copy_hashed(chunks, tmp_path / "x", name="x", size_bytes=3)
        assert list(tmp_path.iterdir()) == []

    def test_it_is_read_only(self, tmp_path: Path) -> None:
        copy_hashed([b"a", b"bc"], tmp_path / "x", name="x", size_bytes=3)
        assert (tmp_path / "x").read_bytes() == b"abc"
        assert os.stat(tmp_path / "x").st_mode & 0o777 == 0o444
