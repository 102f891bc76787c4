"""The Docker engine's times, and what is said of an engine that cannot be used."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InfrastructureError
from harness.sandbox.docker import engine
from harness.sandbox.phase import timestamp


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "nanoseconds"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T00:30:01.123456789Z", 1_795_307_401_123_456_789),
            ("2026-11-22T00:30:01.1Z", 1_795_307_401_100_000_000),
            ("2026-11-22T02:30:01.1+02:00", 1_795_307_401_100_000_000),
        ],
    )
    def test_exact(self, text: str, nanoseconds: int) -> None:
        assert engine.nanoseconds_of(text) == nanoseconds

    @given(st.integers(0, 4_000_000_000 * 10**9))
    def test_round_trip(self, nanoseconds: int) -> None:
        assert engine.nanoseconds_of(timestamp(nanoseconds)) == nanoseconds

    @pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "2026-11-22", "now"])
    def test_no_time_is_an_error_of_ours(self, text: str) -> None:
        with pytest.raises(InfrastructureError, match="as a time"):
            engine.nanoseconds_of(text)


class TestUsable:
    def test_no_engine(self, tmp_path: Path) -> None:
        with pytest.raises(InfrastructureError, match="start it"):
            engine.usable(f"unix://{tmp_path}/none.sock")

    def test_an_engine_elsewhere(self) -> None:
        with pytest.raises(InfrastructureError, match="unset DOCKER_HOST"):
            engine.usable("tcp://192.0.2.1:2375")

    def test_an_engine_that_does_not_answer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "_PROBE_SECONDS", 1.0)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(f"{tmp_path}/silent.sock")
            silent.listen()
            with pytest.raises(InfrastructureError, match="no Docker engine answers"):
                engine.usable(f"unix://{tmp_path}/silent.sock")
