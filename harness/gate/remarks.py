"""What a judgement says about files, in the one form that every writer of reports takes."""

from collections.abc import Iterable
from typing import Protocol

from harness.models import Fact, Status

ID_LIMIT = 80
FILE_LIMIT = 200
SENTENCE_LIMIT = 600
MOST_REMARKS = 500


class Remark(Protocol):
    """One finding: ``file`` is relative to the repository or folder, ``line`` counts from 1.

    ``fail`` stands in the way, ``unknown`` is a warning. Strings may come from strangers: writers
    bound and escape them.
    """

    @property
    def id(self) -> str:
        """Which rule speaks."""

    @property
    def status(self) -> Status:
        """What it found."""

    @property
    def sentence(self) -> str:
        """What it has to say, fit for a person."""

    @property
    def file(self) -> str | None:
        """The file concerned, if it is about one."""

    @property
    def line(self) -> int | None:
        """The line concerned, if it is about one."""


class Note(Fact):
    """The plainest remark."""

    id: str
    status: Status
    sentence: str
    file: str | None = None
    line: int | None = None


def counted(remarks: Iterable[Remark]) -> str:
    """How many remarks there are of each kind, in words."""
    statuses = [remark.status for remark in remarks]
    failed, warned = statuses.count("fail"), statuses.count("unknown")
    passed = len(statuses) - failed - warned
    return f"{failed} failed, {warned} {'warning' if warned == 1 else 'warnings'}, {passed} passed"


def worst_first(remarks: Iterable[Remark]) -> list[Remark]:
    """Failures, then warnings, then the rest; otherwise in the order given."""
    order: dict[Status, int] = {"fail": 0, "unknown": 1, "pass": 2}
    return sorted(remarks, key=lambda remark: order[remark.status])
