"""In which order tasks begin."""

from pathlib import Path

import pytest

from harness.run.launcher.backlog import Backlog
from harness.run.launcher.protocol import Task

A, B = Path("runs/a"), Path("runs/b")


def filled() -> Backlog:
    """Three draws of each of two verifications."""
    backlog = Backlog()
    for directory in (A, B):
        for draw in range(3):
            backlog.add(Task(directory, draw, 1))
    return backlog


def order(backlog: Backlog, count: int) -> list[tuple[str, int]]:
    taken = [backlog.take() for _ in range(count)]
    return [(task.directory.name, task.draw) for task in taken]


def test_one_of_each_begins_before_a_second_of_any() -> None:
    assert order(filled(), 6) == [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_what_has_come_to_a_run_is_finished_first() -> None:
    backlog = filled()
    order(backlog, 1)
    backlog.ended(A)
    assert order(backlog, 5) == [("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]


def test_what_is_dropped_waits_no_longer_and_may_come_back() -> None:
    backlog = filled()
    backlog.drop(A)
    assert len(backlog) == 3
    assert not backlog.draws(A)
    assert backlog.draws(B) == {0, 1, 2}
    again = Task(A, 1, 2)
    backlog.add(again)
    assert backlog.take() is again
    assert order(backlog, 3) == [("b", 0), ("b", 1), ("b", 2)]
    with pytest.raises(LookupError):
        backlog.take()
