"""The gate passes structure on: nothing in it reads a message."""

import ast
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from harness.gate.gate import GateReport
from harness.models import Finding
from harness.package import PACKAGE
from harness.report.gate import gate_text, show_gate
from tests.factories.playground import MANIFEST
from tests.gate.histories import Repository, gate

MODULES = sorted(PACKAGE.joinpath("gate").glob("*.py"))


def patterns(tree: ast.Module) -> list[ast.expr]:
    """What is given to functions of ``re``."""
    return [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    ]


@pytest.mark.parametrize("path", MODULES, ids=[path.name for path in MODULES])
def test_no_regular_expression_reads_a_message(path: Path) -> None:
    """Messages are text. What is matched here is bytes: objects of git, sources of a submission."""
    tree = ast.parse(path.read_text())
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "re"
        for alias in node.names
    ]
    assert imported == []
    for pattern in patterns(tree):
        assert isinstance(pattern, ast.Constant) and isinstance(pattern.value, bytes)


def test_the_test_above_sees_a_pattern_of_text() -> None:
    (pattern,) = patterns(ast.parse('import re\nre.compile(r"(.*): (.*)")'))
    assert isinstance(pattern, ast.Constant) and isinstance(pattern.value, str)


def test_each_problem_of_a_manifest_is_a_finding_at_its_line(repository: Repository) -> None:
    repository.branch()
    manifest = MANIFEST.replace("stride = ", "strides = ").replace("= 256", "= 0", 1)
    repository.submission("new", manifest=manifest)
    repository.commit()
    outcome = gate(repository)
    found = [note for note in outcome.verdict["notes"] if note["status"] == "fail"]
    lines = manifest.splitlines()
    assert {(note["id"], note["file"]) for note in found} == {
        ("contract", "submissions/new/submission.toml")
    }
    assert {note["field"]: lines[note["line"] - 1].partition(" ")[0] for note in found} == {
        "score.sequence_length": "sequence_length",
        "score.stride": "[score]",
        "score.strides": "strides",
    }
    for note in found:
        assert note["sentence"] == f"{note['field']}: {note['detail']}"


def test_what_is_missing_is_named_as_a_file(repository: Repository) -> None:
    repository.branch()
    folder = repository.submission("new")
    (folder / "README.md").unlink()
    repository.commit()
    (note,) = [n for n in gate(repository).verdict["notes"] if n["status"] == "unknown"]
    assert (note["id"], note["file"]) == ("missing_file", "submissions/new/README.md")
    (folder / "submission.toml").unlink()
    repository.commit()
    (note,) = [n for n in gate(repository).verdict["notes"] if n["status"] == "fail"]
    assert (note["id"], note["file"]) == ("contract", "submissions/new/submission.toml")


def test_one_finding_is_shown_in_every_form() -> None:
    finding = Finding(
        id="code_bytes",
        status="fail",
        detail="17 of 16 bytes",
        file="submissions/new/submission.toml",
        line=7,
        field="code.files",
        remedy="list fewer",
    )
    report = GateReport(
        base="a" * 40,
        head="b" * 40,
        merge_base="a" * 40,
        kind="adds",
        folder="submissions/new",
        submission_digest=None,
        track="smoke",
        notes=(finding,),
        passed=False,
    )
    sentence = "code.files: 17 of 16 bytes; list fewer"
    (note,) = json.loads(gate_text(report, "json"))["notes"]
    assert note == {**finding.model_dump(), "sentence": sentence}
    command = "::error file=submissions/new/submission.toml,line=7,title=code_bytes::"
    assert gate_text(report, "github").startswith(f"{command}{sentence}\n")
    place = "`submissions/new/submission.toml:7`"
    assert f"| code_bytes | {place} | `{sentence}` |" in gate_text(report, "markdown")
    assert f'line="7"><failure message="{sentence}">' in "".join(
        line.strip() for line in gate_text(report, "junit").splitlines()
    )
    file = io.StringIO()
    show_gate(report, Console(file=file, width=200))
    shown = " ".join(file.getvalue().split())
    assert "FAIL code bytes submissions/new/submission.toml:7: code.files: 17 of 16 bytes" in shown
    assert shown.endswith("remedy: list fewer")
