"""Checks that the files kept beside the evidence are still the ones that it describes.

Evidence that contradicts itself is refused by its models; this module looks at the files. What it
finds is never the submission's fault: somebody changed our records.
"""

import hashlib
import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.contest.brought_along import brought_along, contradicted
from harness.contest.entry import file_facts
from harness.contest.loading import load_submission
from harness.errors import InfrastructureError, SubmissionError, UsageError
from harness.evidence.digests import measured_by
from harness.evidence.places import PLAN
from harness.evidence.results import ArtifactFacts, Scores
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.safeio.files import digest_of_named
from harness.safeio.reading import open_inside, read_inside

_CLOCK_TOLERANCE = timedelta(minutes=10)
_RELATIVE_TOLERANCE = 1e-9
LARGEST_FILE_BYTES = 64 << 20
# A hundred times what the official track's 50,000 documents take; a zip can claim anything.
LARGEST_DOCUMENTS_BYTES = 128 << 20
# What zipfile and numpy raise at archives that numpy did not write.
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, OSError, EOFError, SyntaxError),
    *(MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
_REMEDY = "restore the directory from a copy of it, or run the verification again"


def check_kept(directory: RunDirectory, runs: Sequence[Run] | None = None) -> None:
    """Compare the kept files of a verification with its plan and its evidence.

    Code with the plan's digest, files and names; of each try that counts (``runs``, where they were
    read already), each sealed file with size and SHA-256; each scoring's file of documents with
    SHA-256 and the sums of the score; a tokenizer's normal form, and what accelerators did, with
    their SHA-256. Runs that led to no artifact or no score keep nothing, so nothing is asked of
    them; nor of sealed files that were removed on purpose, which leaves a note.

    Raises:
        InfrastructureError: a file is missing or was changed, or the plan's date is in the future.
        UsageError: the plan's date is not a date.
    """
    check_entry(directory)
    for run in directory.runs() if runs is None else runs:
        check_run(directory, run)


def check_entry(directory: RunDirectory) -> None:
    """Compare the plan with the files of its entry and of its bridge; raises as the whole does."""
    plan = directory.plan
    _check_date(directory.path / PLAN, plan.created_at)
    files = read_files(directory.entry, [file.name for file in plan.entry.files])
    facts = tuple(file_facts(files))
    if facts != plan.entry.files or digest_of_named(files) != plan.entry.digest:
        raise InfrastructureError(
            "not the files that the verification was begun with",
            file=directory.entry,
            remedy="start a new verification",
        )
    if plan.entry.bridge is not None:
        lines = read_files(directory.bridge, [file.name for file in plan.entry.bridge.files])
        if digest_of_named(lines) != plan.entry.bridge.digest:
            raise InfrastructureError(
                "not the bridge that the verification was begun with",
                file=directory.bridge,
                remedy="start a new verification",
            )
    # Another harness may have read another contract out of the same file.
    if plan.entry.layout == "submission" and plan.required.measured_by == measured_by():
        _check_settings(directory)
    _check_brought(directory, files)


def _check_brought(directory: RunDirectory, files: Mapping[str, bytes]) -> None:
    """What the entry is said to bring along is what its files and settings weigh."""
    plan, field = directory.plan, "brought"
    if plan.brought is not None:
        wrong = contradicted(plan.brought, brought_along(plan.entry, files))
        if not wrong:
            return
        field, problem = f"brought.{wrong}", "not what the kept files weigh"
    elif plan.track.brought_along is None:
        return  # begun before there was such a figure
    else:
        problem = "missing, and its track asks for it"
    raise InfrastructureError(problem, file=directory.path / PLAN, field=field, remedy=_REMEDY)


def _check_settings(directory: RunDirectory) -> None:
    """Check that the settings in a plan are those of its own ``submission.toml``."""
    plan = directory.plan
    try:
        again = load_submission(directory.entry).entry(plan.track.settings)
    except SubmissionError as error:  # it was loaded when the verification was begun
        raise _changed(directory.entry, f"not what was entered: {error}") from error
    for field in ("name", "author", "github_id", "tokenizer", "train", "score"):
        if getattr(again, field) != getattr(plan.entry, field):
            raise _changed(directory.path / PLAN, f"entry.{field}: not that of {directory.entry}")


def read_files(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files of a kept entry by name.

    Raises:
        InfrastructureError: one is missing, a link, or larger than any entry's file.
    """
    contents = {}
    for name in names:
        try:
            contents[name] = read_inside(folder, name, limit_bytes=LARGEST_FILE_BYTES)
        except OSError as error:
            why = error.strerror or error
            raise _changed(folder / name, f"missing, or not what was kept ({why})") from error
    return contents


def check_run(directory: RunDirectory, run: Run) -> None:
    """Compare the evidence of one run with the files beside it; raises as the whole does."""
    for earlier in directory.beside(run):
        check_run(directory, earlier)
    root = directory.path.absolute()
    pruned = directory.is_pruned(run)
    if run.artifact is not None and not pruned:
        _check_sealed(root, directory.artifact(run), run.artifact)
    if run.checkpoint is not None and not pruned:
        _check_sealed(root, directory.checkpoint(run), run.checkpoint)
    if run.tokenizer is not None and run.tokenizer.normal_form_sha256 is not None:
        what = "not the normal form that was proven"
        _check_small(root, directory.normal_form(run), run.tokenizer.normal_form_sha256, what)
    for facts in run.steps:
        if isinstance(facts.result, Scores):
            _check_documents(root, directory.documents(run, facts.name).absolute(), facts.result)
        if facts.telemetry is not None and facts.telemetry.file_sha256 is not None:
            path = directory.telemetry(run, facts.name).absolute()
            _check_small(root, path, facts.telemetry.file_sha256, "not what was seen")


def lies_ahead(date: str) -> bool:
    """Whether a date with a time zone is later than now, by more than clocks may differ.

    Raises:
        ValueError: not such a date.
    """
    moment = datetime.fromisoformat(date)
    if moment.tzinfo is None:
        raise ValueError("expected a time zone")
    return moment - _CLOCK_TOLERANCE > datetime.now(UTC)


def _check_date(path: Path, date: str) -> None:
    try:
        ahead = lies_ahead(date)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"damaged evidence: {error}", file=path, field="created_at") from error
    if ahead:
        raise InfrastructureError(
            f"{date[:40]} lies in the future",
            file=path,
            field="created_at",
            remedy="set the clock of this machine, or run the verification again",
        )


def _check_sealed(root: Path, path: Path, facts: ArtifactFacts) -> None:
    with _opened(root, path, "not what was sealed") as (file, size):
        # The size first: what is too large is not read at all.
        if size != facts.bytes or hashlib.file_digest(file, "sha256").hexdigest() != facts.sha256:
            raise _changed(path, "missing, or not what was sealed")


def _check_small(root: Path, path: Path, sha256: str, what: str) -> None:
    with _opened(root, path, what) as (file, size):
        if size > LARGEST_FILE_BYTES or hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise _changed(path, f"missing, or {what}")


def _check_documents(root: Path, path: Path, scores: Scores) -> None:
    what = "not what was scored"
    with _opened(root, path, what) as (file, size):
        content = file.read(LARGEST_DOCUMENTS_BYTES) if size <= LARGEST_DOCUMENTS_BYTES else b""
    if hashlib.sha256(content).hexdigest() != scores.documents_sha256:
        raise _changed(path, f"missing, or {what}")
    try:
        nats, text_bytes, targets, documents = _sums(content)
    except _UNREADABLE as error:
        raise _changed(path, "not the file of a scoring") from error
    same_nats = math.isclose(nats, scores.total_nats, rel_tol=_RELATIVE_TOLERANCE)
    counted = (scores.bytes, scores.targets, scores.documents)
    if not same_nats or (text_bytes, targets, documents) != counted:
        raise _changed(path, f"{what}: its documents do not add up to the score in the evidence")


def _sums(content: bytes) -> tuple[float, int, int, int]:
    """Nats, bytes, targets and number of documents in a scoring's file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_DOCUMENTS_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        nats, text_bytes, targets = (arrays[name] for name in ("nats", "bytes", "targets"))
    kinds = tuple(array.dtype for array in (nats, text_bytes, targets))
    if kinds != (np.float64, np.int64, np.int64) or nats.ndim != 1:
        raise ValueError("expected float64, int64 and int64 in one dimension each")
    if not nats.shape == text_bytes.shape == targets.shape:
        raise ValueError("expected three arrays of one length")
    return math.fsum(nats), int(text_bytes.sum()), int(targets.sum()), len(nats)


@contextmanager
def _opened(root: Path, path: Path, what: str) -> Iterator[tuple[io.BufferedReader, int]]:
    """A regular file and its size in bytes; no link is followed, and no pipe is waited for."""
    try:
        with open_inside(root, path.relative_to(root)) as file:
            yield file, os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _changed(path, f"missing, or {what} ({error.strerror or error})") from error


def _changed(path: Path, what: str) -> InfrastructureError:
    return InfrastructureError(what, file=path, remedy=_REMEDY)
