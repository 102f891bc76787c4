"""What a report reads of a run directory: an artifact, a log, an inspection; and what it draws."""

import io
import json
import zlib
from pathlib import Path, PurePath

import numpy as np
import zstandard

from harness.evidence.store import RunDirectory
from tests.factories.broken import PLAN

_TENSORS = {"embedding.weight": ["<f4", [16, 4]], "blocks.0.up.weight": ["|i1", [8, 8]]}


def weights(content: bytes, scratch: Path) -> None:
    """An artifact's own list of tensors."""
    from harness.report.exhibits.weights import weights_of

    (scratch / "model.bin").write_bytes(content)
    weights_of(RunDirectory(path=scratch, plan=PLAN), PurePath("model.bin"))


def artifacts() -> tuple[bytes, ...]:
    """One of each form."""
    offsets = {"a": {"dtype": "F16", "shape": [5], "data_offsets": [0, 10]}}
    head = json.dumps(offsets).encode()
    told = json.dumps({"tensors": _TENSORS}).encode() + b"\n"
    frames = json.dumps({"tensors": {"a": ["int6", "", [4], 30]}}).encode()
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros(5), b=np.zeros(9))
    return (
        len(head).to_bytes(8, "little") + head + bytes(10),
        b"MAGIC001" + zlib.compress(told + bytes(200)),
        b"MAGIC001" + zstandard.compress(frames) + bytes(30),
        archive.getvalue(),
    )


def curve(content: bytes, scratch: Path) -> None:
    """The curve of a training."""
    from harness.report.exhibits.training_log import training_curve

    (scratch / "train.log").write_bytes(content)
    training_curve(RunDirectory(path=scratch, plan=PLAN), PurePath("train.log"))


def inspection(content: bytes, scratch: Path) -> None:
    """What an entry's own code said of an artifact."""
    from harness.report.exhibits.inspected import read_inspection

    (scratch / "inspection.json").write_bytes(content)
    read_inspection(scratch / "inspection.json", artifact_bytes=1_000)


def inspections() -> tuple[bytes, ...]:
    """One with a tensor that was quantized and one that was not."""
    tensor = {"shape": [4], "bits_per_weight": 6.0, "bytes": 4, "stored": "int6"}
    tensors = [
        {**tensor, "name": "a", "compressed_bytes": 10, "rms_error": 0.5},
        {**tensor, "name": "b", "compressed_bytes": 90, "control": True},
    ]
    told = {"submission": "s", "artifact": "a", "artifact_bytes": 1_000, "code_bytes": 1}
    return (json.dumps({**told, "bytes_limit": 9, "tensors": tensors, "warnings": []}).encode(),)
