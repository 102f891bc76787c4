"""The engine's flag for a death by memory comes late or never; the kernel's count is asked then."""

from pathlib import Path

import pytest

from harness.sandbox.docker import memory


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's counters, as a file of the test's."""
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 5\noom_kill 7\noom_kill_disable 0\n")
    monkeypatch.setattr(memory, "_VMSTAT", counters)
    monkeypatch.setattr(memory, "_FLAG_SECONDS", 0.2)
    return counters


def test_the_count_is_read_where_the_kernel_tells_it(kernel: Path) -> None:
    assert memory.kills_on_this_machine() == 7
    kernel.write_text("pgfault 5\n")
    assert memory.kills_on_this_machine() is None
    kernel.unlink()
    assert memory.kills_on_this_machine() is None


@pytest.mark.usefixtures("kernel")
def test_a_flag_that_comes_late_is_waited_for() -> None:
    answers = iter([False, True])
    assert memory.is_flagged(lambda: next(answers))
    assert not memory.is_flagged(lambda: False)


@pytest.mark.parametrize(("before", "killed"), [(6, True), (7, False), (None, False)])
@pytest.mark.usefixtures("kernel")
def test_the_count_says_whether_anybody_was_killed_since(before: int | None, killed: bool) -> None:
    assert memory.killed_since(before) is killed


def test_a_silent_kernel_is_no_witness(kernel: Path) -> None:
    kernel.unlink()
    assert not memory.killed_since(6)
