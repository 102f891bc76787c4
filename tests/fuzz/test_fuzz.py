"""No parser of a stranger's bytes hangs, crashes, eats memory, or raises what no user can read."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fuzz import campaign
from tests.fuzz.campaign import run
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_hostile_bytes_are_refused_in_time(target: Target) -> None:
    found = run(target, inputs=120 // target.cost, seconds=20, seed=1)
    assert not found.problem, f"{found.problem}\ninput: {found.culprit[:2000]!r}"
    assert found.inputs >= len(target.seeds())
    assert found.grown_bytes < campaign.MEMORY_BYTES


def _breaks(content: bytes, scratch: Path) -> None:
    raise KeyError("not for users")


def _hangs(content: bytes, scratch: Path) -> None:
    time.sleep(60)


def _eats(content: bytes, scratch: Path) -> None:
    bytearray(4 << 30)


def _dies(content: bytes, scratch: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("parser", "problem"),
    [(_breaks, "KeyError"), (_hangs, "longer than"), (_eats, "more than"), (_dies, "died: -9")],
)
def test_a_parser_that_fails_is_found(
    parser: object, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "INPUT_SECONDS", 1)
    target = Target("toy", parser, lambda: (b"seed",), may_crash=True)  # type: ignore[arg-type]
    found = run(target, inputs=3)
    assert problem in found.problem
    assert found.culprit == b"seed"
