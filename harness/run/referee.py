"""Who runs the harness, and with what; and what comes of it."""

from dataclasses import dataclass
from pathlib import Path

from harness.judge.verdict import Verdict
from harness.run.launcher.protocol import Launcher
from harness.run.progress import Progress
from harness.sandbox.protocol import Sandbox


@dataclass(frozen=True)
class Referee:
    """Who runs the harness, and with what.

    Attributes:
        runs: directory under which evidence is kept.
        data: directory of the datasets.
        sandbox: where untrusted code runs.
        launcher: where runs are made.
        progress: told of everything that happens.
        elsewhere: whether what was scored is asked again on another machine.
    """

    runs: Path
    data: Path
    sandbox: Sandbox
    launcher: Launcher
    progress: Progress
    elsewhere: bool = False


@dataclass(frozen=True)
class Judged:
    """A verdict, and the directory with the evidence that it follows from."""

    verdict: Verdict
    directory: Path
