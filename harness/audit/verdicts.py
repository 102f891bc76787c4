"""How a rule reports its result: one check, with the places that it is based on."""

from collections.abc import Iterable, Sequence

from harness.audit.findings import AuditCheck, CheckName, Place
from harness.audit.policy import Policy
from harness.models import Status
from harness.upstream.logs.logged import LoggedRun

_MOST_PLACES = 12
_LONGEST_SENTENCE = 600
_CUT = " ..."
# Figures that a run that only scores takes from the log that trained its artifact.
BORROWED = (
    "model_bytes", "code_bytes", "code_bytes_logged", "total_bytes", "train_seconds",
    "train_slack_seconds", "post_train_seconds", "artifact_seconds", "steps", "first_losses",
)  # fmt: skip

Figure = float | int | str | None


def check(
    name: CheckName,
    status: Status,
    sentence: str,
    *places: Place | None,
    measured: Figure = None,
    limit: Figure = None,
    unit: str = "",
) -> AuditCheck:
    """Make a check that is based on ``places``; an annotation is shown at the first one."""
    found = tuple(dict.fromkeys(place for place in places if place))[:_MOST_PLACES]
    return AuditCheck(
        id=name,
        status=status,
        detail=_bounded(sentence),
        measured=measured,
        limit=limit,
        unit=unit,
        file=found[0].file if found else None,
        line=found[0].line if found else None,
        places=found,
    )


def _bounded(sentence: str) -> str:
    """A sentence that is not too long; one that is ends where a word does, and says so."""
    if len(sentence) <= _LONGEST_SENTENCE:
        return sentence
    kept = sentence[: _LONGEST_SENTENCE - len(_CUT)]
    return (kept.rpartition(" ")[0] or kept) + _CUT


def at(run: LoggedRun, figure: str) -> Place:
    """Where a run's figure was read."""
    if figure in ("val_bpb", "val_loss"):
        return Place(file=run.log, line=run.line)
    borrowed = run.trained_in if figure in BORROWED else None
    return Place(file=borrowed or run.log, line=run.lines.get(figure))


def within(checks: Iterable[AuditCheck], policy: Policy) -> tuple[AuditCheck, ...]:
    """The checks that a policy applies; a rule that it only notes does not fail."""
    kept = []
    for found in checks:
        strictness = policy.strictness(found.id)
        if strictness == "note" and found.status == "fail":
            kept.append(found.model_copy(update={"status": "unknown"}))
        elif strictness != "skip":
            kept.append(found)
    return tuple(kept)


def worst(checks: Sequence[AuditCheck]) -> Status:
    """``fail`` if any check fails, else ``unknown`` if any is unknown, else ``pass``."""
    statuses = {found.status for found in checks}
    return "fail" if "fail" in statuses else "unknown" if "unknown" in statuses else "pass"


def listed(names: Sequence[object], most: int = 6) -> str:
    """A few names in a sentence."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def counted(number: int, noun: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
