"""Packages that only some commands need, and what is told where one is missing.

Reading evidence, records and pull requests needs little. Training, scoring and fetching data need
gigabytes, which come with an extra of the package (``pyproject.toml``).
"""

from importlib.util import find_spec

from harness.errors import InfrastructureError
from harness.package import EXTRAS, install_command


def require(*modules: str) -> None:
    """Look for modules before anything is begun that could not be ended without them.

    Raises:
        ModuleNotFoundError: as an import of the first that is not there would.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def missing(error: ModuleNotFoundError, command: str) -> InfrastructureError | None:
    """What to tell of a module that a command did not find; None if it is none of an extra's."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return InfrastructureError(
        f"{command} needs {module}", remedy=install_command(EXTRAS[module]), id="extra"
    )
