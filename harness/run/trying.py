"""A script, run whole to try it out: from its first line to its last, with hardly a step.

What is tried is told apart by the text in place of its validation split; everything else is the
same each time, so that what two runs print can be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.evidence.phase import PhaseFacts
from harness.run.endings import script_ending
from harness.run.script_job import Script, whole_job
from harness.safeio.files import disk_errors
from harness.sandbox.protocol import EarlySeal, Running, Sandbox
from harness.upstream.logs.printed import printed_lines, printed_scores
from harness.upstream.logs.scorings import Scoring

SEED = 1337
RUN_ID = f"check-{SEED}"
_STEPS = 2
_TICK_SECONDS = 0.2
_HEADING, _HEADING_BYTES = "--- ", 64

Tick = Callable[[Running], None]


class Ran(NamedTuple):
    """A run that has ended; ``printed`` are the scores that it printed."""

    phase: PhaseFacts
    printed: Sequence[Scoring]
    log: Path
    running: Running

    def ending(self) -> str:
        """How it ended, in words."""
        return script_ending(self.log, self.phase, self.running)


def run_small(
    script: Script,
    sandbox: Sandbox,
    *,
    log: Path,
    seconds: float,
    phases: list[PhaseFacts],
    early: EarlySeal | None = None,
    tick: Tick = lambda running: None,
    starting: Callable[[], None] = lambda: None,
) -> Ran:
    """Run a script whole; how it ends is for the caller to judge.

    Args:
        script: on the data that it is tried on.
        sandbox: prepared.
        log: gets its output.
        seconds: that it may take.
        phases: its phase is added when it has ended, whatever it led to.
        early: its artifact, sealed as in a run that counts.
        tick: called a few times a second.
        starting: called just before code of theirs can run.

    Raises:
        InfrastructureError: engine or disk of ours failed.
    """
    job = whole_job(
        script,
        sandbox,
        seed=SEED,
        run_id=RUN_ID,
        steps=0 if script.accelerators else _STEPS,
        log=log,
        seconds=seconds,
        early=early,
        starting=starting,
    )
    with sandbox.start(job) as running:
        while (phase := running.wait(_TICK_SECONDS)) is None:
            tick(running)
        phases.append(phase)
        return Ran(phase, printed_scores(log), log, running)


def with_share_of_log(script: Script, *, runs: int) -> Script:
    """The script with a bound for its log so that those of so many runs fit into one."""
    each = script.limits.log_bytes // runs - _HEADING_BYTES
    return replace(script, limits=script.limits.model_copy(update={"log_bytes": each}))


def join_logs(parts: Sequence[Path], log: Path) -> None:
    """Write the logs that are there into one, each under its name."""
    with disk_errors(log), log.open("wb") as file:
        for part in parts:
            if part.exists():
                file.write(f"{_HEADING}{part.stem}\n".encode() + part.read_bytes())


def first_of_joined(log: Path) -> list[str]:
    """The lines of the first of the logs that were written into one.

    Raises:
        InfrastructureError: the log cannot be read.
    """
    lines = printed_lines(log)
    ends = (place for place, line in enumerate(lines) if place and line.startswith(_HEADING))
    return lines[1 : next(ends, len(lines))]
