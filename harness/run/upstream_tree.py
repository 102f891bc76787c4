"""The tree of files under which a script in upstream's layout looks for its data.

All scripts of the field look at the same names below one directory, whatever variable leads them
there: ``datasets/fineweb10B_sp1024/fineweb_{train,val}_*.bin`` and ``tokenizers/``. It is made for
one run, like the shards that any submission is shown (:mod:`harness.run.shown`), and removed after.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.data.build.decoy import validation_name, write_decoy
from harness.data.build.imposing import file_name, most_shown_bytes, train_paths, write_shown
from harness.data.format.dataset import Dataset
from harness.errors import InfrastructureError
from harness.evidence.draws import DECOY
from harness.evidence.plan import Plan
from harness.evidence.results import Shown
from harness.hardware.machine import disk_free_bytes
from harness.run.shown import own_directory
from harness.safeio.files import disk_errors
from harness.upstream.tree import shards_folder, tokenizer_file, tree_environment

Split = Literal["decoy", "true"]
_COPIED_BYTES = 256 << 20


@dataclass(frozen=True)
class Tree:
    """The directory to mount, and what of the train shards was made for the run: ``made``."""

    root: Path
    vocabulary_size: int
    shown: Shown | None
    made: tuple[Path, ...] = ()

    def environment(self, root: str) -> dict[str, str]:
        """The variables that lead a script to its data, when the tree is seen at ``root``."""
        return tree_environment(root, self.vocabulary_size)


@contextlib.contextmanager
def upstream_tree(
    plan: Plan,
    dataset: Dataset,
    *,
    seed: int,
    split: Split,
    beside: Path,
    note: Callable[[str], None],
) -> Iterator[Tree]:
    """The tree of one run; it exists while the block lasts.

    With a ``decoy`` the train shards are those that the track imposes on the run, and other text of
    the same length takes the place of the validation split. With the ``true`` split everything is
    the dataset's own, but for the train shards of a rehearsal, which are imposed again.

    Raises:
        InfrastructureError: the disk is full, or would be.
    """
    parent = beside.absolute().parent
    need = most_shown_bytes(dataset.manifest, own_tokenizer=False)
    need += sum(file.bytes for file in dataset.manifest.of_kind("val"))
    if (free := disk_free_bytes(parent)) < need:
        raise InfrastructureError(
            f"{free:,} bytes free, {need:,} may be needed for the data of one run",
            file=parent,
            remedy="free some space, then resume",
        )
    if need > 1 << 30:
        note(f"seed {seed}: writing the data that it is shown, up to {need:,} bytes")
    size = dataset.manifest.vocabulary_size
    with own_directory(parent) as place:
        root = place / "data"
        shards, tokenizer = root / shards_folder(size), root / tokenizer_file(size)
        with disk_errors(root):
            for folder in (shards, tokenizer.parent):
                folder.mkdir(parents=True)
            for folder in (root, *root.rglob("*")):
                folder.chmod(0o755)
            shutil.copyfile(dataset.tokenizer_path, tokenizer)
            tokenizer.chmod(0o644)
        imposed = plan.track.imposed
        shown: Shown | None = None
        made: tuple[Path, ...] = ()
        # What is small is so noisy that only the same text for training tells anything.
        if imposed is not None and (split == "decoy" or plan.track.rehearsal):
            shown = write_shown(
                dataset, shards, nonce=plan.nonce, seed=seed, denied_share=imposed.denied_share
            )
            made = tuple(sorted(shards.iterdir()))
        else:
            for number, path in enumerate(train_paths(dataset)):
                _bring(path, shards / file_name(number))
        if split == "decoy":
            write_decoy(dataset, shards, secret=DECOY.of(plan.nonce, seed))
        else:
            paths = [dataset.directory / entry.path for entry in dataset.manifest.of_kind("val")]
            for number, path in enumerate(paths):
                _bring(path, shards / validation_name(number))
        yield Tree(root, size, shown, made)


def _bring(source: Path, target: Path) -> None:
    """Copy a file of a dataset; a large one is linked where that can be done."""
    with disk_errors(target):
        if source.stat().st_size > _COPIED_BYTES:
            with contextlib.suppress(OSError):
                os.link(source, target)
                return
        shutil.copyfile(source, target)
        target.chmod(0o644)
