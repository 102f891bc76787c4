"""Whether what is kept beside evidence is still what the evidence speaks of.

Evidence that contradicts itself is refused by its models; this module looks at the files. Nothing
that it finds is ever held against a submission: somebody changed our records.
"""

import hashlib
import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.errors import InfrastructureError, UsageError
from harness.evidence.facts import ArtifactFacts, ScoreFacts, SeedRun
from harness.evidence.store import PLAN, Ledger

_CLOCK_TOLERANCE = timedelta(minutes=10)
_RELATIVE_TOLERANCE = 1e-9
# A hundred times what the official track's 50,000 documents take; a zip can claim anything.
_LARGEST_DOCUMENTS_BYTES = 128 << 20
# What zipfile and numpy raise at archives that numpy did not write.
_UNREADABLE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, OSError, EOFError, SyntaxError),
    *(MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
_REMEDY = "restore the directory from a copy of it, or run the verification again"


def check_kept(ledger: Ledger, runs: Sequence[SeedRun]) -> None:
    """Hold the kept files of a verification against its plan and its evidence.

    Code against the plan's digest, files and names; each sealed file against size and SHA-256;
    each scoring's file of documents against SHA-256 and the sums of the score. Runs that came to
    no artifact or no score keep nothing, so nothing is asked of them.

    Raises:
        InfrastructureError: a file is missing, or not what was kept; or it is a plan of the future.
        UsageError: the plan's date is none.
    """
    plan = ledger.verification
    _check_date(ledger.directory / PLAN, plan.created_at)
    kept, planned = ledger.submission().facts(), plan.submission
    for field in ("files", "code_bytes", "name", "author", "github_id"):
        if getattr(kept, field) != getattr(planned, field):
            raise _changed(
                ledger.directory / PLAN, f"submission.{field}: not that of {ledger.code}"
            )
    for run in runs:
        directory = ledger.seed_directory(run.seed)
        if run.artifact is not None:
            _check_sealed(ledger.artifact(run), run.artifact)
        if run.checkpoint is not None:
            _check_sealed(ledger.checkpoint(run), run.checkpoint)
        for name, scoring in (
            ("documents.npz", run.scoring),
            ("holdout.npz", run.holdout_scoring),
            ("unquantised.npz", run.unquantised),
        ):
            if scoring is not None:
                _check_documents(directory / name, scoring)


def lies_ahead(date: str) -> bool:
    """Whether a date with a time zone is later than now, by more than clocks differ.

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


def _check_sealed(path: Path, facts: ArtifactFacts) -> None:
    with _opened(path, "not what was sealed") as (file, size):
        # The size first: what is too large is not read at all.
        if size != facts.bytes or hashlib.file_digest(file, "sha256").hexdigest() != facts.sha256:
            raise _changed(path, "missing, or not what was sealed")


def _check_documents(path: Path, scoring: ScoreFacts) -> None:
    what = "not what was scored"
    with _opened(path, what) as (file, size):
        content = file.read(_LARGEST_DOCUMENTS_BYTES) if size <= _LARGEST_DOCUMENTS_BYTES else b""
    if (
        scoring.documents_file != path.name
        or hashlib.sha256(content).hexdigest() != scoring.documents_sha256
    ):
        raise _changed(path, f"missing, or {what}")
    try:
        nats, text_bytes, targets, documents = _sums(content)
    except _UNREADABLE as error:
        raise _changed(path, "not the file of a scoring") from error
    same_nats = math.isclose(nats, scoring.total_nats, rel_tol=_RELATIVE_TOLERANCE)
    counted = (scoring.bytes, scoring.targets, scoring.documents)
    if not same_nats or (text_bytes, targets, documents) != counted:
        raise _changed(path, f"{what}: its documents do not come to the score in the evidence")


def _sums(content: bytes) -> tuple[float, int, int, int]:
    """Nats, bytes, targets and number of documents in a scoring's file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > _LARGEST_DOCUMENTS_BYTES:
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
def _opened(path: Path, what: str) -> Iterator[tuple[io.BufferedReader, int]]:
    """A regular file and its size in bytes; no link is followed, and no pipe is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _changed(path, f"missing, or {what}")
            yield file, status.st_size
    except OSError as error:
        raise _changed(path, f"missing, or {what} ({error.strerror or error})") from error


def _changed(path: Path, what: str) -> InfrastructureError:
    return InfrastructureError(what, file=path, remedy=_REMEDY)
