"""How the end of a phase is told."""

from typing import Any

from harness.evidence.phase import LogEnd, PhaseFacts
from harness.run.endings import ending


class Phase:
    """A phase that has printed something."""

    def __init__(self, *lines: str) -> None:
        self.last_lines = "\n".join(lines)


def said(facts: PhaseFacts, *lines: str) -> str:
    running: Any = Phase(*lines)
    end = LogEnd(text=lines[-1], seconds=19.31) if lines else None
    return ending(facts.model_copy(update={"log_end": end}), running)


FACTS = PhaseFacts(
    label="train",
    outcome="failed",
    exit_code=1,
    started_at="",
    finished_at="",
    wallclock_seconds=1,
    harness_seconds_low=1,
    harness_seconds_high=1,
)


def test_the_exit_code_and_the_last_line() -> None:
    assert said(FACTS) == "train ended with exit code 1"
    assert said(FACTS, "one", "two") == "train ended with exit code 1 (its log ends: two)"


def test_a_kill_tells_the_time_of_the_last_line() -> None:
    killed = FACTS.model_copy(
        update={"outcome": "deadline", "detail": "killed at the limit of 20 s"}
    )
    assert said(killed, "one", "step 120") == (
        "killed at the limit of 20 s (the last line of its log, at 19.3 s: step 120)"
    )


def test_who_wanted_a_network_is_told_that_there_is_none() -> None:
    lines = ("ERROR: No matching distribution found for brotli", "CalledProcessError: pip")
    assert said(FACTS, *lines).endswith(
        "(its log ends: CalledProcessError: pip); there is no network in a sandbox: nothing can be "
        "installed while it runs, and it wants brotli"
    )
