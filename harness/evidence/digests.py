"""Which code measured, and which code judged: digests of the rooms that each consists of.

Code that only displays is in neither, so a typo in a renderer does not prevent a resume.
"""

import functools

from harness.package import PACKAGE
from harness.safeio.files import digest_of_named

_SHARED = ("contest", "evidence", "errors.py", "models.py")
MEASURING = (
    *("inside", "safeio", "source_code", "upstream", "adopt"),
    *("data", "hardware", "sandbox", "scoring", "run"),
    *_SHARED,
)
JUDGING = ("statistics", "judge", *_SHARED)


def measured_by() -> str:
    """SHA-256 over the code that measures."""
    return _digest_of(MEASURING)


def judged_by() -> str:
    """SHA-256 over the code that judges, the rules among it."""
    return _digest_of(JUDGING)


@functools.cache
def _digest_of(rooms: tuple[str, ...]) -> str:
    places = [PACKAGE / room for room in rooms]
    files = [place for place in places if place.is_file()]
    for pattern in ("*.py", "*.toml"):
        files += [path for place in places if place.is_dir() for path in place.rglob(pattern)]
    return digest_of_named({str(path.relative_to(PACKAGE)): path.read_bytes() for path in files})
