"""Writes a small entry to begin with: ``harness new``."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InfrastructureError, UsageError
from harness.gate.scope import name_problem
from harness.package import PACKAGE
from harness.safeio.files import write_files
from harness.safeio.text import folded
from harness.templates import FILES

_FOLDER = PACKAGE / "templates"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def begin(name: str, *, template: str, place: Path) -> Path:
    """Write the entry ``name`` below ``place``, which is made if it is missing; return its folder.

    Raises:
        UsageError: the name is taken or can be no folder's, or ``place`` is no folder.
        InfrastructureError: it cannot be written.
    """
    if not _NAME.fullmatch(name) or (problem := name_problem(name.encode())):
        said = f"the name {problem}" if _NAME.fullmatch(name) else "this can be no entry's name"
        raise UsageError(
            f"{name[:100]!r}: {said}; expected up to 100 letters, digits, '_' and '-', such as "
            "my_first_entry, and --dir for the folder that it lies in"
        )
    folder = place / name
    with _errors(place):
        place.mkdir(parents=True, exist_ok=True)
        taken = [path for path in place.iterdir() if folded(path.name) == folded(name)]
        if taken:
            raise UsageError(
                "there is an entry of this name"
                if taken[0].name == name
                else f"on some systems this is the same name as {name}",
                file=taken[0],
                remedy="choose another name, or remove the folder if nothing in it matters",
            )
        write_files(folder, contents(template, name=name, folder=folder))
    return folder


def contents(template: str, *, name: str, folder: Path) -> dict[str, bytes]:
    """The files of a template by name, as those of the entry ``name`` in ``folder``."""
    found = {}
    for file in FILES:
        own = _FOLDER / template / file
        text = (own if own.is_file() else _FOLDER / "gpt" / file).read_text(encoding="utf-8")
        text = text.replace("ENTRY_NAME", name).replace("ENTRY_FOLDER", folder.as_posix())
        found[file] = text.encode()
    return found


@contextlib.contextmanager
def _errors(place: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError("a file and no folder; expected the folder of entries", file=place) from (
            error
        )
    except OSError as error:
        raise InfrastructureError(
            f"cannot be written: {error.strerror or error}",
            file=place,
            remedy="check that you may write there, and that the disk is not full",
        ) from error
