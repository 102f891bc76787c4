"""What an image holds: its Python, packages, modules that it can import, and programs of the field.

Run once while an image is built, by the Python that entries get; a rehearsal without an image asks
the harness's own. Standard library alone.
"""

import json
import pkgutil
import platform
import re
import shutil
import sys
from importlib import metadata
from typing import Any

PROGRAMS = (
    "7z", "brotli", "bzip2", "cc", "clang", "cmake", "curl", "g++", "gcc", "git", "ld", "lrzip",
    "lz4", "make", "ninja", "numactl", "nvcc", "perl", "pip", "ps", "ptxas", "pyminify", "sh",
    "taskset", "torchrun", "uv", "wget", "xz", "zip", "zpaq", "zstd",
)  # fmt: skip
"""What scripts start besides Python, and what packs or compiles: no others are looked for."""


def present(path: str | None = None) -> dict[str, Any]:
    """Versions of Python and of distributions, by their plain names; modules, programs on ``path``.

    Of two distributions of one name, the one that is imported counts. Modules are those at the top
    level, without the standard library's and private ones.
    """
    distributions: dict[str, str] = {}
    for found in metadata.distributions():
        name = plain(str(found.metadata["Name"] or ""))
        if name:
            distributions.setdefault(name, str(found.version))
    modules = {found.name for found in pkgutil.iter_modules()} - sys.stdlib_module_names
    return {
        "python": platform.python_version(),
        "distributions": dict(sorted(distributions.items())),
        "modules": sorted(name for name in modules if not name.startswith("_")),
        "programs": [name for name in PROGRAMS if shutil.which(name, path=path)],
    }


def plain(name: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print(json.dumps(present()))
