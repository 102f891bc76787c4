"""The files of a record folder: never read from outside it, each read within bounds."""

import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.safeio.decoding import unmarked
from harness.safeio.parsing import JsonSyntaxError, parse_json
from harness.safeio.reading import no_folder, open_inside
from harness.safeio.text import storable

MANIFEST = "MANIFEST.json"
CLAIMS = "submission.json"
MOST_ENTRIES = 4000
DEEPEST = 6
LARGEST_TEXT_BYTES = 4 << 20
LARGEST_JSON_BYTES = 1 << 20
DEEPEST_JSON = 64
LONGEST_NAME = 1000


@dataclass(frozen=True)
class Listed:
    """A file by its relative name; ``here`` is false where only a manifest lists it."""

    name: str
    bytes: int
    here: bool
    sha256: str | None = None

    @property
    def base(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]


class Figure(float):
    """A JSON number with a fraction, and how many decimals it was written with."""

    decimals: int

    def __new__(cls, text: str) -> "Figure":
        """Parse the number as it is written in the file."""
        figure = super().__new__(cls, text)
        mantissa, _, exponent = text.lower().partition("e")
        figure.decimals = len(mantissa.partition(".")[2]) if not exponent else 12
        return figure


class BrokenFileError(ValueError):
    """A file that cannot be read in its expected format; the message says why."""


AN_ENTRY = "one with an entry in upstream's layout, such as records/track_10min_16mb/NAME"


class RecordFolder:
    """A record folder. Links are never followed; ``links`` lists them."""

    def __init__(self, path: Path) -> None:
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot be read: {error}", file=path) from error
        if not is_folder:
            raise UsageError(no_folder(path, expected=AN_ENTRY), file=path)
        self.path = path
        self.links: list[str] = []
        self.special: list[str] = []
        self.cut = False
        present = dict(self._walk())
        listed = self._manifest()
        for name in present.keys() & listed.keys():
            present[name] = Listed(name, present[name].bytes, True, listed[name].sha256)
        self.files: dict[str, Listed] = {**listed, **present}
        self.has_manifest = bool(listed)

    def _walk(self) -> list[tuple[str, Listed]]:
        found: list[tuple[str, Listed]] = []
        waiting = [(self.path, "", 0)]
        entries = 0
        while waiting:
            folder, prefix, depth = waiting.pop()
            try:
                inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                self.cut = True
                continue
            for entry in inside:
                entries += 1
                if entries > MOST_ENTRIES:
                    self.cut = True
                    return found
                name = prefix + entry.name
                mode, size = self._look(entry, name)
                if stat.S_ISREG(mode):
                    found.append((name, Listed(name, size, True)))
                elif stat.S_ISDIR(mode) and depth + 1 < DEEPEST:
                    waiting.append((folder / entry.name, name + "/", depth + 1))
                elif stat.S_ISDIR(mode):
                    self.cut = True
        return found

    def _look(self, entry: os.DirEntry[str], name: str) -> tuple[int, int]:
        """Mode and size of an entry; mode 0 for one that is listed but not read."""
        if entry.name == ".git":
            return 0, 0
        if storable(name) != name:
            self.special.append(storable(name))
            return 0, 0
        try:
            info = entry.stat(follow_symlinks=False)
        except OSError:
            self.cut = True
            return 0, 0
        if stat.S_ISLNK(info.st_mode):
            self.links.append(name)
        elif not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
            self.special.append(name)
        return info.st_mode, info.st_size

    def _manifest(self) -> dict[str, Listed]:
        """The files that ``MANIFEST.json`` lists, for a folder from which files were left out."""
        try:
            document = self.json(MANIFEST)
        except BrokenFileError:
            return {}
        listed = {}
        for name, entry in list(document.items())[:MOST_ENTRIES]:
            size = entry.get("bytes") if isinstance(entry, dict) else None
            digest = entry.get("sha256") if isinstance(entry, dict) else None
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                continue
            if storable(name) == name and len(name) <= LONGEST_NAME:
                sha256 = digest if isinstance(digest, str) else None
                listed[name] = Listed(name, size, False, sha256)
        return listed

    def read(self, name: str, limit: int) -> bytes:
        """Read up to ``limit`` bytes of a file that is here; one more byte where it is longer.

        Raises:
            BrokenFileError: it is a link, was removed meanwhile or cannot be read.
        """
        try:
            with open_inside(self.path, name) as file:
                return file.read(limit + 1)
        except OSError as error:
            raise BrokenFileError(f"cannot be read: {error.strerror or error}") from error

    def text(self, name: str) -> str:
        """Read a text file; bytes that are not UTF-8 are replaced, and a too long text is cut."""
        content = self.read(name, LARGEST_TEXT_BYTES)[:LARGEST_TEXT_BYTES]
        return unmarked(content).decode("utf-8", "replace")

    def json(self, name: str) -> dict[str, Any]:
        """The object in a JSON file.

        Raises:
            BrokenFileError: it is missing, too large, not JSON, nested too deep or not an object.
        """
        return parse_object(self.read(name, LARGEST_JSON_BYTES))

    @cached_property
    def claims_name(self) -> str | None:
        """The file of claims: ``submission.json``, or the only file with a similar name."""
        if CLAIMS in self.files:
            return CLAIMS
        alike = sorted(
            name
            for name in self.files
            if "/" not in name and name.startswith("submission") and name.endswith(".json")
        )
        return alike[0] if alike else None

    @cached_property
    def readme_name(self) -> str | None:
        """The README's name, in upper or lower case."""
        alike = (name for name in sorted(self.files) if name.lower() in ("readme.md", "readme"))
        return next(alike, None)


def parse_object(content: bytes) -> dict[str, Any]:
    """Parse an untrusted JSON object.

    Raises:
        BrokenFileError: see :meth:`RecordFolder.json`.
    """
    try:
        document = parse_json(
            content,
            limit_bytes=LARGEST_JSON_BYTES,
            deepest=DEEPEST_JSON,
            longest_text=LARGEST_JSON_BYTES,
            number=Figure,
        )
    except JsonSyntaxError as error:
        raise BrokenFileError(f"line {error.line}: not JSON: {error.problem}") from error
    except ValueError as error:
        raise BrokenFileError(str(error)) from error
    if not isinstance(document, dict):
        raise BrokenFileError("not a JSON object")
    return document
