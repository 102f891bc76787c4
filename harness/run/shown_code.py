"""The code of an entry as sandboxes see it.

It is what was counted, but for one file: in place of the tokenizer's model that the entry brings
lies the file that the harness built of its normal form, under the same name. What else the
model's file carries (scores, notes, unknown fields) has no way into a sandbox.
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
        InfrastructureError: it brings a model, and there is no normal form of it.
    """
    name = entry.tokenizer.file
    if name is None:
        return dict(files)
    if normal is None:
        raise InfrastructureError("the entry's tokenizer has not been proven")
    return {**files, name: normal.model}


@contextmanager
def code_shown(
    directory: RunDirectory, normal: NormalTokenizer | None, place: Path
) -> Iterator[Path]:
    """The directory that sandboxes see as code: absolute, and to be read by anybody.

    The entry's own where that can be shown as it is; else a copy at ``place``, which must not be
    there, and is gone at the end.

    Raises:
        InfrastructureError: see :func:`files_shown`; or the disk is full.
    """
    entry = directory.plan.entry
    if entry.tokenizer.file is None:
        yield directory.entry
        return
    files = read_files(directory.entry, [file.name for file in entry.files])
    with disk_errors(place):
        write_files(place.absolute(), files_shown(entry, files, normal))
    try:
        yield place.absolute()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def preparation_of(directory: RunDirectory) -> Run | None:
    """The preparation that counts and that proved the entry's own tokenizer."""
    found = (directory.counted(draw) for draw in directory.plan.draws_for("preparation"))
    return next((run for run in found if run is not None and run.tokenizer is not None), None)


def normal_tokenizer(directory: RunDirectory) -> NormalTokenizer | None:
    """The entry's own tokenizer in its normal form, as it was kept when it was proven.

    None for an entry that brings none, and where none was proven.

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
    if proven is None:  # it is ours, or was proven before there was a normal form
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
