"""Owners of what is left on disk: who is alive, who is dead, and who cannot be told."""

import subprocess
import sys

import pytest

from harness.safeio import ownership


class TestOwner:
    def test_we_live(self) -> None:
        assert not ownership.is_dead(ownership.me())
        assert not ownership.is_dead(ownership.token())

    def test_the_dead_are_dead_also_when_their_number_lives_on(self) -> None:
        namespace, process, start = ownership.me().split("-")
        assert ownership.is_dead(f"{namespace}-{process}-{int(start) + 1}")
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        name = f"{namespace}-{child.pid}-{ownership._start_of(child.pid)}"
        assert not ownership.is_dead(name)
        child.communicate(b"\n")
        assert ownership.is_dead(name)

    @pytest.mark.parametrize("name", ["", "x", "1-2", "a-b-c", "None", "1-2-³", "0-1-1"])
    def test_what_cannot_be_told_is_left_alone(self, name: str) -> None:
        assert not ownership.is_dead(name) or (name == "0-1-1" and sys.platform != "linux")
