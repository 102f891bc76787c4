"""Where each file of one verification lies.

::

    runs/<created>-<folder>-<track>/
      plan.json                     fixed before the first run, never changed
      entry/                        exactly the counted files: what is mounted
      bridge/                       the referee's own lines about an entry in a foreign layout
      preparation/try-K/            what ran before any seed; tokenizer.normal: what was proven
      seed-S/try-K/                 evidence.json, <step>.log, <step>.npz, artifact/, checkpoint/
                                    <step>.telemetry.npz where accelerators were watched,
                                    <step>.answers.npz while it is asked again elsewhere
      reproduction-S/try-K/         the same
        pruned.json                 instead of sealed files that nobody needs any more
      */lock                        held by who makes a try of that draw, on any machine
      tasks/                        what a launcher has sent to nodes (run/launcher/desk.py)
      decisions/N.json              beside the evidence, not of it
      verdict.json, scorecard.txt
"""

from dataclasses import dataclass
from pathlib import Path

from harness.evidence.draws import Draw
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.evidence.step_names import Role, StepName
from harness.evidence.steps import step_of
from harness.safeio.looking import is_there

PLAN = "plan.json"
EVIDENCE = "evidence.json"
VERDICT = "verdict.json"
SCORECARD = "scorecard.txt"
ENTRY = "entry"
BRIDGE = "bridge"
DECISIONS = "decisions"
PRUNED = "pruned.json"
LOCK = "lock"
NORMAL_FORM = "tokenizer.normal"
FORMAT_1_PLAN = "verification.json"
_FOLDERS: dict[Role, str] = {
    "preparation": "preparation",
    "seed": "seed-{seed}",
    "reproduction": "reproduction-{seed}",
}


@dataclass(frozen=True)
class Places:
    """Paths in the directory of a verification, and the plan that they follow from."""

    path: Path
    plan: Plan

    @property
    def entry(self) -> Path:
        """The counted files, as they are mounted: absolute, whatever the directory is."""
        return self.path.absolute() / ENTRY

    @property
    def bridge(self) -> Path:
        """The referee's own lines about an entry in upstream's layout, absolute."""
        return self.path.absolute() / BRIDGE

    def draw_directory(self, draw: Draw) -> Path:
        """Where the tries of a draw lie."""
        return self.path / _FOLDERS[draw.role].format(seed=draw.seed)

    def try_directory(self, draw: Draw, attempt: int) -> Path:
        """Where one try of a draw lies; it need not exist."""
        return self.path / try_folder(draw.role, draw.seed, attempt)

    def directory_of(self, run: Run) -> Path:
        """Where a run's evidence lies."""
        return self.try_directory(self.plan.draws[run.draw], run.attempt)

    def artifact(self, run: Run) -> Path:
        """The sealed artifact of a run that has one, absolute as it is mounted."""
        assert run.artifact is not None  # noqa: S101 - callers ask for sealed runs only
        return self.directory_of(run).absolute() / "artifact" / run.artifact.name

    def checkpoint(self, run: Run) -> Path:
        """The unquantized weights of a run that left some, absolute as they are mounted."""
        assert run.checkpoint is not None  # noqa: S101 - callers ask for such runs only
        return self.directory_of(run).absolute() / "checkpoint" / run.checkpoint.name

    def normal_form(self, run: Run) -> Path:
        """The entry's tokenizer in its normal form, of a preparation that proved one."""
        return self.directory_of(run).absolute() / NORMAL_FORM

    def documents(self, run: Run, name: StepName) -> Path:
        """The documents' costs that a step of a run leaves."""
        file = step_of(name).documents_file
        assert file is not None  # noqa: S101 - callers ask for steps that score
        return self.directory_of(run) / file

    def answers(self, run: Run, name: StepName) -> Path:
        """The answers that a scoring of a run has left for who asks again elsewhere."""
        return self.directory_of(run) / step_of(name).answers_file

    def telemetry(self, run: Run, name: StepName) -> Path:
        """What accelerators did in a step of a run whose telemetry kept a file."""
        return self.directory_of(run) / step_of(name).telemetry_file


def try_folder(role: Role, seed: int, attempt: int) -> str:
    """Where one try of a draw lies, relative to the directory of its verification."""
    return f"{_FOLDERS[role].format(seed=seed)}/try-{attempt}"


def is_run_directory(path: Path) -> bool:
    """Whether a directory holds a verification, of this format or of an earlier one.

    Raises:
        InfrastructureError: it cannot be looked at.
    """
    return is_there(path / PLAN) or is_there(path / FORMAT_1_PLAN)
