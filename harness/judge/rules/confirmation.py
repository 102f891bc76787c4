"""Whether further seeds say again what the looks have accepted.

Looks accept the best of what was seen, and whoever enters a model again and again, or looks for
seeds at home that do well, is accepted by luck in the end. What is drawn before the first run and
run after the last look was chosen by nobody: its mean has no luck in it, on another host not even
the host's. It must lie below the threshold by itself, and it is what a record publishes.
"""

from harness.evidence.draws import Purpose
from harness.judge.case import Case
from harness.judge.rule import Rule
from harness.judge.tested import ConfirmationResult
from harness.models import Finding, Status


def _confirmation(case: Case) -> Finding | None:
    found = case.confirmation
    if found is None:
        return None
    threshold, together = case.statistics.threshold_bpb, case.statistics.n + found.n
    status, detail = answer_of(found, threshold=threshold, together=together)
    return Finding(
        id="confirmation",
        status=status,
        measured=found.p,
        limit=found.p_below,
        unit="p",
        detail=f"{detail}; {_where(case)}" if found.mean_bpb is not None else detail,
    )


def answer_of(
    found: ConfirmationResult, *, threshold: float | None, together: int
) -> tuple[Status, str]:
    """The answer, and the sentence that says why; ``together`` counts all seeds that are tested."""
    if found.mean_bpb is None or threshold is None:
        todo = "run `harness confirm` of this run directory, on another host where there is one"
        return "unknown", f"{found.n} of {found.runs} fresh seeds have a score: {todo}"
    away = abs(found.mean_bpb - threshold)
    said = f"{found.n} fresh seeds average {found.mean_bpb:.6f} BPB"
    if found.mean_bpb >= threshold:
        return "fail", f"{said}, {away:.6f} above the threshold: what was accepted was luck"
    if found.p is None or found.p >= found.p_below:
        return "fail", f"{said}, but all {together} seeds together do not show that the bar fell"
    return "pass", f"{said}, {away:.6f} below the threshold; all {together} together show it too"


def _where(case: Case) -> str:
    """Whether it was made on another host than the looks, as far as hosts have names."""
    looked, fresh = (
        {host.node for run in case.seeds_for(purpose) for host in run.hosts}
        for purpose in _PURPOSES
    )
    if "" in looked | fresh:
        return "whether on another host is not known: HARNESS_NODE gave none a name"
    names = ", ".join(sorted(fresh))
    if looked.isdisjoint(fresh):
        return f"on another host ({names})"
    return (
        f"on the same host ({names})" if fresh <= looked else f"partly on the same host ({names})"
    )


_PURPOSES: tuple[Purpose, Purpose] = ("look", "confirmation")

CONFIRMATION = Rule(
    "confirmation",
    "Further seeds, drawn before the first run and run after the looks accepted, beat the bar too.",
    _confirmation,
    better="lower",
    open_in_rehearsal=True,
)
