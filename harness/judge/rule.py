"""A rule: a question about a case, and the meaning of its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.judge.case import Case
from harness.models import Finding

Better = Literal["lower", "higher", "equal"]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: its name in verdicts; it never changes.
        summary: a sentence that is true of a submission that passes.
        ask: the question; returns None where it does not arise.
        better: whether ``measured`` must be at most, at least or exactly ``limit``.
        per_seed: after one seed run has failed it, no further run can change that.
        open_in_rehearsal: a rehearsal passes although it leaves this rule unknown.
        decidable: why a person may settle an unknown by a recorded decision; empty where nobody
            may. A fail never is settled.
        since: the first version of the harness that had this rule.
    """

    id: str
    summary: str
    ask: Callable[[Case], Finding | None]
    better: Better = "equal"
    per_seed: bool = False
    open_in_rehearsal: bool = False
    decidable: str = ""
    since: str = "0.1.0"
