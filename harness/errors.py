"""The families of errors, kept apart so that their fault and ours never mix.

Each carries what it knows as structure; its text is made of that, and nobody takes it apart again.
Only ``cli/`` turns errors into exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from harness.models import Finding, Status

MOST_PROBLEMS = 10
"""Problems of one file that an error tells; the others are counted."""


class Problem(NamedTuple):
    """One of several things wrong with a file; ``field`` is empty where all of it is meant."""

    field: str
    detail: str
    line: int | None = None


class HarnessError(Exception):
    """Any error with a message fit for a user: it names what is wrong and what to do.

    Its text is ``file:line: field: detail``, each part where it is known, and the remedy on a line
    of its own. ``message`` is the same without the remedy.

    Args:
        detail: what is wrong; with ``problems``, what they are problems of (may be empty).
        file: the file concerned.
        within: what ``file`` is relative to, when that is to stand in the text and not in the
            findings: the folder of a submission. It is meant itself when ``file`` is empty.
        line: the line concerned, from 1.
        field: the key concerned, dotted.
        remedy: what the user can do about it, as a sentence or a command.
        id: of the finding; that of the class when empty.
        problems: several things that are wrong with ``file``, each a finding.
    """

    id = "error"
    status: Status = "fail"

    def __init__(
        self,
        detail: str = "",
        *,
        file: Path | str | None = None,
        within: Path | None = None,
        line: int | None = None,
        field: str | None = None,
        remedy: str = "",
        id: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        self.id = id or self.id
        self.file = None if file is None else str(file)
        self.line = problems[0].line if len(problems) == 1 else line
        self.field = field
        self.remedy = remedy
        self._about = detail
        self._problems = tuple(problems[:MOST_PROBLEMS])
        self._left = len(problems) - len(self._problems)
        self.detail = _joined(detail, self._problems, self._left)
        shown = self.file if within is None or file is None else str(within / file)
        place = f"{shown}:{self.line}" if shown and self.line else shown
        self.message = ": ".join(part for part in (place, field, self.detail) if part)
        super().__init__(f"{self.message}\n  remedy: {remedy}" if remedy else self.message)

    @property
    def finding(self) -> Finding:
        """All of it as one finding."""
        found = self.findings
        return found[0] if len(found) == 1 else self._finding(self.detail, self.field, self.line)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One finding for each problem; a last one counts those that are not told."""
        if not self._problems:
            return (self._finding(self.detail, self.field, self.line),)
        about = f"{self._about}: " if self._about else ""
        found = [self._finding(about + p.detail, p.field, p.line) for p in self._problems]
        if self._left:
            found.append(self._finding(f"{about}{_more(self._left)}", None, None))
        return tuple(found)

    def _finding(self, detail: str, field: str | None, line: int | None) -> Finding:
        from harness.models import Finding  # here, so that `harness --help` need not wait for it

        return Finding(
            id=self.id,
            status=self.status,
            detail=_unicode(detail),
            file=_unicode(self.file) if self.file else None,
            line=line,
            field=_unicode(field) if field else None,
            remedy=_unicode(self.remedy),
        )


class UsageError(HarnessError):
    """The command was given something that does not exist or makes no sense."""

    id = "usage"


class SubmissionError(HarnessError):
    """The submission is at fault: the message names the file, the field and what was expected."""

    id = "contract"


class InfrastructureError(HarnessError):
    """Our side failed: engine, disk, dataset, hardware. Never counts against a submission."""

    id = "infrastructure"
    status = "unknown"


def _joined(about: str, problems: Sequence[Problem], left: int) -> str:
    told = [f"{problem.field or '(whole file)'}: {problem.detail}" for problem in problems]
    told += [_more(left)] if left else []
    return ": ".join(part for part in (about, "; ".join(told)) if part)


def _more(left: int) -> str:
    return f"and {left:,} more"


def _unicode(text: str) -> str:
    """Names of files may hold halves of surrogate pairs, which no JSON does."""
    return text.encode("utf-8", "replace").decode("utf-8")
