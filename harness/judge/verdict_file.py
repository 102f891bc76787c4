"""Reads a verdict file from elsewhere: within bounds, and refused if it contradicts itself.

Anybody can write a false verdict. This module only checks that it contradicts neither itself nor
the rules. A verdict that something depends on is judged again from its evidence.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.judge.contradictions import contradictions
from harness.judge.verdict import Verdict
from harness.safeio.files import sha256_of_bytes
from harness.safeio.parsing import LONGEST_TEXT, parse_model, problems_of
from harness.safeio.reading import TooLargeError, read_named

LARGEST_VERDICT_BYTES = 1 << 20
_DEEPEST = 12


@dataclass(frozen=True)
class PublishedVerdict:
    """A verdict, and the SHA-256 of the file that it was read from."""

    verdict: Verdict
    sha256: str


def read_verdict(path: Path) -> PublishedVerdict:
    """Read a verdict's JSON file.

    Raises:
        UsageError: no such file, larger than ``LARGEST_VERDICT_BYTES``, not a verdict, or one
            that contradicts itself.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_VERDICT_BYTES)
        verdict = parse_model(
            Verdict,
            content,
            limit_bytes=LARGEST_VERDICT_BYTES,
            deepest=_DEEPEST,
            longest_text=LONGEST_TEXT,
        )
    except TooLargeError as error:
        raise UsageError(f"{error.strerror}; not a verdict", file=path) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
    except ValidationError as error:
        problems = problems_of(error)
        raise UsageError("not a verdict of this harness", file=path, problems=problems) from error
    except ValueError as error:
        raise UsageError(f"not a verdict: {error}", file=path) from error
    if found := contradictions(verdict):
        said = "; ".join(found[:5])
        raise UsageError(f"a verdict that contradicts itself: {said}", file=path)
    return PublishedVerdict(verdict=verdict, sha256=sha256_of_bytes(content))
