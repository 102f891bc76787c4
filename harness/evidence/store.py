"""The directory of one verification: what is written where, when, and how it is read back.

::

    runs/<created>-<folder>-<track>/
      verification.json      fixed before the first run
      submission/            exactly the counted files: what is mounted
      seed-<seed>/           evidence.json, train.log, score.log, documents.npz, artifact/<name>,
                             checkpoint/<name>
      verdict.json, scorecard.txt

A seed run is done when its ``evidence.json`` exists and does not say that our side failed.
"""

import contextlib
import fcntl
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from harness.contest.submission import Submission, load_submission
from harness.contest.track import problems_of
from harness.errors import InfrastructureError, SubmissionError, UsageError
from harness.evidence.facts import SeedRun, Verification
from harness.models import Fact
from harness.safeio.files import disk_errors, sync_directory, write_atomically, write_files

PLAN = "verification.json"
EVIDENCE = "evidence.json"
VERDICT = "verdict.json"
SCORECARD = "scorecard.txt"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Ledger:
    """One verification's directory and what was fixed before its first run."""

    directory: Path
    verification: Verification

    @classmethod
    def create(cls, runs: Path, verification: Verification, *, code: dict[str, bytes]) -> "Ledger":
        """Start a directory under ``runs``; the plan is written last, so it is whole or absent."""
        stamp = re.sub(r"[^0-9T]", "", verification.created_at.partition(".")[0])
        folder = re.sub(r"[^A-Za-z0-9._-]", "_", verification.submission.folder)[:60]
        name = f"{stamp}-{folder}-{verification.track.name}"
        with disk_errors(runs):
            runs.mkdir(parents=True, exist_ok=True)
            directory = _new_directory(runs, name)
            write_files(directory / "submission", code)
        ledger = cls(directory=directory, verification=verification)
        ledger._write(PLAN, verification)
        return ledger

    @classmethod
    def open(cls, directory: Path) -> "Ledger":
        """Read a directory back.

        Raises:
            UsageError: not a verification's directory, or its plan is damaged.
        """
        if not (directory / PLAN).is_file():
            raise UsageError(
                f"{directory}: not the directory of a verification: it holds no {PLAN}; "
                "expected one that `harness verify` made under runs/"
            )
        return cls(directory=directory, verification=_read(directory / PLAN, Verification))

    @property
    def code(self) -> Path:
        """The counted files, as they are mounted: absolute, whatever the directory is."""
        return self.directory.absolute() / "submission"

    def submission(self) -> Submission:
        """The submission as it was when the verification was begun.

        Raises:
            InfrastructureError: somebody has changed the kept files since.
        """
        try:
            kept: Submission | None = load_submission(self.code)
        except SubmissionError:
            kept = None  # it was loaded when the verification was begun
        if kept is None or kept.digest != self.verification.submission.digest:
            raise InfrastructureError(
                f"{self.code}: not the files that the verification was begun with",
                remedy="start a new verification",
            )
        return kept

    def seed_directory(self, seed: int) -> Path:
        """Where a seed run's evidence lies."""
        return self.directory / f"seed-{seed}"

    def begin_seed(self, seed: int) -> Path:
        """A fresh directory for a seed run; what an earlier, broken try left is set aside."""
        directory = self.seed_directory(seed)
        with disk_errors(directory):
            if directory.exists():
                attempt = 1
                while (aside := directory.with_name(f"{directory.name}.broken-{attempt}")).exists():
                    attempt += 1
                directory.rename(aside)
            directory.mkdir()
            for name in ("artifact", "checkpoint"):
                (directory / name).mkdir()
                (directory / name).chmod(0o755)
        return directory

    def artifact(self, run: SeedRun) -> Path:
        """The sealed artifact of a seed run that has one, absolute as it is mounted."""
        assert run.artifact is not None  # noqa: S101 - callers ask for sealed runs only
        return self.seed_directory(run.seed).absolute() / "artifact" / run.artifact.name

    def checkpoint(self, run: SeedRun) -> Path:
        """The unquantised weights of a seed run that left some, absolute as they are mounted."""
        assert run.checkpoint is not None  # noqa: S101 - callers ask for such runs only
        return self.seed_directory(run.seed).absolute() / "checkpoint" / run.checkpoint.name

    def write_run(self, run: SeedRun) -> None:
        """Keep a seed run's evidence; after this it is never repeated."""
        self._write(f"seed-{run.seed}/{EVIDENCE}", run)

    def runs(self) -> list[SeedRun]:
        """Evidence of every seed run that has ended, in the order of the seeds."""
        found = []
        for seed in self.verification.seeds:
            path = self.seed_directory(seed) / EVIDENCE
            if path.is_file():
                run = _read(path, SeedRun)
                if run.seed != seed:
                    raise UsageError(f"expected {seed}, found {run.seed}", file=path, field="seed")
                found.append(run)
        return found

    def write_verdict(self, verdict: Fact) -> None:
        """Keep the verdict."""
        self._write(VERDICT, verdict)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory, so that two harnesses never work on one verification."""
        with (self.directory / PLAN).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InfrastructureError(
                    f"{self.directory}: another harness is at work on this verification",
                    remedy="wait for it to end",
                ) from None
            yield

    def _write(self, name: str, model: BaseModel) -> None:
        write_atomically(self.directory / name, model.model_dump_json(indent=2).encode() + b"\n")


def find_unfinished(runs: Path, *, submission_digest: str, track_digest: str) -> Ledger:
    """The latest verification of this submission on this track that has no verdict to stand.

    Raises:
        UsageError: there is none.
    """
    for ledger in _trainings(runs, submission_digest, track_digest):
        if not _is_settled(ledger):
            return ledger
    raise UsageError(
        f"{runs}: nothing to resume: no unfinished verification of this submission (as it is now) "
        "on this track; run without --resume"
    )


def count_earlier(runs: Path, *, submission_digest: str, track_digest: str) -> int:
    """How many verifications of this submission on this track were begun with drawn seeds.

    By digest, so whoever changes a byte is not found here; broken off or finished is all one.
    """
    ledgers = _trainings(runs, submission_digest, track_digest)
    return sum(ledger.verification.seeds_drawn for ledger in ledgers)


def _trainings(runs: Path, submission_digest: str, track_digest: str) -> Iterator[Ledger]:
    """Verifications of a submission on a track that are no rescorings, the latest first."""
    plans = sorted(runs.glob(f"*/{PLAN}"), key=lambda path: path.parent.name, reverse=True)
    for path in plans:
        try:
            ledger = Ledger.open(path.parent)
        except UsageError:
            continue
        plan = ledger.verification
        same = plan.submission.digest == submission_digest and plan.track_digest == track_digest
        if same and not plan.rescored_from:
            yield ledger


def _is_settled(ledger: Ledger) -> bool:
    path = ledger.directory / VERDICT
    if not path.is_file():
        return False
    lost = any(run.trouble and run.trouble.fault == "infrastructure" for run in ledger.runs())
    return not lost


def _new_directory(runs: Path, name: str) -> Path:
    for attempt in range(1, 1000):
        directory = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            directory.mkdir()
        except FileExistsError:
            continue
        sync_directory(runs)
        return directory
    raise InfrastructureError(f"{runs}: too many verifications named {name}")


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UsageError("damaged evidence", file=path, problems=problems_of(error)) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
