"""What a laptop cannot prove, on whatever accelerator is here: ``python -m tests.accelerator``.

Writes accelerator.json and accelerator.md into --out, anew after every step. Without a GPU every
step runs in miniature. Exits 0 when all that could be tried was done, 3 when a step failed or was
killed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.accelerator.desk import REPOSITORY
from tests.accelerator.plan import (
    LEAST_SECONDS,
    TRAINING_SLACK,
    Planned,
    first_step,
    planned,
    training_seconds,
)
from tests.accelerator.recipe import names
from tests.accelerator.report import Report
from tests.accelerator.running import Outcome, adopt_strays, end_strays, run_step
from tests.accelerator.sizes import FULL, SIZES, SMALL, Size


def main() -> int:
    """Run all steps within the time; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.accelerator", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("accelerator-report"))
    parser.add_argument("--seconds", type=float, help="for all steps together")
    parser.add_argument("--size", choices=sorted(SIZES), help="full on a GPU, else small")
    parser.add_argument("--only", default="", help="submissions, by commas; all when not given")
    parser.add_argument(
        "--steps", default="", help="modules of steps, by commas; all when not given"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="where datasets are")
    parser.add_argument("--site", default="", help="a directory of packages missing here")
    parser.add_argument("--without", default="", help="do as if these packages were missing")
    options = parser.parse_args()
    unknown = set(filter(None, options.only.split(","))) - set(names())
    if unknown:
        parser.error(f"no such submission: {', '.join(sorted(unknown))}; there are {names()}")
    options.out.mkdir(parents=True, exist_ok=True)
    adopt_strays()
    with tempfile.TemporaryDirectory(prefix="accelerator-") as scratch:
        run = Run(options, Path(scratch))
        run.all()
        shutil.copytree(Path(scratch) / "logs", options.out / "logs", dirs_exist_ok=True)
    print(f"{options.out / 'accelerator.md'}, {options.out / 'accelerator.json'}", flush=True)
    return 0 if all(step["state"] in ("done", "not tried") for step in run.report.steps) else 3


class Run:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.began = time.monotonic()
        self.size: Size = SIZES[options.size] if options.size else FULL
        self.seconds = float(options.seconds or self.size.total_seconds)
        self.cuda, self.devices = False, tuple[str, ...]()
        self.toolkit, self.engine = "none", "none"
        (folder / "logs").mkdir()
        # A file that a cut-off run left must not be taken for this one's.
        for name in ("accelerator.json", "accelerator.md"):
            (options.out / name).unlink(missing_ok=True)
        self.report = Report(options.out.absolute(), self._head())

    def _head(self) -> dict[str, Any]:
        commit = "unknown"
        if shutil.which("git"):
            done = subprocess.run(
                ["git", "rev-parse", "--short=12", "HEAD"],
                cwd=REPOSITORY, capture_output=True, text=True, check=False,
            )  # fmt: skip
            commit = done.stdout.strip() or commit
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "command": f"python -m tests.accelerator {' '.join(sys.argv[1:])}".strip(),
            "commit": commit,
        }

    @property
    def left(self) -> float:
        """Seconds until all must be done."""
        return self.seconds - (time.monotonic() - self.began)

    def all(self) -> None:
        """First what is there, then everything that follows from it."""
        first = first_step(self.size)
        self.report.waiting = [first.name]
        self.report.write()
        outcome = self.step(first)
        self._settle(outcome)
        chosen = [name for name in self.options.only.split(",") if name] or names()
        steps = planned(self.size, chosen, engine=self.engine != "none")
        wanted = set(filter(None, self.options.steps.split(",")))
        if wanted:
            steps = [step for step in steps if step.module in wanted | {"text", "training"}]
        while steps:
            self.report.waiting = [step.name for step in steps]
            self.report.write()
            self.step(steps[0], steps)
            steps.pop(0)
        self.report.waiting = []
        self.report.head["seconds"] = round(time.monotonic() - self.began, 1)
        self.report.write()

    def _settle(self, outcome: Outcome) -> None:
        """Device and size from what was found."""
        figures = outcome.figures
        gpus = figures.get("gpus")
        if gpus is None:  # torch did not answer in time: then what the driver's program says
            gpus = figures.get("nvidia_smi") or []
        self.cuda = bool(gpus)
        self.devices = tuple(gpu["uuid"] for gpu in gpus)
        self.toolkit = str(figures.get("nvidia_toolkit", "none"))
        self.engine = str(figures.get("engine", "none"))
        if not self.options.size:
            self.size = FULL if self.cuda else SMALL
            self.seconds = float(self.options.seconds or self.size.total_seconds)
        head = self.report.head
        head["size"] = self.size.name
        head["device"] = shown_devices(gpus) or "CPU: no GPU that torch can use"
        head["driver"] = figures.get("driver", "none")
        head["torch"] = figures.get("torch", "unknown")

    def step(self, step: Planned, waiting: list[Planned] | None = None) -> Outcome:
        """Run a step, unless what it needs is missing or time is up; write the report."""
        arguments, limit = dict(step.arguments), step.limit_seconds
        if step.trains:
            arguments["seconds"] = training_seconds(
                self.size, waiting or [step], left_seconds=self.left
            )
            limit = arguments["seconds"] + TRAINING_SLACK
        if step.module == "containers":
            arguments["toolkit"] = self.toolkit
        limit = min(limit, self.left)
        done = {each["name"] for each in self.report.steps if each["state"] == "done"}
        if step.needs and step.needs not in done:
            outcome = Outcome("not tried", 0.0, {}, [], f"needs what {step.needs} did not leave")
        elif self.left < LEAST_SECONDS:
            why = f"no time left of {self.seconds:.0f} s; see --only, --steps and --seconds"
            outcome = Outcome("not tried", 0.0, {}, [], why)
        else:
            print(f"{step.name}: at most {limit:.0f} s", flush=True)
            outcome = self._run(step, arguments, limit)
            end_strays()
        self.report.steps.append(
            {
                "name": step.name,
                "module": step.module,
                "submission": str(step.arguments.get("submission", "")),
                "state": outcome.state,
                "why": outcome.why,
                "seconds": outcome.seconds,
                "limit_seconds": limit,
                "figures": outcome.figures,
                "lacking": outcome.lacking,
            }
        )
        print(f"{step.name}: {outcome.state} after {outcome.seconds:.1f} s {outcome.why[-300:]}",
              flush=True)  # fmt: skip
        return outcome

    def _run(self, step: Planned, arguments: dict[str, Any], limit: float) -> Outcome:
        told = {
            "folder": str(self.folder),
            "figures": str(self.folder / f"{step.name.replace(' ', '-')}.jsonl"),
            "size": self.size.as_json(),
            "cuda": self.cuda,
            "devices": list(self.devices),
            "site": self.options.site and str(Path(self.options.site).absolute()),
            "data": str(self.options.data.absolute()),
            "arguments": arguments,
        }
        without = tuple(filter(None, self.options.without.split(",")))
        return run_step(step.module, told, limit_seconds=limit, without=without)


def shown_devices(gpus: list[dict[str, Any]]) -> str:
    """How many of which."""
    counted: dict[str, int] = {}
    for gpu in gpus:
        counted[gpu["name"]] = counted.get(gpu["name"], 0) + 1
    return ", ".join(f"{count} x {name}" for name, count in sorted(counted.items()))


if __name__ == "__main__":
    sys.exit(main())
