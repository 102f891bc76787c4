"""The table of what code may import in a sandbox, made of the images' locks."""

import re

from harness.package import REPOSITORY

_LOCK = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)
_KINDS = {"cpu": "cpu-cp311", "cuda": "cuda-cp313", "upstream-cpu": "upstream-cpu-cp313"}
_LIBRARIES = ("nvidia-", "cuda-")
"""Wheels that hold libraries of CUDA and no module that anybody would import."""


def locked(kind: str) -> dict[str, str]:
    """Packages of an image and their versions, by the names under which they are imported."""
    text = (REPOSITORY / "docker" / f"{_KINDS[kind]}-x86_64.lock").read_text(encoding="utf-8")
    return {
        name.replace("-", "_"): version
        for name, version in _LOCK.findall(text)
        if not name.startswith(_LIBRARIES)
    }


def imports_text() -> str:
    """A row for each package, a column for each image."""
    kinds = {kind: locked(kind) for kind in _KINDS}
    # Its base brings these two, from Debian: docker/README.md.
    kinds["upstream-cpu"] |= {"torch": "2.6 (Debian)", "numpy": "2.2 (Debian)"}
    names = sorted({name for packages in kinds.values() for name in packages})
    rows = [
        f"| `{name}` | " + " | ".join(packages.get(name, "") for packages in kinds.values()) + " |"
        for name in names
    ]
    head = f"| import | {' | '.join(kinds)} |\n|---|" + "---|" * len(kinds)
    return "\n".join((head, *rows)) + "\n"
