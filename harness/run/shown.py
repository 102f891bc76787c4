"""The train shards that one try is shown: written before its clock starts, removed after it.

They lie beside the verification, not in it, in a directory with a random name. A sandbox can read
the source of a mount on the host in ``/proc/self/mountinfo``, and neither seed nor try may be
visible there. The name is not drawn from the plan's nonce, or a second try would have the same
name. Inside the sandbox, all names are the same for every run.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.data.build.imposing import most_shown_bytes, write_shown
from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError
from harness.evidence.plan import Plan
from harness.evidence.results import Shown
from harness.hardware.machine import disk_free_bytes
from harness.safeio.files import disk_errors
from harness.safeio.ownership import remove_tree

PREFIX = ".shown-"
_LOCK = "lock"
_TRAIN = "train"
_NOTED_BYTES = 1 << 30


@dataclass(frozen=True)
class TrainShards:
    """What a run trains on: the mounted directory, and its content if it was made for the run."""

    directory: Path
    shown: Shown | None

    @property
    def made(self) -> tuple[Path, ...]:
        """The files, where they were made for the run."""
        return tuple(sorted(self.directory.iterdir())) if self.shown is not None else ()


@contextlib.contextmanager
def train_shards(
    plan: Plan, dataset: Dataset, *, seed: int, beside: Path, note: Callable[[str], None]
) -> Iterator[TrainShards]:
    """The train shards that a run is shown; they exist while the block lasts.

    Args:
        plan: says what is imposed; if its track imposes nothing, every run sees the dataset's own
        shards.
        dataset: the dataset in the tokens of the entry.
        seed: the seed of the run.
        beside: the directory of the verification.
        note: called with a sentence before slow work.

    Raises:
        InfrastructureError: the disk is full, or would be.
    """
    imposed = plan.track.imposed
    if imposed is None:
        yield TrainShards(dataset.train_directory, None)
        return
    parent = beside.absolute().parent
    need, free = most_shown_bytes(dataset.manifest, own_tokenizer=False), disk_free_bytes(parent)
    if free < need:
        raise InfrastructureError(
            f"{free:,} bytes free, {need:,} may be needed for the train shards of one run",
            file=parent,
            remedy="free some space, then resume",
        )
    if need > _NOTED_BYTES:
        note(f"seed {seed}: writing the train shards that it is shown, up to {need:,} bytes")
    with own_directory(parent) as place:
        folder = place / _TRAIN
        with disk_errors(folder):
            folder.mkdir()
            folder.chmod(0o755)
        shown = write_shown(
            dataset, folder, nonce=plan.nonce, seed=seed, denied_share=imposed.denied_share
        )
        yield TrainShards(folder, shown)


def reap(runs: Path) -> None:
    """Remove the shards that killed harnesses left in a directory of verifications.

    A lock shows whether a harness still lives, because the directory may be shared with other
    machines, whose processes are not visible here.
    """
    for place in runs.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, InfrastructureError), _locked(place):
            remove_tree(place)


@contextlib.contextmanager
def own_directory(parent: Path) -> Iterator[Path]:
    """A directory with a random name that no other harness removes; we remove it at the end."""
    while True:
        place = parent / f"{PREFIX}{secrets.token_hex(16)}"
        with disk_errors(place):
            place.mkdir(mode=0o755)
        # Another harness may remove it between making and locking; then it is made again.
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(_locked(place))
            except OSError as error:
                if place.exists() and not isinstance(error, BlockingIOError):
                    with disk_errors(place):
                        raise error
                continue
            try:
                yield place
            finally:
                remove_tree(place)
            return


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold a directory through the lock in it.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it does not exist, or was removed meanwhile.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(place / _LOCK, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(place)
        yield
    finally:
        os.close(descriptor)
