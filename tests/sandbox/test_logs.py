"""A log is kept line by line, within its limit, whatever the chunks are."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.sandbox.logs import KEPT_LINES, LogCapture
from tests.sandbox.conftest import MIB


class TestLogCapture:
    @given(
        parts=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"bc", b"\xc3", b"\xa9"])),
        size=st.integers(1, 4),
    )
    def test_how_the_output_is_cut_into_chunks_does_not_matter(
        self, parts: list[bytes], size: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        whole = b"".join(parts)
        expected = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        expected = expected if expected[-1] else expected[:-1]
        path = tmp_path_factory.getbasetemp() / "chunks.log"
        log = LogCapture(path, limit_bytes=MIB)
        log.drain(whole[i : i + size] for i in range(0, len(whole), size))
        log.finish(10)
        lines = [line[10:] for line in path.read_text().splitlines()]
        assert lines == [part.decode("utf-8", "replace") for part in expected]
        assert log.stored_bytes == path.stat().st_size

    @given(lines=st.lists(st.sampled_from(["one", "two", "  ", ""]), max_size=100))
    def test_the_last_lines_are_kept(
        self, lines: list[str], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        log = LogCapture(tmp_path_factory.getbasetemp() / "last.log", limit_bytes=MIB)
        log.drain(iter(["\n".join(lines).encode()]))
        log.finish(10)
        kept = [line for line in lines if line.strip()][-KEPT_LINES:]
        assert log.last_lines == "\n".join(kept)
        assert log.last_line == (kept[-1] if kept else "")

    @pytest.mark.parametrize("chunk", [b"x" * MIB, b"\n" * MIB, b"\x1b[" * (MIB // 2)])
    def test_memory_stays_flat(self, tmp_path: Path, chunk: bytes) -> None:
        log = LogCapture(tmp_path / "log", limit_bytes=MIB)
        tracemalloc.start()
        log.drain(chunk for _ in range(256))
        log.finish(120)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * MIB
        assert (tmp_path / "log").stat().st_size <= MIB

    def test_the_marker_itself_is_within_the_limit(self, tmp_path: Path) -> None:
        for limit in (1, 60, 200):
            log = LogCapture(tmp_path / "log", limit_bytes=limit)
            log.drain([b"hello\n"] * 100)
            log.finish(10)
            assert log.truncated
            assert (tmp_path / "log").stat().st_size <= limit

    def test_a_log_that_cannot_be_made_is_ours(self, tmp_path: Path) -> None:
        with pytest.raises(InfrastructureError, match="cannot write"):
            LogCapture(tmp_path / "none" / "log", limit_bytes=10)
