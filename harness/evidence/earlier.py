"""Earlier verifications of the same entry on the same track: how many there are, which are open.

They are looked for in one directory of runs, by digests. A plan is used up, never replaced, so what
is open is to be finished before anything is drawn again.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.evidence.places import PLAN, VERDICT
from harness.evidence.store import LARGEST_EVIDENCE_BYTES, RunDirectory
from harness.safeio.looking import is_there, names_in
from harness.safeio.parsing import parse_json
from harness.safeio.reading import read_inside
from harness.safeio.text import storable


class Earlier:
    """The verifications in a directory of runs.

    Every question lists the directory, so what others have begun meanwhile is seen. A plan never
    changes, so each is read once: whoever begins many verifications asks one and the same of these.

    Args:
        runs: the directory; it need not exist.

    Attributes:
        unreadable: those with a plan that could not be read when they were last looked for, by
            name, and why: of each nobody can tell whether it is of the same entry.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self.unreadable: dict[str, UsageError] = {}
        self._read: set[str] = set()
        self._named: dict[tuple[str, str], list[str]] = {}

    def unfinished(self, *, entry_digest: str, track_digest: str) -> RunDirectory:
        """The latest verification of this entry on this track that has no verdict to stand.

        One that a new draw would have to wait for comes before rehearsals and seeds chosen by hand.

        Raises:
            UsageError: there is none.
        """
        found = list(self.open(entry_digest=entry_digest, track_digest=track_digest))
        if found:
            return next((each for each in found if each.binds), found[0])
        raise UsageError(
            "nothing to resume: no unfinished verification of this submission (as it is now) on "
            "this track; run without --resume",
            file=self._runs,
        )

    def last(self, *, entry_digest: str, track_digest: str) -> RunDirectory | None:
        """The latest verification of this entry on this track, finished or not; None: none is."""
        return next(self._trainings(entry_digest, track_digest), None)

    def open(self, *, entry_digest: str, track_digest: str) -> Iterator[RunDirectory]:
        """Verifications of this entry on this track without a verdict to stand, the latest first.

        One that ended INCONCLUSIVE has none: it goes on with the draws that it has, if there is any
        run to make, and is judged again. Seeds chosen by hand are no draw, so there it stands.
        """
        for directory in self._trainings(entry_digest, track_digest):
            if not _is_settled(directory):
                yield directory

    def count(self, *, entry_digest: str, track_digest: str) -> int:
        """How many verifications of this entry on this track were begun with drawn seeds.

        By digest, so whoever changes a byte is not found here. Broken off, inconclusive or finished
        is all one: a submission can bring each of them about.
        """
        directories = self._trainings(entry_digest, track_digest)
        return sum(not directory.plan.chosen_by_hand for directory in directories)

    def _trainings(self, entry_digest: str, track_digest: str) -> Iterator[RunDirectory]:
        """Verifications of an entry on a track that are no rescorings, the latest first."""
        self._look()
        for name in sorted(self._named.get((entry_digest, track_digest), ()), reverse=True):
            # Somebody may have removed it meanwhile, or mended or damaged it.
            if (directory := self._opened(name)) is None:
                continue
            plan = directory.plan
            same = plan.entry.digest == entry_digest and plan.track_digest == track_digest
            if same and not plan.copies:
                yield directory

    def _look(self) -> None:
        """Read the plans that were not there before. (A plan is written last, whole or not.)"""
        self.unreadable = {}
        for name in names_in(self._runs):
            if name in self._read:
                continue
            # What is damaged is looked at again: it may be mended.
            if (directory := self._opened(name)) is not None:
                plan = directory.plan
                self._read.add(name)
                self._named.setdefault((plan.entry.digest, plan.track_digest), []).append(name)

    def _opened(self, name: str) -> RunDirectory | None:
        """A verification; None where there is none, or none that can be read."""
        if not is_there(self._runs / name / PLAN):
            return None
        try:
            return RunDirectory.open(self._runs / name)
        except UsageError as error:
            self.unreadable[name] = error
            return None


def _is_settled(directory: RunDirectory) -> bool:
    word = kept_word(directory)
    if word is None or any(run.lost for run in directory.runs()):
        return False
    return word != "INCONCLUSIVE" or directory.plan.chosen_by_hand


def kept_word(directory: RunDirectory) -> str | None:
    """The word of the verdict beside the evidence; None where none, or nothing readable, lies."""
    try:
        content = read_inside(directory.path, VERDICT, limit_bytes=LARGEST_EVIDENCE_BYTES)
        found = parse_json(content, limit_bytes=LARGEST_EVIDENCE_BYTES)
    except (OSError, ValueError):
        return None
    word = found.get("verdict") if isinstance(found, dict) else None
    return storable(word) if isinstance(word, str) else None
