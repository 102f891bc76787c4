"""Findings show their status as a word, and what to do."""

import io

from rich.console import Console

from harness.judge.verdict import Finding
from harness.report.findings import show_findings


def test_findings_are_drawn_with_their_remedy() -> None:
    file = io.StringIO()
    findings = [
        Finding(
            name="engine", status="fail", detail="no Docker engine answers", remedy="start dockerd"
        ),
        Finding(name="[red]disk", status="pass", detail="42 GB\x1b[2J free"),
        Finding(name="GPUs", status="unknown", detail="nvidia-smi " * 30),
    ]
    show_findings(findings, Console(file=file, width=70), title="doctor")
    lines = file.getvalue().splitlines()
    assert lines[0] == "doctor"
    text = " ".join(" ".join(lines).split())
    assert "FAIL engine no Docker engine answers; remedy: start dockerd" in text
    assert "PASS [red]disk 42 GB[2J free" in text
    assert text.count("nvidia-smi") == 30
    assert max(map(len, lines)) <= 70
