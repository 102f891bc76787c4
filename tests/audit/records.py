"""Record folders as people submit them, small and consistent, in the requested form."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.audit.findings import AuditCheck, FolderAudit
from harness.audit.one import audit_folder, load_policy
from harness.contest.track import load_track
from tests.factories.playground import ROOT

UPSTREAM = ROOT.parent / "shared" / "upstream"
TEXT_BYTES = 151_080_891
SP1024, SP8192 = 62_021_846, 40_540_160
OFFICIAL = load_track("10min_16mb")
H100 = "NVIDIA H100 80GB HBM3"
SCRIPT = '"""A script."""\nimport math\n\n\ndef main() -> None:\n    print(math.pi)\n\n\nmain()\n'

needs_upstream = pytest.mark.skipif(
    not UPSTREAM.is_dir(), reason="the shared evidence of upstream records is not here"
)


def loss_of(bpb: float, tokens: int = SP1024) -> float:
    return bpb * math.log(2) * TEXT_BYTES / tokens


def log(
    bpb: float = 1.1,
    *,
    seed: int = 42,
    tokens: int = SP1024,
    vocabulary: int = 1024,
    loss: float | None = None,
    model_bytes: int = 15_000_000,
    code_bytes: int = len(SCRIPT),
    total_bytes: int | None = None,
    train_ms: int = 599_900,
    eval_ms: int = 70_000,
    steps: int = 6000,
    gpu: str | None = H100,
    world_size: int = 8,
    first_loss: float | None = None,
    settings: str = "",
    after: str = "",
    tail: str = "",
    source: str = "",
) -> str:
    """A log in the form of the first upstream script."""
    loss = loss_of(bpb, tokens) if loss is None else loss
    first = 6.9 + seed / 1e6 if first_loss is None else first_loss
    rows = "".join(
        f"|   {i}  {gpu}          On  |   00000000:0{i}:00.0 Off |                    0 |\n"
        for i in range(world_size)
    )
    bar = "=" * 100
    total = model_bytes + code_bytes if total_bytes is None else total_bytes
    echo = f"{source}\n" if source else ""
    return (
        f"{echo}{bar}\nRunning Python 3.12.3 (main) [GCC 13.3.0]\nRunning PyTorch 2.9.1+cu128\n"
        + (rows if gpu else "")
        + f"{bar}\n"
        "val_bpb:enabled tokenizer_kind=sentencepiece "
        f"tokenizer_path=./data/tokenizers/fineweb_{vocabulary}_bpe.model\n"
        f"val_loader:shards pattern=./data/fineweb_val_*.bin tokens:{tokens}\n"
        f"model_params:17059912\nworld_size:{world_size} grad_accum_steps:1\n"
        f"train_seq_len:1024 iterations:20000 {settings}\nseed:{seed}\n"
        "warmup_step:1/20\n"
        f"step:0/20000 val_loss:6.9357 val_bpb:4.1077 train_time:0ms step_avg:0.02ms\n"
        f"step:1/20000 train_loss:{first:.6f} train_time:27ms step_avg:27.23ms\n"
        f"step:2/20000 train_loss:{first + 5.1:.6f} train_time:67ms step_avg:33.75ms\n"
        f"step:3/20000 train_loss:{first + 1.3:.6f} train_time:108ms step_avg:36.00ms\n"
        f"step:{steps}/20000 val_loss:2.2 val_bpb:1.3 train_time:{train_ms}ms step_avg:99.9ms\n"
        f"stopping_early: wallclock_cap train_time:{train_ms}ms step:{steps}/20000\n"
        "Serialized model: 67224983 bytes\n"
        f"Code size: {code_bytes} bytes\nTotal submission size: {67224983 + code_bytes} bytes\n"
        f"{after}"
        f"Serialized model int8+zlib: {model_bytes} bytes (payload:17178912 payload_ratio:3.91x)\n"
        f"Total submission size int8+zlib: {total} bytes\n"
        f"final_int8_zlib_roundtrip val_loss:{loss:.4f} val_bpb:{bpb:.4f} eval_time:{eval_ms}ms\n"
        f"final_int8_zlib_roundtrip_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}\n{tail}"
    )


SCORES = {42: 1.0481234, 1337: 1.0479311, 2025: 1.0484402}


def mean_of(scores: Mapping[int, float] = SCORES) -> float:
    return sum(scores.values()) / len(scores)


def write_record(
    folder: Path,
    *,
    logs: Mapping[str, str | bytes] | None = None,
    claims: Mapping[str, Any] | str | None = None,
    script: str | bytes | None = SCRIPT,
    readme: str | None = "# A record\n",
    files: Mapping[str, str | bytes] | None = None,
    scores: Mapping[int, float] = SCORES,
) -> Path:
    """A complete record of three seeds in which nothing is wrong, except for the given changes."""
    folder.mkdir(parents=True, exist_ok=True)
    if logs is None:
        logs = {f"train_seed{seed}.log": log(bpb, seed=seed) for seed, bpb in scores.items()}
    if claims is None:
        mean = mean_of(scores)
        claims = {
            "name": "A record",
            "date": "2026-05-20",
            "val_bpb": round(mean, 8),
            "val_loss": round(loss_of(mean), 8),
            "bytes_total": 15_000_000 + len(SCRIPT),
            "seeds": list(scores),
        }
    written: dict[str, str | bytes] = {**logs, **(files or {})}
    written["submission.json"] = claims if isinstance(claims, str) else json.dumps(claims, indent=1)
    if script is not None:
        written["train_gpt.py"] = script
    if readme is not None:
        written["README.md"] = readme
    for name, content in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def audited(folder: Path, policy: str = "strict") -> FolderAudit:
    return audit_folder(folder, track=OFFICIAL, policy=load_policy(policy))


def checked(folder: Path, name: str, policy: str = "strict") -> AuditCheck:
    return next(found for found in audited(folder, policy).checks if found.id == name)


def failing(audit: FolderAudit) -> set[str]:
    return {found.id for found in audit.checks if found.status == "fail"}
