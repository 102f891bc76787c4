"""Hostile records, verdicts and catalogs: what auditor, gate and downloads read."""

import base64
import json
import lzma
from collections.abc import Callable
from pathlib import Path

from tests.audit.records import OFFICIAL, SCRIPT, log, write_record
from tests.factories import plans, runs


def audit_with(name: str) -> Callable[[bytes, Path], object]:
    """Audits a good record in which one file is the given bytes."""

    def feed(content: bytes, scratch: Path) -> None:
        from harness.audit.one import audit_folder, load_policy

        folder = scratch / "record"
        if not folder.exists():
            write_record(folder)
        (folder / name).write_bytes(content)
        audit = audit_folder(folder, track=OFFICIAL, policy=load_policy("strict"))
        audit.model_dump_json()

    return feed


def logs() -> tuple[bytes, ...]:
    """Logs of one run, of two, and behind a launcher's prefix."""
    one = log(seed=42)
    prefixed = "".join(f"[rank0]: {line}\n" for line in one.splitlines())
    return (one.encode(), (one + log(seed=7)).encode(), prefixed.encode())


def scripts() -> tuple[bytes, ...]:
    """A script, and the same one packed as records pack theirs."""
    packed = base64.b85encode(lzma.compress(SCRIPT.encode())).decode()
    wrapper = f'import lzma as L,base64 as B\nexec(L.decompress(B.b85decode("{packed}")))\n'
    return (SCRIPT.encode(), wrapper.encode())


def claims() -> tuple[bytes, ...]:
    """Claims in two of the schemas in use."""
    flat = {"val_bpb": 1.1, "bytes_total": 15_000_000, "author": "a", "date": "2026-04-01"}
    seeds = {"mean_val_bpb": 1.1, "seeds": {"42": {"val_bpb": 1.1}, "7": {"val_bpb": 1.1001}}}
    return tuple(json.dumps(one).encode() for one in (flat, seeds))


def readmes() -> tuple[bytes, ...]:
    """A README with a table of seeds."""
    table = "| seed | val_bpb |\n|---|---|\n| 42 | 1.1000 |\n| 7 | 1.1002 |\n"
    return (f"# A record\n\nval_bpb: **1.1001**\n\n{table}".encode(),)


def listings() -> tuple[bytes, ...]:
    """A MANIFEST.json as the shared evidence has it."""
    files = [{"path": "train_gpt.py", "bytes": 120, "sha256": "0" * 64}]
    return (json.dumps({"files": files}).encode(), json.dumps(files).encode())


def verdict_file(content: bytes, scratch: Path) -> None:
    """Reads a verdict and draws it for a comment."""
    from harness.judge.verdict_file import read_verdict
    from harness.report.markdown import render_markdown

    path = scratch / "verdict.json"
    path.write_bytes(content)
    assert len(render_markdown(read_verdict(path).verdict)) <= 65_536


def verdicts() -> tuple[bytes, ...]:
    """Verdicts of two kinds."""
    plan = plans.plan()
    made = [runs.verdict_of(plan, runs.good_runs(plan)[:count]) for count in (3, 1)]
    return tuple(verdict.model_dump_json(indent=1).encode() for verdict in made)


def catalog(content: bytes, scratch: Path) -> None:
    """Reads what a repository of the field says it holds."""
    from harness.data.hub.catalog import load_catalog

    path = scratch / "manifest.json"
    path.write_bytes(content)
    load_catalog(path)


def catalogs() -> tuple[bytes, ...]:
    """A catalog with one dataset."""
    dataset = {"name": "d", "tokenizer_name": "t", "stats": {"files_train": 3, "files_val": 1}}
    tokenizer = {
        "name": "t",
        "model_path": "tokenizers/t.model",
        "vocab_path": "tokenizers/t.vocab",
    }
    return (json.dumps({"datasets": [dataset], "tokenizers": [tokenizer]}).encode(),)


def leaderboard(content: bytes, scratch: Path) -> None:
    """Reads the file of accepted verdicts."""
    from harness.ledger.file import load_leaderboard

    path = scratch / "leaderboard.json"
    path.write_bytes(content)
    load_leaderboard(path)
