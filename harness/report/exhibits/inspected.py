"""What an entry's own code says of its artifact, as ``harness inspect --json`` kept it."""

from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.report.exhibits.model import MOST_TENSORS, NAME_LIMIT, Tensor, Weights
from harness.run.inspect_artifact import LARGEST_ANSWER_BYTES, Inspection
from harness.safeio.parsing import parse_model, problems_of
from harness.safeio.reading import read_named
from harness.safeio.text import plain

_REMEDY = "make it anew with harness inspect RUN_DIR --json PATH"


def read_inspection(path: Path, *, artifact_bytes: int | None) -> Weights:
    """The tensors of an inspection, the largest first.

    Args:
        path: the file.
        artifact_bytes: the size of the first artifact of the verification that it must be of.

    Raises:
        UsageError: no such file, no inspection, or one of another artifact.
    """
    limit = 2 * LARGEST_ANSWER_BYTES
    try:
        content = read_named(path, limit_bytes=limit)
        found = parse_model(Inspection, content, limit_bytes=limit)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
    except ValidationError as error:
        raise UsageError("not an inspection", file=path, problems=problems_of(error)) from error
    except ValueError as error:
        raise UsageError(f"not an inspection: {error}", file=path, remedy=_REMEDY) from error
    if found.artifact_bytes != artifact_bytes:
        raise UsageError(
            f"of another artifact: expected {artifact_bytes or 0:,} bytes, found "
            f"{found.artifact_bytes:,}",
            file=path,
            field="artifact_bytes",
            remedy=_REMEDY,
        )
    tensors = sorted(found.tensors, key=lambda tensor: -tensor.compressed_bytes)
    left = tensors[MOST_TENSORS:]
    return Weights(
        format="as its own code says",
        compressed=False,
        tensors=tuple(
            Tensor(
                name=plain(tensor.name, NAME_LIMIT),
                kind=plain(tensor.stored, NAME_LIMIT),
                stored_bytes=tensor.compressed_bytes,
                rms_error=tensor.rms_error,
            )
            for tensor in tensors[:MOST_TENSORS]
        ),
        left_out=len(left),
        left_out_bytes=sum(tensor.compressed_bytes for tensor in left),
    )
