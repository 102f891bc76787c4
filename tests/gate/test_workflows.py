"""The workflows: what they may do, what they run, and that the label names the very commit."""

import os
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.factories.playground import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"uses: (\./\S+|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)\n")
HEAD_SHA = "1a2b3c4d5e6f" + "0" * 28


def scripts(text: str) -> list[str]:
    """The shell scripts of a workflow: one line, or the block that follows."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.match(r"( *)(?:- )?run: (.*)", line)
        if not match:
            continue
        if not match[2].startswith("|"):
            found.append(match[2])
            continue
        block = []
        for inner in lines[number + 1 :]:
            if inner.strip() and len(inner) - len(inner.lstrip()) <= len(match[1]):
                break
            block.append(inner)
        found.append(textwrap.dedent("\n".join(block)))
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_pasted_into_a_script_and_everything_is_pinned(path: Path) -> None:
    text = path.read_text()
    for script in scripts(text):
        assert "${{" not in script, script
    uses = re.findall(r"^ +(?:- )?(uses: .*\n)", text, re.MULTILINE)
    assert uses and all(PINNED.fullmatch(line) for line in uses), uses
    checkouts = text.count("uses: actions/checkout@")
    assert text.count("persist-credentials: false") == checkouts
    assert text.count("permissions: {}\n") == 1
    assert "secrets." not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_only_the_comment_may_write_and_the_head_is_never_checked_out(path: Path) -> None:
    text = path.read_text()
    writes = re.findall(r"^ +([\w-]+): write\b", text, re.MULTILINE)
    assert writes == (["pull-requests"] if path.name == "verify.yml" else [])
    for match in re.finditer(r" ref: (.*)", text):
        assert match[1] in (
            "${{ github.event.pull_request.base.sha }}",
            "${{ inputs.harness-ref }}",
        )
    if "pull_request_target" in text:
        commenting = text.partition("\n  comment:\n")[2]
        assert "HEAD_SHA" in commenting
        for script in scripts(commenting):
            assert "git" not in script.replace("GITHUB", "")
            assert "unpacked" not in script


def test_every_script_is_a_shells() -> None:
    for path in WORKFLOWS:
        for script in scripts(path.read_text()):
            done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False)
            assert done.returncode == 0, (script, done.stderr)


@pytest.mark.parametrize(
    ("label", "role", "code", "says"),
    [
        (f"verify:{HEAD_SHA[:12]}", "write", 0, ""),
        (f"verify:{HEAD_SHA}", "admin", 0, ""),
        (f"verify:{HEAD_SHA[:12]}", "triage", 1, "must be able to write"),
        (f"verify:{HEAD_SHA[:12]}", "", 1, "must be able to write"),
        (f"verify:{HEAD_SHA[:11]}", "admin", 1, "at least 12 digits"),
        ("verify:", "admin", 1, "at least 12 digits"),
        ("verify:" + "*" * 12, "admin", 1, "at least 12 digits"),
        ("verify:" + "f" * 12, "admin", 1, "another commit"),
        (f"verify:{HEAD_SHA}0", "admin", 1, "another commit"),
        ("verify:$(touch ran)0000", "admin", 1, "at least 12 digits"),
        (f"verify:{HEAD_SHA[:12]}\n", "admin", 1, "at least 12 digits"),
    ],
)
def test_the_label_must_be_a_maintainers_and_name_the_head(
    tmp_path: Path, label: str, role: str, code: int, says: str
) -> None:
    text = (ROOT / ".github/workflows/verify.yml").read_text()
    (script,) = [script for script in scripts(text) if "commit=" in script]
    fake = tmp_path / "gh"
    fake.write_text(f"#!/bin/sh\n[ '{role}' ] && echo '{role}'\n")
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "LABEL": label,
            "HEAD_SHA": HEAD_SHA,
            "ACTOR": "someone",
            "REPOSITORY": "owner/name",
        },
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert role == "" or says in done.stdout
    assert not (tmp_path / "ran").exists()


ACCEPTED = '  "reason": "confirmation: 0 of 3 fresh seeds have a score",'


@pytest.mark.parametrize(
    ("code", "reason", "calls", "ends"),
    [
        (3, ACCEPTED, ["verify", "confirm"], 7),
        (3, '  "reason": "causality: confirmation: 0 of 3",', ["verify"], 3),
        (3, '    "detail": "\\n  \\"reason\\": \\"confirmation: ",', ["verify"], 3),
        (1, ACCEPTED, ["verify"], 1),
        (0, "", ["verify"], 0),
    ],
)
def test_what_is_accepted_and_nothing_else_is_confirmed(
    tmp_path: Path, code: int, reason: str, calls: list[str], ends: int
) -> None:
    text = (ROOT / ".github/workflows/verify.yml").read_text()
    (script,) = [script for script in scripts(text) if "harness verify" in script]
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "runs/one").mkdir(parents=True)
    fake = tmp_path / ".venv/bin/harness"
    fake.write_text(
        f"""#!/bin/bash
echo "$1" >> calls
[[ "$1" == confirm ]] && exit 7
cat > verdict/verdict.json <<'END'
{reason}
END
exit {code}
"""
    )
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path)},
    )
    assert done.returncode == ends, done.stderr
    assert (tmp_path / "calls").read_text().split() == calls
