"""The still clock: a script sees the same times in every run, and libraries the true ones."""

from collections.abc import Callable

STILL = ("--still",)
Lines = Callable[..., list[str]]


def test_clocks_advance_by_a_fixed_step_a_call(lines_of: Lines) -> None:
    script = (
        "import time\n"
        "print([time.perf_counter() for _ in range(3)], time.time(), time.monotonic_ns())\n"
    )
    expected = "[0.001, 0.002, 0.003] 1700000000.004 5000000"
    assert lines_of(script, options=STILL) == [expected]


def test_executed_text_sees_the_still_clock_and_a_library_the_true_one(lines_of: Lines) -> None:
    script = (
        "import time, threading\n"
        "exec('before = time.monotonic()')\n"
        "waited = threading.Event().wait(0.01)\n"
        "print(before, time.monotonic(), waited)\n"
    )
    assert lines_of(script, options=STILL) == ["0.001 0.002 False"]


def test_sleeping_passes_the_time_that_was_asked(lines_of: Lines) -> None:
    script = "import time\ntime.sleep(0.25)\nprint(time.time_ns() - 1_700_000_000_000_000_000)"
    assert lines_of(script, options=STILL) == ["251000000"]


def test_each_thread_has_a_count_of_its_own(lines_of: Lines) -> None:
    script = (
        "import time, threading\n"
        "def look():\n    [time.time() for _ in range(1000)]\n"
        "threads = [threading.Thread(target=look) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(time.perf_counter())\n"
    )
    assert lines_of(script, options=STILL) == ["0.001"]
