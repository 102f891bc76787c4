"""A cluster for each test that needs one, and the command run against it as a user would."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.verdict import Verdict
from harness.run.launcher.desk import outcome_of, records
from tests.factories.playground import ROOT, write_submission, write_track

PATIENCE_SECONDS = 400
SETTINGS = """\
poll_seconds = 0.3
settle_seconds = 1
{more}
[environment]
OMP_NUM_THREADS = "1"
HARNESS_CLUSTER_TEST = "{mark}"
PYTHONPATH = "{root}"
TMPDIR = "{scratch}"
"""


def wait_for(what: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)


@dataclass
class Bench:
    """Entries, settings and runs of one test."""

    place: Path
    data: Path
    environment: dict[str, str]
    launcher: str = "slurm"
    more: str = ""
    mark: str = "slurm"
    launched: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    @property
    def scratch(self) -> Path:
        """Where nodes keep temporary files; each may see another directory there."""
        return self.place / "scratch"

    @property
    def output(self) -> Path:
        return self.place / "output.txt"

    def waiting(self, name: str = "waiting") -> Path:
        """An entry whose training says that it began, waits until it may go on, and fails then."""
        return write_submission(
            self.place / name,
            train=f"""
            import os, time
            began = {str(self.place)!r} + "/began-" + os.environ["SEED"]
            open(began, "a").write("x")
            while not os.path.exists({str(self.place)!r} + "/go"):
                time.sleep(0.05)
            raise SystemExit(1)  # {name}
            """,
        )

    def began(self) -> int:
        """How often the training of waiting entries has begun."""
        return sum(path.stat().st_size for path in self.place.glob("began-*"))

    def go(self) -> None:
        """Let the training of a waiting entry end."""
        (self.place / "go").touch()

    def launch(
        self,
        *folders: Path,
        launcher: str | None = None,
        seeds: str = "1",
        more: str = "",
        resume: bool = False,
    ) -> subprocess.Popen[str]:
        """``harness verify``, under way."""
        one = seeds == "1"
        track = write_track(
            self.place / "track.toml", seeds="2" if one else seeds, train_seconds=240
        )
        settings = self.place / "cluster.toml"
        told = {"more": f"{self.more}{more}", "mark": self.mark}
        settings.write_text(SETTINGS.format(**told, scratch=self.scratch, root=ROOT))
        command = [sys.executable, "-m", "harness", "verify", *folders, "--track", track]
        command += ["--sandbox", "process", "--runs", self.runs, "--data", self.data]
        if launcher != "local":
            command += ["--launcher", launcher or self.launcher, "--cluster", settings]
        command += ["--seeds", "7"] if one and not resume else []
        command += ["--resume"] if resume else []
        with self.output.open("a") as out:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=ROOT,
                stdout=out,
                stderr=out,
                text=True,
                env={**os.environ, **self.environment},
            )
        self.launched.append(process)
        return process

    def wait_for(self, what: Callable[[], object]) -> None:
        """Wait until something is so, as long as the command goes on."""
        wait_for(lambda: what() or self.launched[-1].poll() is not None)
        assert what(), self.said()

    def killed_and_launched_again(self, *folders: Path) -> subprocess.Popen[str]:
        """The command that goes on where one was killed, once all its entries had begun."""
        process = self.launch(*folders)
        self.wait_for(lambda: self.began() == len(folders))
        process.kill()
        process.wait()
        return self.launch(*folders, resume=True)

    def asked(self, *arguments: object) -> str:
        """What another command prints."""
        command = [sys.executable, "-m", "harness", *map(str, arguments)]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ended(self, process: subprocess.Popen[str]) -> int:
        """Wait for the command; its exit code."""
        return process.wait(PATIENCE_SECONDS)

    def said(self) -> str:
        """What all calls of the command have printed."""
        return self.output.read_text()

    def directories(self) -> list[RunDirectory]:
        """The verifications, in the order in which they were begun."""
        return [RunDirectory.open(path.parent) for path in sorted(self.runs.glob("*/plan.json"))]

    def tries(self) -> list[Run]:
        """Every try of the first seed of the only verification."""
        (directory,) = self.directories()
        return directory.tries(directory.plan.draws_for("look")[0])

    def verdicts(self) -> list[Verdict]:
        """What was judged, in the same order."""
        return [
            Verdict.model_validate_json((directory.path / "verdict.json").read_bytes())
            for directory in self.directories()
        ]

    def outcomes(self) -> list[tuple[str, str]]:
        """How every task of the only verification ended, and where."""
        (directory,) = self.directories()
        found = map(outcome_of, records(directory.path))
        return [(each.how, each.node) if each else ("open", "") for each in found]


@pytest.fixture
def bench(tmp_path: Path, data_root: Path) -> Iterator[Bench]:
    """What one test works with; whoever starts a cluster says which."""
    made = Bench(tmp_path / "bench", tmp_path / "bench" / "data", {})
    made.scratch.mkdir(parents=True)
    shutil.copytree(data_root, made.data)
    yield made
    for process in made.launched:
        if process.poll() is None:
            process.kill()
            process.wait()
