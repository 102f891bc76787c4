"""The proof of the sandbox's isolation, drawn for terminals."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.evidence.isolation import phrase_of
from harness.models import Status
from harness.report.layout import FigureTable, Row
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import STATUS_STYLES
from harness.safeio.text import plain
from harness.sandbox.selfcheck.proof import Proof

CHANNELS_TOO = (
    "What still leaks from one sandbox to the next is no property but an amount: "
    "harness doctor --channels measures it, in bits."
)


def show_proofs(proofs: Sequence[Proof], console: Console) -> None:
    """Print each property with its status, the observation, and that of a default container."""
    rows = []
    for proof in proofs:
        status: Status = "pass" if proof.stands else "fail"
        name = Text(plain(proof.id, NAME_LIMIT))
        note = Text(plain(_sentence(proof), 3 * DETAIL_LIMIT))
        rows.append(Row((Text(status.upper(), style=STATUS_STYLES[status]), name), note))
    console.print(FigureTable(("status", "property"), 2, rows))
    console.print(Text(summary(proofs)))


def summary(proofs: Sequence[Proof]) -> str:
    """How many properties hold, and how many of them a default container has as well."""
    failing = [proof.id for proof in proofs if not proof.stands]
    shared = [proof.id for proof in proofs if proof.stands and not proof.matters]
    held = len(proofs) - len(failing)
    ending = f"; not proved: {', '.join(failing)}" if failing else ""
    return (
        f"{held} of {len(proofs)} properties are proved; a container with the engine's defaults "
        f"lacks {held - len(shared)} of them and has the other {len(shared)} too{ending}"
    )


def _sentence(proof: Proof) -> str:
    seen = {"inside": proof.inside, "outside": proof.outside}
    phrase = phrase_of(proof.id)
    where = [place for place, text in seen.items() if text]
    if proof.holds:
        text = f"{phrase}: {proof.expected}, seen from {' and '.join(where)} ({proof.flag})"
    else:
        found = ", ".join(f"{text} from {place}" for place, text in seen.items() if text)
        text = f"{phrase}: expected {proof.expected}, found {found or 'nothing'} ({proof.flag})"
    if proof.matters:
        return f"{text}; by default: {proof.by_default}"
    return f"{text}; by default too: {proof.default_too or 'and so no flag of ours is proved'}"
