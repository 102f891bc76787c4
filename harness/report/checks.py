"""What checks of bridges found, drawn for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from harness.adopt.adoption import Adoption
from harness.judge.rules.bridge import driven_of
from harness.report.markdown import code, prose, table
from harness.safeio.text import plain

if TYPE_CHECKING:
    from harness.run.folder_check import FolderCheck

_NAME, _SENTENCE = 60, 300
_OUTCOMES = {
    "agrees": "the bridge leads to the model that the script scores",
    "differs": "our loss is not the one that the script prints",
    "failed": "nothing could be compared",
    "lost": "nothing could be compared, for want of something of ours",
}
_HEADINGS = (
    "folder", "class", "our loss", "printed", "apart", "seconds", "driven loop", "result",
)  # fmt: skip


def show_check(check: FolderCheck, console: Console, *, name: str = "") -> None:
    """What a check found: both losses with their digits, how sharp it is, how long it took."""
    console.print()
    style = "green" if check.outcome == "agrees" else "red"
    lead = f"check of {plain(name, _NAME)}: " if name else "check: "
    console.print(Text.assemble(lead, (_OUTCOMES[check.outcome], style)))
    for line in check_lines(check):
        console.print(Text(f"  {plain(line, 2 * _SENTENCE)}"), soft_wrap=True)


def check_lines(check: FolderCheck) -> list[str]:
    """The sentences of a check."""
    lines = [check.problem] if check.problem else []
    proof = check.proof
    if proof is not None and proof.our_loss is not None and proof.printed_loss is not None:
        lines.append(
            f"our loss {proof.our_loss:.8f} nats, printed {proof.printed_loss:.8f}, "
            f"apart {proof.apart_nats:.1e}; tolerance {proof.tolerance_nats:.2e}"
        )
        if proof.driven_loss is not None:
            lines.append(driven_of(proof)[1])
        if proof.blind_to:
            lines.append(
                f"it proves less than it could: with {' or '.join(proof.blind_to)} our loss would "
                "be the same, so this part of the windows is not proved"
            )
    runs = ", ".join(f"{run} {seconds:.1f} s" for run, seconds in check.run_seconds.items())
    lines.append(
        f"{check.seconds:.1f} s in all ({runs or 'nothing was run'}); track {check.track}, "
        f"{check.sandbox} sandbox"
    )
    return lines


def checks_markdown(adoptions: Sequence[Adoption], checks: Sequence[FolderCheck]) -> str:
    """A table of checks: the class that each folder reached, both losses in nats, the time."""
    rows = [
        (
            code(adoption.name, 120),
            adoption.adoption,
            *_losses(check),
            f"{check.seconds:.0f}",
            _driven(check),
            prose(_result(check), _SENTENCE),
        )
        for adoption, check in zip(adoptions, checks, strict=True)
    ]
    return table(_HEADINGS, rows, figures=4, notes=2)


def _losses(check: FolderCheck) -> tuple[str, str, str]:
    proof = check.proof
    if proof is None or proof.our_loss is None or proof.printed_loss is None:
        return "-", "-", "-"
    return f"{proof.our_loss:.8f}", f"{proof.printed_loss:.8f}", f"{proof.apart_nats:.1e}"


def _driven(check: FolderCheck) -> str:
    proof = check.proof
    if proof is None or proof.driven_loss is None or proof.driven_printed_loss is None:
        return "-"
    return f"apart {abs(proof.driven_loss - proof.driven_printed_loss):.1e}"


def _result(check: FolderCheck) -> str:
    if check.problem:
        return check.problem
    blind = check.proof.blind_to if check.proof is not None else ()
    return f"agrees, but not proved is {' or '.join(blind)}" if blind else check.outcome
