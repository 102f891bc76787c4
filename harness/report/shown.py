"""What a scorecard is drawn of: a verdict, and what else is at hand."""

from dataclasses import dataclass

from harness.judge.verdict import Verdict
from harness.report.exhibits.model import Exhibits


@dataclass(frozen=True)
class Shown:
    """What there is to draw.

    Attributes:
        verdict: of which everything else is a function.
        exhibits: figures of a run directory; None where only a verdict is at hand.
        verbose: whether checks that pass are told one by one, or folded into a line.
        verify: the command that runs the entry again, as it was typed; made up when empty.
    """

    verdict: Verdict
    exhibits: Exhibits | None = None
    verbose: bool = True
    verify: str = ""
