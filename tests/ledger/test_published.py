"""Verdicts from elsewhere: within bounds, and refused where they contradict themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.judge.verdict_file import PublishedVerdict, read_verdict
from harness.safeio.files import sha256_of_bytes
from tests.factories.playground import harness
from tests.factories.runs import good_runs
from tests.ledger.boards import (
    planned,
    write_verdict,
)

HEX = "0123456789abcdef"


TAMPERINGS = {
    "verdict": lambda v: v.update(verdict="VERIFIED"),
    "passed": lambda v: [c.update(status="pass") for c in v["checks"] if c["status"] == "fail"],
    "mean": lambda v: v["statistics"].update(mean_bpb=1.0),
    "threshold": lambda v: v["statistics"].update(threshold_bpb=9.0),
    "significant": lambda v: v["statistics"].update(significant=True),
    "seeds": lambda v: v["seeds"].append(v["seeds"][0]),
    "a check less": lambda v: v["checks"].pop(0),
    "a check twice": lambda v: v["checks"].append(v["checks"][0]),
    "sandbox": lambda v: v.update(isolated=False),
    "no name of a sandbox": lambda v: v.update(sandbox="\x1b[2J"),
    "isolation": lambda v: v.update(isolated=False, rehearsal=True),
    "date": lambda v: v.update(created_at="yesterday"),
    "unknown key": lambda v: v.update(extra=1),
    "infinite": lambda v: v["statistics"].update(bar_bpb=float("inf")),
    "long": lambda v: v.update(author="x" * 100_000),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_verdict_that_contradicts_itself_is_refused(tmp_path: Path, tampering: str) -> None:
    path = write_verdict(tmp_path, runs=good_runs(planned(), (3.41, 3.42, 3.43)))
    assert read_verdict(path).verdict.verdict == "REJECTED"
    document = json.loads(path.read_text())
    tamper: Callable[[Any], object] = TAMPERINGS[tampering]
    tamper(document)
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"contradicts itself|not a verdict"):
        read_verdict(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"verdict": ' + b"1" * 5000 + b"}",
     b" " * (1 << 20) + b"{}", b'"' + b"x" * 30_000 + b'"'],
)  # fmt: skip
def test_nonsense_is_no_verdict(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(content)
    done = harness("scorecard", path, "--format", "markdown")
    assert done.code == 2
    assert "verdict.json" in done.err and "Traceback" not in done.err


def test_a_verdict_is_drawn_from_its_file_alone(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    done = harness("scorecard", path, "--format", "markdown")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("## ✅ VERIFIED")
    assert "VERIFIED" in harness("scorecard", path).out


def test_what_was_read_is_what_is_hashed(tmp_path: Path) -> None:
    path = write_verdict(tmp_path)
    published = read_verdict(path)
    assert published == PublishedVerdict(published.verdict, sha256_of_bytes(path.read_bytes()))
    assert set(published.sha256) <= set(HEX)
