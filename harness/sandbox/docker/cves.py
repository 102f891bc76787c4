"""Known escapes: which versions of engine, runtime and GPU toolkit code has got out of.

Versions alone prove nothing: distributions repair an old version without changing its number.
So a match is named with the version to look for, and the referee may vouch for what was repaired.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import Field, field_validator

from harness.evidence.escapes import KnownEscape
from harness.models import Fact
from harness.safeio.text import plain
from harness.sandbox.docker.shipped import shipped
from harness.sandbox.docker.vouched import vouched

Component = Literal["runc", "containerd", "nvidia-container-toolkit"]
Version = tuple[int, int, int, int]

TOOLKIT: Component = "nvidia-container-toolkit"
UNREAD = "unknown"
"""In place of a version that cannot be read."""

_FILE = "cves.toml"
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-~.+]?rc\.?(\d{1,6}))?")
_RELEASED = 1_000_000  # above any release candidate
_TOOL_SECONDS = 10.0


def version_of(text: str) -> Version | None:
    """Major, minor, patch and release candidate of the first version in a text, if any."""
    found = _VERSION.search(text)
    if found is None:
        return None
    candidate = int(found[4]) if found[4] else _RELEASED
    return int(found[1]), int(found[2]), int(found[3] or 0), candidate


class Escape(Fact):
    """One known escape, or several that were repaired together."""

    id: str = Field(min_length=1)
    component: Component
    fixed: tuple[str, ...] = Field(min_length=1)
    what: str = Field(min_length=1)

    @property
    def ids(self) -> tuple[str, ...]:
        """Each CVE by itself."""
        return tuple(self.id.split(", "))

    @field_validator("fixed")
    @classmethod
    def _are_versions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(version_of(text) is None for text in value):
            raise ValueError("fixed: expected versions such as 1.2.8")
        return value

    def open_in(self, version: Version) -> bool:
        """Whether that version has it, as far as its number tells."""
        repaired = sorted(found for text in self.fixed if (found := version_of(text)))
        own_branch = [good for good in repaired if good[:2] == version[:2]]
        return version < (own_branch[0] if own_branch else repaired[-1])


class _Table(Fact):
    escape: tuple[Escape, ...] = Field(min_length=1)


@cache
def known() -> tuple[Escape, ...]:
    """The table.

    Raises:
        InfrastructureError: the file that came with the harness is damaged.
    """
    return shipped(_FILE, _Table).escape


def components(description: Mapping[str, Any]) -> dict[str, str]:
    """Versions by component: what the engine says, and the GPU toolkit of this machine.

    Args:
        description: the engine's answer to the question for its version.
    """
    found = {}
    for part in description.get("Components") or []:
        commit = str((part.get("Details") or {}).get("GitCommit") or "")
        version = str(part.get("Version") or "")
        # A distribution shows its own revision here, and only here.
        shown = commit if version and commit.startswith(version) else version
        found[str(part.get("Name"))] = plain(shown, 80)
    return found | _toolkit()


def escapes_of(versions: Mapping[str, str]) -> list[tuple[str, Escape]]:
    """Escapes that versions have by their numbers, each with the version it was found in.

    A part whose version cannot be read, :data:`UNREAD`, has all that are known of it.
    """
    found = []
    for escape in known():
        if escape.component not in versions:
            continue
        shown = versions[escape.component]
        version = version_of(shown)
        if version is None or escape.open_in(version):
            found.append((shown if version is not None else UNREAD, escape))
    return found


def known_in(versions: Mapping[str, str]) -> tuple[KnownEscape, ...]:
    """The same as evidence: each CVE by itself, with whether the referee vouches for it.

    Raises:
        InfrastructureError: what he says cannot be read.
    """
    said = vouched()
    return tuple(
        KnownEscape(
            id=identity,
            component=escape.component,
            version=version,
            repaired_in=escape.fixed,
            vouched=(escape.component, version, identity) in said,
        )
        for version, escape in escapes_of(versions)
        for identity in escape.ids
    )


def _toolkit() -> dict[str, str]:
    program = shutil.which("nvidia-ctk") or shutil.which("nvidia-container-cli")
    if program is None:
        return {}
    try:
        done = subprocess.run(
            [program, "--version"],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TOOL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {TOOLKIT: UNREAD}
    found = _VERSION.search(done.stdout)
    return {TOOLKIT: found[0] if found else UNREAD}
