"""Findings show their status as a word, and what to do."""

import io

from rich.console import Console

from harness.models import Finding
from harness.report.console import PatientConsole
from harness.report.findings import show_findings


def test_findings_are_drawn_with_their_remedy() -> None:
    file = io.StringIO()
    findings = [
        Finding(
            id="engine_clock",
            status="fail",
            detail="no Docker engine answers",
            remedy=f"start dockerd, or: {'sh docker/make-base.sh ' * 5}",
        ),
        Finding(id="[red]disk", status="pass", detail="42 GB\x1b[2J free"),
        Finding(id="GPUs", status="unknown", detail="nvidia-smi " * 30),
    ]
    show_findings(findings, PatientConsole(file=file, width=70), title="doctor")
    lines = file.getvalue().splitlines()
    assert lines[0] == "doctor"
    text = " ".join(" ".join(lines).split())
    assert "FAIL engine clock no Docker engine answers remedy: start dockerd" in text
    assert "PASS [red]disk 42 GB[2J free" in text
    assert text.count("nvidia-smi") == 30
    (remedy,) = (line for line in lines if "remedy" in line)
    assert remedy.count("sh docker/make-base.sh") == 5  # to be copied, so it is not wrapped
    assert max(len(line) for line in lines if line != remedy) <= 70


def test_places_stand_before_what_did_not_pass_or_before_all() -> None:
    findings = [
        Finding(id="a", status="pass", detail="fine", file="x.toml", line=1, field="k"),
        Finding(id="b", status="fail", detail="bad", file="x.toml", line=2, field="k"),
        Finding(id="c", status="unknown", detail="missing", file="README.md"),
    ]
    shown = {}
    for places in (False, True):
        file = io.StringIO()
        show_findings(findings, Console(file=file, width=70), places=places)
        shown[places] = [" ".join(line.split()) for line in file.getvalue().splitlines()[1:]]
    assert shown[False] == [
        "PASS a fine",
        "FAIL b x.toml:2: k: bad",
        "UNKNOWN c README.md: missing",
    ]
    assert shown[True] == ["PASS a x.toml:1: fine", *shown[False][1:]]
