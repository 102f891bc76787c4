"""A rule: a question asked of a case, and what its answer means."""

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
        id: its name in verdicts, for good.
        summary: what it says of a submission that passes, as a sentence.
        ask: the question; None where it does not arise.
        better: whether ``measured`` may be at most, or must be at least, or must be ``limit``.
        per_seed: once one seed run has failed it, no further run can mend that.
        open_in_rehearsal: a rehearsal may leave it unknown and is no worse for it.
        decidable: an unknown may be settled by a recorded decision; a fail never is.
        since: the first version of the harness that asked it.
    """

    id: str
    summary: str
    ask: Callable[[Case], Finding | None]
    better: Better = "equal"
    per_seed: bool = False
    open_in_rehearsal: bool = False
    decidable: bool = False
    since: str = "0.1.0"
