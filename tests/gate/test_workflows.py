"""The workflows: what they may do, what they run, and that the label names the very commit."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from harness.package import VERSION
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


def ran(
    script: str, place: Path, *, tools: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A step as a runner runs it, with programs of ``tools`` before all others."""
    path = f"{tools}:{os.environ['PATH']}" if tools else os.environ["PATH"]
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path, **variables},
    )


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
def test_only_the_comment_and_a_signature_may_be_written_and_the_head_is_never_checked_out(
    path: Path,
) -> None:
    text = path.read_text()
    writes = re.findall(r"^ +([\w-]+): write\b", text, re.MULTILINE)
    allowed = {
        "verify.yml": ["pull-requests"],
        "release.yml": ["id-token"],
        "site.yml": ["pages", "id-token"],
    }
    assert writes == allowed.get(path.name, [])
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


def test_what_a_fork_sends_is_run_by_no_workflow_of_ours() -> None:
    """Its code is checked out by `tests.yml` alone, where every job asks whose branch it is."""
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    for path in WORKFLOWS:
        text = path.read_text()
        if not re.search(r"^  pull_request:", text, re.MULTILINE) or "uses: ./" in text:
            continue
        jobs = text.partition("\njobs:\n")[2]
        names = re.findall(r"^  (\w+):\n    if: (.*)\n", jobs, re.MULTILINE)
        assert len(names) == len(re.findall(r"^  \w+:\n", jobs, re.MULTILINE)) > 0
        assert all(asked == f"github.event_name != 'pull_request' || {ours}" for _, asked in names)


def test_who_signs_and_uploads_runs_nothing_of_the_repository() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    publishing = text.partition("\n  publish:\n")[2]
    assert "id-token: write" in publishing and "id-token" not in text.partition("publish:")[0]
    assert "actions/checkout" not in publishing and "environment: release" in publishing


def test_who_publishes_pages_runs_nothing_of_the_repository_and_no_pull_request_is_seen() -> None:
    text = (ROOT / ".github/workflows/site.yml").read_text()
    before, _, publishing = text.partition("\n  publish:\n")
    assert "pages: write" in publishing and "write" not in before.partition("jobs:")[2]
    assert "actions/checkout" not in publishing and "environment: github-pages" in publishing
    assert "pull_request" not in text and "branches: [main]" in text


@pytest.mark.parametrize("also", [[], ["verdicts/v.json"], ["verdicts/v.json", "audits/a b.json"]])
def test_the_site_is_built_of_what_was_accepted(tmp_path: Path, also: list[str]) -> None:
    text = (ROOT / ".github/workflows/site.yml").read_text()
    (script,) = [script for script in scripts(text) if "harness site" in script]
    fake = tmp_path / "harness"
    fake.write_text('#!/bin/sh\nfor each in "$@"; do echo "$each"; done > told\nmkdir site\n')
    fake.chmod(0o755)
    for name in also:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    done = ran(script, tmp_path, tools=tmp_path)
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "told").read_text().splitlines()
    assert told[:4] == ["site", "site", "--leaderboard", "leaderboard.json"]
    assert ("verdicts" in told, "audits/a b.json" in told) == (bool(also), len(also) == 2)
    assert (tmp_path / "packed/artifact.tar").is_file()


@pytest.mark.parametrize(("tag", "code"), [("right", 0), ("v9.9.9", 1), ("main", 1)])
def test_a_tag_that_names_another_version_is_not_released(tag: str, code: int) -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    (script,) = [script for script in scripts(text) if "TAG" in script]
    tag = f"v{VERSION}" if tag == "right" else tag
    done = ran(script, ROOT, tools=Path(sys.executable).parent, TAG=tag)
    assert done.returncode == code, done.stderr


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
    asked = {"LABEL": label, "HEAD_SHA": HEAD_SHA, "ACTOR": "someone", "REPOSITORY": "owner/name"}
    done = ran(script, tmp_path, tools=tmp_path, **asked)
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
    done = ran(script, tmp_path, RUNNER_TEMP=str(tmp_path))
    assert done.returncode == ends, done.stderr
    assert (tmp_path / "calls").read_text().split() == calls
