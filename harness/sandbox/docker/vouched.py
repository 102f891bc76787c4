"""What the referee says of his own engine: versions that were repaired under the same number."""

import os
import re

from harness.errors import InfrastructureError
from harness.evidence.escapes import VOUCHING

_IDENTITY = re.compile(r"CVE-\d{4}-\d{4,19}")
_LONGEST = 10_000


def vouched() -> frozenset[tuple[str, str, str]]:
    """Component, exact version and CVE of everything that the referee vouches for on this host.

    Another version is another word: who installs one has said nothing of it.

    Raises:
        InfrastructureError: the variable does not say it in the one way that is understood.
    """
    text = os.environ.get(VOUCHING, "").strip()
    if len(text) > _LONGEST:
        raise _unclear()
    return frozenset(found for entry in text.split(";") if entry.strip() for found in _of(entry))


def _of(entry: str) -> list[tuple[str, str, str]]:
    part, _, listed = entry.rpartition(":")
    component, _, version = part.strip().partition(" ")
    ids = [identity.strip() for identity in listed.split(",")]
    if not version.strip() or not all(map(_IDENTITY.fullmatch, ids)):
        raise _unclear()
    return [(component, version.strip(), identity) for identity in ids]


def _unclear() -> InfrastructureError:
    return InfrastructureError(
        f"{VOUCHING}: expected a part of the engine, its version and what was repaired in it",
        remedy="such as 'runc 1.1.5+ds1-1+deb12u1: CVE-2024-21626, CVE-2021-30465'; several are "
        "parted by ';', and harness doctor prints what it would be here",
    )
