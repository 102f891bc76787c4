"""The directory of one verification: what is written when, and how it is read again.

A try begins when its directory is made, which only one harness can do. ``evidence.json`` is
written after each step, and before the entry's code is started first. The first try of a draw that
our side did not lose is the one that counts; ``attempts.py`` says what becomes of the others.
Where each file lies is ``places.py``.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from pydantic import BaseModel, ValidationError

from harness.errors import InfrastructureError, UsageError
from harness.evidence.attempts import MOST_BEGUN, Attempts
from harness.evidence.decisions import Decision
from harness.evidence.draws import Draw
from harness.evidence.places import (
    BRIDGE,
    DECISIONS,
    ENTRY,
    EVIDENCE,
    FORMAT_1_PLAN,
    LOCK,
    PLAN,
    PRUNED,
    VERDICT,
    Places,
)
from harness.evidence.plan import FORMAT, Plan
from harness.evidence.run import Run
from harness.evidence.steps import STEPS
from harness.models import Fact
from harness.safeio.files import disk_errors, sync_directory, write_atomically, write_files
from harness.safeio.locks import BusyError, is_locked, locked
from harness.safeio.looking import is_there, names_in
from harness.safeio.parsing import Model, ParseError, parse_model, problems_of
from harness.safeio.reading import read_inside

_MOST_TRIES = 1000
_MOST_DECISIONS = 1000
LARGEST_EVIDENCE_BYTES = 64 << 20


@dataclass(frozen=True)
class RunDirectory(Places):
    """One verification's directory and what was fixed before its first run."""

    @classmethod
    def create(
        cls,
        runs: Path,
        plan: Plan,
        *,
        files: dict[str, bytes],
        bridge: dict[str, bytes] | None = None,
    ) -> "RunDirectory":
        """Start a directory under ``runs``; the plan is written last, so it is whole or absent."""
        stamp = re.sub(r"[^0-9T]", "", plan.created_at.partition(".")[0])
        folder = re.sub(r"[^A-Za-z0-9._-]", "_", plan.entry.folder)[:60]
        name = f"{stamp}-{folder}-{plan.track.name}"
        with disk_errors(runs):
            runs.mkdir(parents=True, exist_ok=True)
            path = _new_directory(runs, name)
            write_files(path / ENTRY, files)
            if bridge:
                write_files(path / BRIDGE, bridge)
        _write(path / PLAN, plan)
        return cls(path=path, plan=plan)

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Read a directory back.

        Raises:
            UsageError: not a verification's directory, of an earlier format, or its plan is
                damaged.
            InfrastructureError: it cannot be looked at.
        """
        if not is_there(path / PLAN):
            if is_there(path / FORMAT_1_PLAN):
                raise UsageError(
                    "evidence of format 1, which this harness does not read; expected format "
                    f"{FORMAT}: run the verification again",
                    file=path / FORMAT_1_PLAN,
                )
            raise UsageError(
                f"not the directory of a verification: it holds no {PLAN}; "
                "expected one that `harness verify` made under runs/",
                file=path,
            )
        return cls(path=path, plan=_read(path, PLAN, Plan))

    @property
    def binds(self) -> bool:
        """Whether its draw could make a record: then there is no other beside it for the asking."""
        return not (self.plan.rehearsal or self.plan.chosen_by_hand)

    def is_pruned(self, run: Run) -> bool:
        """Whether what a run sealed was removed on purpose, and is not there any more."""
        if not (self.directory_of(run) / PRUNED).is_file():
            return False
        sealed = [self.artifact(run)] if run.artifact is not None else []
        sealed += [self.checkpoint(run)] if run.checkpoint is not None else []
        return not any(map(os.path.lexists, sealed))

    def require_unpruned(self) -> None:
        """Require that what was sealed is still there, for who looks at it again.

        Raises:
            UsageError: it was removed on purpose.
        """
        for run in self.runs():
            if any(map(self.is_pruned, (*self.beside(run), run))):
                raise UsageError(
                    "what it sealed was removed (harness prune)",
                    file=self.directory_of(run),
                    remedy="restore it from a copy, or run the verification again",
                )

    def forget_answers(self, draw: Draw, attempt: int) -> None:
        """Remove the answers of a try: they are large, and nobody asks again any more."""
        place = self.try_directory(draw, attempt)
        for step in STEPS:
            with disk_errors(place):
                (place / step.answers_file).unlink(missing_ok=True)

    def attempts(self, draw: Draw) -> int:
        """How many tries of a draw were begun, including those that failed."""
        return max(self._begun(draw), default=0)

    def _begun(self, draw: Draw) -> list[int]:
        """The numbers of the tries of a draw that were begun, in order."""
        folder = self.draw_directory(draw)
        names = [each.removeprefix("try-") for each in names_in(folder) if each.startswith("try-")]
        numbers = sorted({int(name) for name in names if name.isdecimal()})
        if numbers and numbers[-1] > _MOST_TRIES:
            raise UsageError(
                f"expected a try of a number up to {_MOST_TRIES:,}; no harness made this one",
                file=folder / f"try-{numbers[-1]}",
                remedy="remove it, or restore the directory from a copy",
            )
        return numbers

    def begin_try(self, draw: Draw, attempt: int) -> Path:
        """A fresh directory for one try; making it is what begins the try.

        Raises:
            BusyError: another harness has begun the same try.
            InfrastructureError: the disk failed.
        """
        directory = self.try_directory(draw, attempt)
        if attempt > _MOST_TRIES:
            raise InfrastructureError(f"{_MOST_TRIES:,} tries are enough", file=directory)
        with disk_errors(directory):
            directory.parent.mkdir(exist_ok=True)
            try:
                directory.mkdir()
            except FileExistsError:
                raise BusyError(
                    "another harness has begun this try",
                    file=directory,
                    remedy="wait for it to end",
                ) from None
            for name in ("artifact", "checkpoint"):
                (directory / name).mkdir()
                (directory / name).chmod(0o755)
        return directory

    def write_run(self, run: Run) -> None:
        """Write the evidence that a run has so far.

        Raises:
            InfrastructureError: the try was given up meanwhile, or the disk failed.
        """
        path = self.directory_of(run) / EVIDENCE
        if is_there(path):
            before = _read(self.path, path.relative_to(self.path), Run)
            if before.given_up is not None:
                raise InfrastructureError(
                    f"this try was given up meanwhile: {before.given_up}", file=path.parent
                )
        _write(path, run)

    def tries(self, draw: Draw) -> list[Run]:
        """Evidence of every try of a draw that has some, in order.

        Raises:
            UsageError: it is damaged, or no regular file.
            InfrastructureError: it cannot be looked at.
        """
        found = []
        for attempt in self._begun(draw):
            path = self.try_directory(draw, attempt) / EVIDENCE
            if is_there(path):
                read = _read(self.path, path.relative_to(self.path), Run)
                found.append(_checked(path, read, draw, attempt))
        return found

    def waiting(self, draw: Draw) -> Run | None:
        """The last try of a draw, where it waits to go on on another machine."""
        last = self.tries(draw)[-1:]
        return last[0] if last and last[0].waits else None

    def counted(self, draw: Draw) -> Run | None:
        """The try that counts, as :class:`Attempts` says."""
        return self._attempts(draw).counted

    def beside(self, run: Run) -> tuple[Run, ...]:
        """Tries of the same draw whose scores count with that of a run that counts."""
        return self._attempts(self.plan.draws[run.draw]).beside if run.beside else ()

    def used_up(self) -> tuple[Draw, ...]:
        """Draws of which no further try would count, as :class:`Attempts` says."""
        tried = [draw for draw in self.plan.draws if self.attempts(draw) >= MOST_BEGUN]
        return tuple(draw for draw in tried if self._attempts(draw).used_up)

    def _attempts(self, draw: Draw) -> Attempts:
        return Attempts(self.tries(draw), copied=self.plan.copies is not None)

    def runs(self) -> list[Run]:
        """The try that counts of every draw that has one, in the order of the draws."""
        found = (self.counted(draw) for draw in self.plan.draws)
        return [run for run in found if run is not None]

    def decisions(self) -> list[Decision]:
        """Every recorded decision, in order.

        Raises:
            UsageError: one cannot be read, or there are more than anybody makes.
            InfrastructureError: they cannot be looked at.
        """
        files = [name for _, name in self._decided()]
        if len(files) > _MOST_DECISIONS:
            raise UsageError(
                f"found {len(files):,} decisions, expected at most {_MOST_DECISIONS:,}",
                file=self.path / DECISIONS,
                remedy="move away those that nobody made",
            )
        return [_read(self.path, PurePath(DECISIONS, name), Decision) for name in files]

    def _decided(self) -> list[tuple[int, str]]:
        """Numbers and names of the files of decisions, in order."""
        names = map(PurePath, names_in(self.path / DECISIONS))
        files = [each for each in names if each.suffix == ".json" and each.stem.isdecimal()]
        return sorted((int(each.stem), each.name) for each in files)

    def write_decision(self, decision: Decision) -> Path:
        """Keep one more decision; those before it stay.

        Raises:
            InfrastructureError: the disk failed, or so many are kept that none more would be read.
        """
        folder = self.path / DECISIONS
        kept = self.decisions()
        if len(kept) >= _MOST_DECISIONS:
            raise InfrastructureError(f"{_MOST_DECISIONS:,} decisions are enough", file=folder)
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        last = max((number for number, _ in self._decided()), default=0)
        path = folder / f"{last + 1}.json"
        _write(path, decision)
        return path

    def evidence_digest(self, runs: Sequence[Run] | None = None) -> str:
        """SHA-256 over the plan and the evidence that counts: what a decision is about.

        A try whose score counts beside another's is evidence that counts.

        ``runs`` are those of :meth:`runs`, where they were read already.
        """
        digest = hashlib.sha256((self.path / PLAN).read_bytes())
        for run in self.runs() if runs is None else runs:
            for each in (*self.beside(run), run):
                digest.update((self.directory_of(each) / EVIDENCE).read_bytes())
        return digest.hexdigest()

    def plan_sha256(self) -> str:
        """SHA-256 of the plan's file."""
        return hashlib.sha256((self.path / PLAN).read_bytes()).hexdigest()

    def write_verdict(self, verdict: Fact) -> None:
        """Keep the verdict."""
        _write(self.path / VERDICT, verdict)

    @contextlib.contextmanager
    def hold(self, draw: Draw) -> Iterator[None]:
        """Lock one draw, so that no two tries of it run at the same time.

        Raises:
            BusyError: another harness holds it.
            InfrastructureError: the file system has no locks.
        """
        place = self.draw_directory(draw)
        with disk_errors(place):
            place.mkdir(exist_ok=True)
        with locked(place / LOCK, what="run"):
            yield

    def is_held(self, draw: Draw | None = None) -> bool:
        """Whether a harness is at work on a draw, or on the verification, on any machine."""
        return is_locked(self.draw_directory(draw) / LOCK if draw else self.path / PLAN)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the directory, so that two harnesses never work on one verification."""
        with locked(self.path / PLAN, what="verification"):
            yield


def _new_directory(runs: Path, name: str) -> Path:
    for attempt in range(1, 1000):
        directory = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            directory.mkdir()
        except FileExistsError:
            continue
        sync_directory(runs)
        return directory
    raise InfrastructureError(f"too many verifications named {name}", file=runs)


def _checked(path: Path, run: Run, draw: Draw, attempt: int) -> Run:
    for field, found, expected in (
        ("draw", run.draw, draw.number),
        ("seed", run.seed, draw.seed),
        ("role", run.role, draw.role),
        ("attempt", run.attempt, attempt),
    ):
        if found != expected:
            raise UsageError(f"expected {expected}, found {found}", file=path, field=field)
    return run


def _write(path: Path, model: BaseModel) -> None:
    write_atomically(path, model.model_dump_json(indent=2).encode() + b"\n")


def _read(directory: Path, name: str | PurePath, model: type[Model]) -> Model:
    path = directory / name
    try:
        content = read_inside(directory, name, limit_bytes=LARGEST_EVIDENCE_BYTES)
        return parse_model(
            model, content, limit_bytes=LARGEST_EVIDENCE_BYTES, longest_text=LARGEST_EVIDENCE_BYTES
        )
    except ValidationError as error:
        raise UsageError("damaged evidence", file=path, problems=problems_of(error)) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    except ParseError as error:
        raise UsageError(f"damaged evidence: {error}", file=path, line=error.line) from error
