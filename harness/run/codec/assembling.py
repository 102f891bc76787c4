"""A dataset's directory, put together of the ids of its parts."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.build.publishing import publish, staging
from harness.data.build.written_files import ShardsWriter, file_entry
from harness.data.format.dataset import Dataset, check_files
from harness.data.format.manifest import (
    FOLDERS,
    MANIFEST_NAME,
    FileEntry,
    Kind,
    Manifest,
    totals_of,
)
from harness.data.format.reading import silent
from harness.errors import InfrastructureError
from harness.evidence.phase import PhaseFacts
from harness.run.codec.parts import PartFacts, Phases
from harness.run.codec.phase import Coder
from harness.safeio.files import disk_errors, write_atomically

PHASES = "phases.json"
_SHARD_TOKENS = 100_000_000
_READ_TOKENS = 1 << 24


def assemble(
    coder: Coder,
    dataset: Dataset,
    destination: Path,
    *,
    done: Sequence[PartFacts],
    shards: Mapping[Kind, Sequence[Path]],
) -> None:
    """Make the directory, whole or not at all.

    Args:
        coder: whose tokens they are.
        dataset: the dataset of the same texts.
        destination: the directory.
        done: the facts of all parts, in the order in which they were made.
        shards: the files of their ids, for train and for val.

    Raises:
        InfrastructureError: the disk is full, or what was written is not what was meant.
    """
    phases = Phases(phases=tuple(facts.phase for facts in done))
    with staging(destination) as directory:
        files = (
            *_shards(directory, "train", shards["train"]),
            *_shards(directory, "val", shards["val"]),
            _tokenizer_file(coder, directory),
            _documents(dataset, directory),
        )
        manifest = Manifest(
            name=destination.name,
            source=f"{dataset.manifest.name} in the tokens of a submission"
            + ("'s code" if coder.pieces is None else ""),
            vocabulary_size=done[0].vocabulary_size,
            bos_id=done[0].bos_id,
            tokenizer=next(entry.path for entry in files if entry.kind == "tokenizer"),
            files=files,
            totals=totals_of(files),
        )
        write_atomically(directory / PHASES, phases.model_dump_json().encode())
        write_atomically(directory / MANIFEST_NAME, manifest.to_json())
        check_files(Dataset(directory=directory, manifest=manifest), silent)
        publish(directory, destination)


def phases_of(found: Dataset) -> tuple[PhaseFacts, ...]:
    """The sandboxes in which a dataset was made; raises InfrastructureError if it is damaged."""
    path = found.directory / PHASES
    try:
        return Phases.model_validate_json(path.read_bytes()).phases
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            "damaged: it does not say in which sandboxes it was made",
            file=path,
            remedy="remove the derived dataset (harness data derived --remove all)",
        ) from error


def _shards(directory: Path, kind: Kind, paths: Sequence[Path]) -> list[FileEntry]:
    shards = ShardsWriter(directory, kind, _SHARD_TOKENS)
    for path in paths:
        with disk_errors(path), path.open("rb") as file:
            while len(tokens := np.fromfile(file, dtype="<u2", count=_READ_TOKENS)):
                shards.write(tokens.astype(np.uint16, copy=False))
    return shards.close()


def _tokenizer_file(coder: Coder, directory: Path) -> FileEntry:
    """What training finds under TOKENIZER_PATH: the model, or else the module itself."""
    if coder.tokenizer.file is not None:
        source, name = coder.code / coder.tokenizer.file, "tokenizer.model"
    else:
        module = (coder.tokenizer.code or "").partition(":")[0].replace(".", "/")
        files = (coder.code / f"{module}.py", coder.code / module / "__init__.py")
        source, name = next(path for path in files if path.exists()), "tokenizer.py"
    path = f"{FOLDERS['tokenizer']}/{name}"
    write_atomically(directory / path, source.read_bytes())
    (directory / path).chmod(0o644)
    return file_entry(directory, path, "tokenizer")


def _documents(dataset: Dataset, directory: Path) -> FileEntry:
    """The validation documents as they are: the text that bits per byte are measured against."""
    entry = dataset.manifest.documents
    target = directory / entry.path
    with disk_errors(target):
        shutil.copyfile(dataset.documents_path, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    return entry
