"""The line of a key in a file whose parser does not report lines.

It only decides where a message is shown: a string of several lines may mislead it.
"""

from harness.safeio.decoding import unmarked


class TomlLines:
    """The lines of a TOML file by the dotted names of the tables and keys that begin on them."""

    def __init__(self, content: bytes) -> None:
        self._lines: dict[str, int] = {}
        table: list[str] = []
        text = unmarked(content).decode("utf-8", "replace")
        for number, raw in enumerate(text.split("\n"), start=1):
            line = raw.strip()
            if line.startswith("["):
                header, closed, rest = line.lstrip("[").partition("]")
                if closed and not rest.strip("] \t").partition("#")[0]:
                    table = _parts(header)
                    self._lines.setdefault(".".join(table), number)
            elif "=" in line and not line.startswith("#"):
                key = [*table, *_parts(line.partition("=")[0])]
                self._lines.setdefault(".".join(key), number)

    def of(self, *keys: str) -> int | None:
        """The line of the first of several dotted keys that is present, counted from 1.

        If none is present, it is the line of the innermost table or key that contains the first of
        them: for a missing key, the table that lacks it. None if there is no such table either.
        """
        for key in keys:
            if key in self._lines:
                return self._lines[key]
        for key in keys:
            parent = key.rpartition(".")[0]
            while parent:
                if parent in self._lines:
                    return self._lines[parent]
                parent = parent.rpartition(".")[0]
        return None


def line_of_json_key(content: bytes, key: str) -> int | None:
    """The first line of a JSON file that holds a key in quotes; None where there is none."""
    named = f'"{key}"'.encode()
    lines = content.split(b"\n")
    return next((number for number, line in enumerate(lines, start=1) if named in line), None)


def _parts(key: str) -> list[str]:
    return [part.strip(" \t\"'") for part in key.split(".")]
