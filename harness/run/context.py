"""What seed runs are made with, and the paths under which a sandbox shows our files."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.contest.manifest import Score, Train
from harness.contest.track import Track
from harness.data.format.dataset import Dataset
from harness.evidence.store import Ledger
from harness.hardware.machine import accelerator_uuids
from harness.run.progress import Progress
from harness.sandbox.protocol import Sandbox

CODE = PurePosixPath("/submission")
DATA = PurePosixPath("/data")
TOKENIZER = PurePosixPath("/tokenizer")
ARTIFACT = PurePosixPath("/artifact")
CHECKPOINT = PurePosixPath("/checkpoint")
CHANNEL = PurePosixPath("/channel")


@dataclass(frozen=True)
class Rig:
    """What a seed run is made with. ``quantization_gap``: also score unquantised weights.

    ``dataset`` holds the tokens that are trained on and scored: the track's, or the same texts
    in those of the submission's own tokenizer. ``holdout`` is the track's unpublished set, in
    the same tokens.
    """

    ledger: Ledger
    track: Track
    train: Train
    score: Score
    dataset: Dataset
    sandbox: Sandbox
    progress: Progress
    quantization_gap: bool = False
    holdout: Dataset | None = None

    @property
    def accelerators(self) -> tuple[str, ...]:
        """UUIDs of the GPUs that the track needs; none for a track that needs none."""
        return accelerator_uuids(self.track, self.ledger.verification.machine)
