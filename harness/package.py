"""Where the harness lies, and which version of it this is. Imports nothing of ours.

A checkout keeps the images, the schemas and the leaderboard at its top level. ``shipped`` holds
links to them, which a build follows, so an installed package has the files themselves and every
reader asks in one place.
"""

from importlib.util import find_spec
from pathlib import Path

VERSION = "0.1.0"
PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
"""The checkout that the harness lies in; of an installed package, the folder it was put into."""
SHIPPED = PACKAGE / "shipped"
"""``docker/``, ``schema/`` and ``leaderboard.json``, in a checkout and in an installed package."""


EXTRAS = {
    "docker": "verify",
    "huggingface_hub": "verify",
    "ray": "ray",
    "sentencepiece": "verify",
    "torch": "verify",
    "vl_convert": "report",
    # What the package itself asks for, and who installed it without its dependencies lacks.
    "jinja2": "",
    "markupsafe": "",
    "numpy": "",
    "psutil": "",
    "scipy": "",
    "shtab": "",
    "zstandard": "",
}
"""The extra that each module comes with."""


def in_checkout() -> bool:
    """Whether what is shipped is the checkout's own, which may be written to."""
    return (SHIPPED / "docker").is_symlink()


def install_command(extra: str) -> str:
    """How an extra is installed beside this harness; an empty one is the package's own needs."""
    brackets = f"[{extra}]" if extra else ""
    if in_checkout():
        return f"pip install --editable '{REPOSITORY}{brackets}'"
    return f"pip install 'parameter-golf-harness{brackets}'"


def lacking(extra: str) -> tuple[str, ...]:
    """The modules of an extra that are not installed."""
    return tuple(name for name, of in EXTRAS.items() if of == extra and not _is_there(name))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # as whoever guards imports may answer
        return False


def require_checkout() -> None:
    """End the program where there are no pages to write again."""
    if not in_checkout():
        raise SystemExit("the pages and schemas are written in a checkout, and this is none")
