"""The gate itself: from two revisions to findings about the one submission between them."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.audit.policy import Policy
from harness.contest.track import Track
from harness.errors import UsageError
from harness.gate.folder import Layout, judge_folder
from harness.gate.history import History, open_history
from harness.gate.scope import LARGEST_FILE_BYTES, Touched, touched
from harness.models import Fact, Finding, Later, Status, Told
from harness.safeio.files import disk_errors, write_files
from harness.safeio.git_objects import BeyondBoundsError, BrokenTreeError
from harness.safeio.text import storable

Kind = Literal["adds", "changes", "none", "refused"]


class GateReport(Fact):
    """What the gate found. ``folder`` and the findings' files are relative to the repository.

    ``merge_base`` is the commit where the head branched off from the base; null if there is none,
    or several: those are in ``merge_bases``. ``kind`` is ``none`` when no submission is touched and
    that is allowed, ``refused`` when there is not exactly one folder to judge.
    """

    format: Literal[1] = 1
    base: str
    head: str
    merge_base: str | None
    kind: Kind
    folder: str | None
    submission_digest: str | None
    track: str
    notes: tuple[Told[Finding], ...]
    passed: bool
    merge_bases: Later[tuple[str, ...]] = None


def gate(
    repository: Path,
    *,
    base: str,
    head: str,
    root: PurePosixPath,
    track: Track,
    layout: Layout,
    policy: Policy,
    none_passes: bool = False,
    unpack: Path | None = None,
) -> GateReport:
    """Judge what ``head`` proposes to ``base``, without a GPU and without running any of it.

    Args:
        repository: a clone that holds both commits with all their history.
        base: revision that the pull request is to be merged into.
        head: revision that the pull request proposes.
        root: folder of the submissions, relative to the repository.
        track: the rules.
        layout: what is expected in a submission's folder.
        policy: how strictly the claims in it are audited.
        none_passes: let a pull request pass that touches no submission at all.
        unpack: a new folder, into which the submission is written if it passes.

    Raises:
        UsageError: the repository, a revision or ``unpack`` makes no sense.
        InfrastructureError: git, the clone or the disk is at fault.
    """
    if root.is_absolute() or ".." in root.parts or not root.parts:
        raise UsageError(f"--submissions {root}: expected a folder inside the repository")
    if storable(str(root)) != str(root):
        raise UsageError(f"--submissions {root}: the path is not UTF-8; rename it")
    if unpack is not None and unpack.exists():
        raise UsageError(f"--unpack {unpack}: exists already; name a folder that does not")
    digest = None
    with open_history(repository, base=base, head=head) as history:
        try:
            found = _scope(history, root, none_passes=none_passes)
            contents = {
                entry.name.decode("utf-8"): history.objects.blob(
                    entry.id, limit_bytes=LARGEST_FILE_BYTES
                )
                for entry in found.entries
            }
        except BeyondBoundsError as error:
            broken = isinstance(error, BrokenTreeError)
            why = "cannot be looked at" if broken else "too much to look at"
            note = Finding(id="size", status="fail", detail=f"{why}: {error.message}")
            found, contents = Touched(None, False, (), (note,)), {}
        notes = list(found.notes)
        if found.folder is not None and contents:
            judged, digest = _inspected(found.folder, contents, track, layout, policy)
            notes += judged
        passed = not any(note.status == "fail" for note in notes)
        if passed and contents and unpack is not None:
            with disk_errors(unpack):
                write_files(unpack / PurePosixPath(str(found.folder)).name, contents)
        return GateReport(
            base=history.base,
            head=history.head,
            merge_base=history.merge_bases[0] if len(history.merge_bases) == 1 else None,
            kind=_kind(found, passed=passed),
            folder=found.folder,
            submission_digest=digest,
            track=track.name,
            notes=tuple(notes),
            passed=passed,
            merge_bases=history.merge_bases if len(history.merge_bases) > 1 else None,
        )


def _scope(history: History, root: PurePosixPath, *, none_passes: bool) -> Touched:
    if not history.merge_bases:
        detail = "shares no history with the base; branch off the base and apply the change there"
        return Touched(None, False, (), (Finding(id="scope", status="fail", detail=detail),))
    found = touched(history, root=root)
    if found is not None:
        return found
    detail = f"changes no submission: no file in a folder below {root}/"
    status: Status = "pass" if none_passes else "fail"
    return Touched(None, False, (), (Finding(id="scope", status=status, detail=detail),))


def _kind(found: Touched, *, passed: bool) -> Kind:
    if found.folder is None:
        return "none" if passed else "refused"
    return "adds" if found.is_new else "changes"


def _inspected(
    folder: str, contents: dict[str, bytes], track: Track, layout: Layout, policy: Policy
) -> tuple[list[Finding], str | None]:
    """Write a submission into a private directory, and judge it there."""
    with tempfile.TemporaryDirectory(prefix="pgolf-gate-") as place:
        directory = Path(place) / PurePosixPath(folder).name
        with disk_errors(directory):
            write_files(directory, contents)
        return judge_folder(directory, track=track, layout=layout, policy=policy, shown_as=folder)
