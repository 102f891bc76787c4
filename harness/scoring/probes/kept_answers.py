"""The answers of a scoring as a file, for who asks again on another machine.

The questions are not in it: they follow from the plan's secrets, wherever they are drawn.
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch

from harness.errors import InfrastructureError
from harness.safeio.files import sha256_of, writing_atomically
from harness.safeio.reading import open_inside
from harness.scoring.probes.answers import Differences
from harness.scoring.probes.causality import ProbeSet

_UNREADABLE = (OSError, ValueError, TypeError, LookupError, zipfile.BadZipFile)


def write_answers(probes: ProbeSet, file: Path) -> str:
    """Write what a scoring has left in ``probes``; the file's SHA-256.

    Four bytes for each token of the stream, and the distributions that are kept.

    Raises:
        InfrastructureError: the disk failed.
    """
    first, pairs = probes.first, probes.pairs
    targets = sorted(first.distributions)
    whole = [first.distributions[target].numpy() for target in targets]
    with writing_atomically(file) as opened:
        np.savez(
            opened,
            nats=first.nats,
            targets=np.array(targets, np.int64),
            distributions=np.stack(whole) if whole else np.empty((0, 0), np.float32),
            pairs=np.array(pairs.changes, np.float64),
            largest=np.array([pairs.largest]),
            worst_target=np.array([pairs.worst_target]),
        )
    return sha256_of(file)


def read_answers(probes: ProbeSet, file: Path, *, sha256: str) -> None:
    """Have ``probes``, drawn anew from the same secrets, hold what another machine has scored.

    Raises:
        InfrastructureError: the file is missing, or is not the one that was written.
    """
    wrong = InfrastructureError(
        "missing, or not what was scored", file=file, remedy="make another try of this run"
    )
    try:
        # Opened once: what is read is what was hashed, whatever gets its name meanwhile.
        with open_inside(file.parent, file.name) as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
                raise wrong
            opened.seek(0)
            with np.load(opened, allow_pickle=False) as arrays:
                nats, targets = arrays["nats"], arrays["targets"]
                whole = torch.from_numpy(arrays["distributions"])
                pairs = Differences.of(
                    arrays["pairs"].tolist(),
                    largest=float(arrays["largest"][0]),
                    worst_target=int(arrays["worst_target"][0]),
                )
    except _UNREADABLE as error:
        raise wrong from error
    # Where other targets are drawn than there, as by another NumPy, those answers are of no use.
    drawn = np.array_equal(targets, np.unique(probes.kept))
    if nats.shape != probes.first.nats.shape or len(whole) != len(targets) or not drawn:
        raise wrong
    probes.first.nats[:] = nats
    probes.first.distributions.update(zip(targets.tolist(), whole, strict=True))
    probes.pairs = pairs
