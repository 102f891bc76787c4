"""The code of an entry as sandboxes see it.

It is what was counted, except for one file: the entry's tokenizer model is replaced by the file
that the harness built from its normal form, under the same name. Anything else in the model's file
(scores, notes, unknown fields) cannot get into a sandbox.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.contest.entry import Entry
from harness.errors import InfrastructureError
from harness.evidence.integrity import read_files
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.run.tokenizing import NormalTokenizer, normalized, own_tokenizer
from harness.safeio.files import disk_errors, sha256_of_bytes, write_files


def files_shown(
    entry: Entry, files: Mapping[str, bytes], normal: NormalTokenizer | None
) -> dict[str, bytes]:
    """The files of an entry by name, with its tokenizer's model in normal form.

    Raises:
        InfrastructureError: the entry brings a model without a normal form.
    """
    name = entry.tokenizer.file
    if entry.tokenizer.kind != "model" or name is None:
        return dict(files)
    if normal is None:
        raise InfrastructureError("the entry's tokenizer has not been proven")
    return {**files, name: normal.model}


@contextmanager
def code_shown(
    directory: RunDirectory, normal: NormalTokenizer | None, place: Path
) -> Iterator[Path]:
    """The directory that sandboxes see as code: absolute, and readable for everybody.

    It is the entry's own directory if that can be shown unchanged; else a copy at ``place``, which
    must not exist before, and is removed at the end.

    Raises:
        InfrastructureError: see :func:`files_shown`; or the disk is full.
    """
    entry = directory.plan.entry
    if entry.tokenizer.kind != "model":
        yield directory.entry
        return
    files = read_files(directory.entry, [file.name for file in entry.files])
    with disk_errors(place):
        write_files(place.absolute(), files_shown(entry, files, normal))
    try:
        yield place.absolute()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def startup_of(directory: RunDirectory) -> float:
    """Seconds that a script takes before its own clock starts, as its preparation measured."""
    found = (directory.counted(draw) for draw in directory.plan.draws_for("preparation"))
    proofs = (run.bridge for run in found if run is not None)
    return next((proof.startup_seconds for proof in proofs if proof is not None), 0.0)


def preparation_of(directory: RunDirectory) -> Run | None:
    """The preparation that counts and that proved the entry's own tokenizer, if there is one."""
    found = (directory.counted(draw) for draw in directory.plan.draws_for("preparation"))
    return next((run for run in found if run is not None and run.tokenizer is not None), None)


def normal_tokenizer(directory: RunDirectory) -> NormalTokenizer | None:
    """The entry's own tokenizer in its normal form, as stored when it was proven.

    None if the entry brings none, or if none was proven.

    Raises:
        InfrastructureError: the kept file is not the one that was proven.
    """
    entry = directory.plan.entry
    if entry.tokenizer.kind == "stock":
        return None
    run = preparation_of(directory)
    own = own_tokenizer(entry, read_files(directory.entry, [f.name for f in entry.files]))
    if own is None or run is None or run.tokenizer is None:
        return None
    proven = run.tokenizer.normal_form_sha256
    if proven is None:  # it is a built-in one, or was proven before normal forms existed
        return normalized(own).tokenizer
    kept = directory.normal_form(run)
    model = read_files(kept.parent, [kept.name])[kept.name]
    if sha256_of_bytes(model) != proven:
        raise InfrastructureError(
            "not the normal form that was proven",
            file=kept,
            remedy="restore it from a copy, or run the verification again",
        )
    return NormalTokenizer(own.name, own.file_name, model)
