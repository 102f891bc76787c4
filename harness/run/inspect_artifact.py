"""How the bytes of an artifact are used, as the submission itself describes it in a sandbox.

The artifact is never parsed here: its format is the submission's own, and it is untrusted. The
answer is the submission's claim; we compare it with the one figure that we measured, the artifact's
size.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from harness.contest.entry import Entry, Function
from harness.contest.submission import MANIFEST
from harness.contest.track import Track
from harness.errors import SubmissionError, UsageError
from harness.evidence.integrity import check_entry
from harness.evidence.store import RunDirectory
from harness.models import Fact
from harness.run.endings import ending, with_last_line
from harness.run.paths import CHECKPOINT
from harness.run.score_job import score_job
from harness.run.shown_code import code_shown, files_shown, normal_tokenizer
from harness.run.tokenizing import normalized, own_tokenizer
from harness.safeio.files import disk_errors, write_files
from harness.safeio.parsing import ParseError, parse_json, problems_of
from harness.sandbox.protocol import Mount, Sandbox

LARGEST_ANSWER_BYTES = 4 << 20
Count = Annotated[int, Field(ge=0, le=1 << 50)]


class TensorFacts(Fact):
    """One stored tensor, as the submission describes it.

    ``bits_per_weight`` counts levels and scales before compression; ``compressed_bytes`` is the
    tensor's share of the artifact; ``rms_error`` is relative to the unquantized weights, when
    there are any; ``control`` marks small control tensors (gains, scales, mixing weights).
    """

    name: str = Field(max_length=200)
    shape: tuple[Count, ...] = Field(max_length=8)
    stored: str = Field(max_length=40)
    bits_per_weight: float = Field(ge=0, le=1024, allow_inf_nan=False)
    bytes: Count
    compressed_bytes: Count
    control: bool = False
    rms_error: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Inspection(Fact):
    """An artifact's size, its contents, and the limit that its size is compared with."""

    submission: str
    artifact: str
    artifact_bytes: int
    code_bytes: int
    bytes_limit: int
    tensors: tuple[TensorFacts, ...]
    warnings: tuple[str, ...]


_TENSORS = TypeAdapter(Annotated[tuple[TensorFacts, ...], Field(max_length=100_000)])


def inspect_artifact(
    sandbox: Sandbox,
    entry: Entry,
    track: Track,
    *,
    code: Path,
    artifact: Path,
    checkpoint: Path | None,
    log: Path,
) -> Inspection:
    """Let the submission describe an artifact, in the score sandbox, without accelerators.

    Args:
        sandbox: a prepared sandbox.
        entry: whose artifact it is.
        track: states the size limit and the limits of the sandbox.
        code: directory with exactly the counted files, absolute.
        artifact: the file, absolute.
        checkpoint: the unquantized weights of the same training, if there are any.
        log: receives the sandbox's output.

    Raises:
        UsageError: the submission declares no ``[score] describe``.
        SubmissionError: its function raised, or what it returned is not a list of tensors.
    """
    from harness.scoring.channel import Channel
    from harness.scoring.link import AnswerError, WorkerGone

    loader = entry.score.loader
    describe = loader.describe if isinstance(loader, Function) else None
    if describe is None:
        raise UsageError(
            "missing, so nobody can say what the bytes of the artifact are; expected "
            'describe = "module:function"',
            file=MANIFEST,
            within=Path(entry.folder),
            field="score.describe",
        )
    options, mounts = ["--describe", describe], []
    if checkpoint is not None:
        mounts.append(Mount(checkpoint, CHECKPOINT / checkpoint.name))
        options += ["--checkpoint", sandbox.inside(mounts[0])]
    with Channel() as channel:
        job = score_job(
            sandbox,
            code=code,
            entry=entry,
            track=track,
            accelerators=(),
            file=artifact,
            channel=channel.directory,
            log=log,
            seconds=track.budget.score_seconds,
        )
        job = replace(job, command=(*job.command, *options), mounts=(*job.mounts, *mounts))
        with sandbox.start(job) as running:
            try:
                content = channel.receive_text(
                    lambda: running.wait(0) is None, limit_bytes=LARGEST_ANSWER_BYTES
                )
            except WorkerGone:
                raise SubmissionError(f"{describe}: {ending(running.stop(), running)}") from None
            except AnswerError as error:
                said = with_last_line(f"{describe}: {error}", running.stop())
                raise SubmissionError(said) from error
            if not content:
                said = f"{describe} raised an exception"
                raise SubmissionError(with_last_line(said, running.stop()))
    size = artifact.stat().st_size
    tensors = _tensors(describe, content)
    return Inspection(
        submission=entry.name,
        artifact=artifact.name,
        artifact_bytes=size,
        code_bytes=entry.counted_bytes(tokenizer_counted=track.budget.tokenizer_counted),
        bytes_limit=track.budget.bytes,
        tensors=tensors,
        warnings=tuple(_warnings(tensors, size)),
    )


def inspect_run(directory: RunDirectory, sandbox: Sandbox) -> Inspection:
    """Inspect the first sealed artifact of a verification, and its checkpoint if there is one.

    Raises:
        UsageError: no seed run left an artifact that is still there.
        InfrastructureError: the kept files were changed after they were written.
    """
    check_entry(directory)
    directory.require_unpruned()
    for run in directory.runs():
        if run.artifact is not None:
            place = directory.directory_of(run) / f"code-{os.getpid()}"
            with code_shown(directory, normal_tokenizer(directory), place) as code:
                return inspect_artifact(
                    sandbox,
                    directory.plan.entry,
                    directory.plan.track,
                    code=code,
                    artifact=directory.artifact(run),
                    checkpoint=directory.checkpoint(run) if run.checkpoint else None,
                    log=directory.directory_of(run) / "inspect.log",
                )
    raise UsageError("holds no sealed artifact to inspect", file=directory.path)


def inspect_file(
    artifact: Path, entry: Entry, files: Mapping[str, bytes], track: Track, sandbox: Sandbox
) -> Inspection:
    """Inspect an artifact that no verification sealed, such as one trained by hand.

    Args:
        artifact: the file.
        entry: whose artifact it is.
        files: the entry's files by name.
        track: names the cap and the limits of the sandbox.
        sandbox: a prepared sandbox.

    Raises:
        UsageError: the file is not there.
        SubmissionError: the entry's tokenizer file is no tokenizer.
    """
    if not artifact.is_file():
        raise UsageError("no such file; expected an artifact, or a run directory", file=artifact)
    own = own_tokenizer(entry, files)
    normal = normalized(own) if own is not None else None
    if normal is not None and normal.problem:
        raise SubmissionError(normal.problem)
    with tempfile.TemporaryDirectory() as name, disk_errors(Path(name)):
        # Copies, because the sandbox's user may not be allowed to read the originals.
        folder = Path(name)
        folder.chmod(0o755)
        shown = files_shown(entry, files, normal.tokenizer if normal is not None else None)
        write_files(folder / "code", shown)
        copy = folder / entry.train.artifact
        shutil.copyfile(artifact, copy)
        return inspect_artifact(
            sandbox,
            entry,
            track,
            code=folder / "code",
            artifact=copy,
            checkpoint=None,
            log=folder / "inspect.log",
        )


def _tensors(describe: str, content: bytes) -> tuple[TensorFacts, ...]:
    try:
        described = parse_json(content, limit_bytes=LARGEST_ANSWER_BYTES)
        return _TENSORS.validate_python(described)
    except ValidationError as error:
        problems = problems_of(error)
        raise SubmissionError(f"{describe}: not a list of tensors", problems=problems) from error
    except ParseError as error:
        raise SubmissionError(f"{describe}: {error}") from error


def _warnings(tensors: tuple[TensorFacts, ...], artifact_bytes: int) -> list[str]:
    found = [
        f"control tensor {tensor.name} is stored as {tensor.stored}, below float32"
        for tensor in tensors
        if tensor.control and tensor.bits_per_weight < 32
    ]
    total = sum(tensor.compressed_bytes for tensor in tensors)
    if total > artifact_bytes:
        found.append(
            f"the tensors' shares add up to {total:,} bytes, more than the artifact's "
            f"{artifact_bytes:,}: the description is wrong"
        )
    return found
