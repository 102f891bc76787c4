"""Findings about a submission or a machine, drawn for terminals."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.models import Finding
from harness.report.layout import FigureTable, Row
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import STATUS_STYLES
from harness.safeio.text import plain


def show_findings(
    findings: Sequence[Finding], console: Console, *, title: str = "", places: bool = False
) -> None:
    """Print findings below each other, each with its status as a word.

    A remedy is a line of its own, which is not wrapped: it holds commands to be copied.

    File and line are printed before findings that did not pass, or before all with ``places``.
    """
    if title:
        console.print(Text(plain(title, 2 * NAME_LIMIT), style="bold"))
    rows = []
    for finding in findings:
        passed = finding.status == "pass"
        place = finding.place if places or not passed else ""
        parts = (place, None if passed else finding.field, finding.detail)
        note = Text(plain(": ".join(part for part in parts if part), DETAIL_LIMIT))
        remedy = f"remedy: {plain(finding.remedy, DETAIL_LIMIT)}" if finding.remedy else ""
        style = STATUS_STYLES[finding.status]
        name = Text(plain(finding.id.replace("_", " "), NAME_LIMIT))
        cells = (Text(finding.status.upper(), style=style), name)
        rows.append(Row(cells, note, Text(remedy, no_wrap=True) if remedy else None))
    console.print(FigureTable(("status", "what"), 2, rows))
