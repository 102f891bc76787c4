"""The gate's report, drawn for terminals, for a job's summary and for machines."""

from typing import Literal, get_args

from rich.console import Console

from harness.gate.gate import GateReport
from harness.report.annotations import annotations
from harness.report.finding_lists import FILE_LIMIT, ID_LIMIT, counted
from harness.report.findings import show_findings
from harness.report.junit import junit
from harness.report.markdown import LONGEST_COMMENT, bullets, code, findings_table, joined, prose

Format = Literal["table", "github", "markdown", "junit", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)


def gate_text(report: GateReport, form: Format) -> str:
    """The report in a form for machines or for GitHub; ends in a newline."""
    if form == "github":
        return f"{annotations(report.notes)}gate {_outcome(report)}: {counted(report.notes)}\n"
    if form == "markdown":
        return gate_markdown(report)
    if form == "junit":
        return junit({"gate": report.notes}).decode()
    return report.model_dump_json(indent=2) + "\n"


def show_gate(report: GateReport, console: Console) -> None:
    """Print the findings as a table for a terminal."""
    title = f"gate {_outcome(report)}: {counted(report.notes)}"
    show_findings(report.notes, console, title=title, places=True)


def gate_markdown(report: GateReport) -> str:
    """The report in Markdown, for a job's summary or a comment."""
    facts = [f"track: {prose(report.track, ID_LIMIT)}"]
    if report.folder:
        facts.append(f"{report.kind}: {code(report.folder, FILE_LIMIT)}")
    if report.submission_digest:
        facts.append(f"submission digest: {code(report.submission_digest, ID_LIMIT)}")
    facts.append(f"base: {code(report.base, ID_LIMIT)}, head: {code(report.head, ID_LIMIT)}")
    mark = "✅" if report.passed else "❌"
    blocks = (f"## {mark} Gate {_outcome(report)}\n", bullets(facts), findings_table(report.notes))
    return joined(blocks, limit=LONGEST_COMMENT)


def _outcome(report: GateReport) -> str:
    return "passed" if report.passed else "refused"
