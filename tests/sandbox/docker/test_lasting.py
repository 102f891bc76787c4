"""Whoever waits for a silent program is told that it goes on; one that speaks is left alone."""

import threading

import pytest

from harness.errors import InfrastructureError
from harness.sandbox.docker.lasting import told_while


def test_silence_is_filled_with_what_is_done_and_how_long_it_takes() -> None:
    twice = threading.Event()
    said: list[str] = []

    def hear(text: str) -> None:
        said.append(text)
        if len(said) == 2:
            twice.set()

    with told_while(hear, "pulling it", usual="it takes a minute", every_seconds=0.01):
        assert twice.wait(60)
    assert all(line.startswith("pulling it: ") for line in said)
    assert all(line.endswith(" s so far; it takes a minute") for line in said)


def test_who_speaks_is_left_alone() -> None:
    now = [100.0]
    said: list[str] = []
    clock = lambda: now[0]  # noqa: E731
    with told_while(said.append, "it", usual="", every_seconds=20, clock=clock) as say:
        now[0] = 119.0
        say("a step")
        now[0] = 138.9  # 39 s have passed, but less than 20 of silence
    assert said == ["a step"]


def test_nothing_is_said_once_it_has_ended() -> None:
    said: list[str] = []
    with (
        pytest.raises(RuntimeError, match="its own"),
        told_while(said.append, "it", usual="", every_seconds=1000),
    ):
        raise RuntimeError("its own")
    assert said == []
    assert all(thread.name != "told_while" for thread in threading.enumerate())


@pytest.mark.parametrize("lost", [BrokenPipeError(), InfrastructureError("lost")])
def test_a_lost_output_ends_the_telling_and_nothing_else(lost: Exception) -> None:
    tried = threading.Event()

    def fail(text: str) -> None:
        tried.set()
        raise lost

    with told_while(fail, "it", usual="", every_seconds=0.01):
        assert tried.wait(60)
