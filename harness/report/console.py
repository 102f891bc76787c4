"""The console on which the harness talks to people."""

import os
from typing import Any

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from harness.safeio.output import output_lost
from harness.safeio.text import plain

NARROWEST, USUAL, WIDEST = 20, 80, 500
"""Columns: that a report needs to be readable, that are taken where none are told, and that are
filled at most."""
_NOTE_LIMIT = 2_000


class PatientConsole(Console):
    """Stops printing when its reader goes away, so that the harness can go on working.

    Rich would exit with 1, which here means that a submission was rejected.

    Its width comes from outside: from ``COLUMNS``, or from a terminal. What is none (0) counts as
    :data:`USUAL`, and no width is below :data:`NARROWEST` or above :data:`WIDEST`.
    """

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines; the columns within bounds."""
        width, height = super().size
        return ConsoleDimensions(min(max(width or USUAL, NARROWEST), WIDEST), height)

    @size.setter
    def size(self, dimensions: tuple[int, int]) -> None:
        self._width, self._height = dimensions

    def print(self, *objects: Any, **options: Any) -> None:
        """See :class:`rich.console.Console`; a failed output is an error of ours.

        Nothing is cropped: what is wider than the console is to be copied (:mod:`.layout`).
        """
        try:
            super().print(*objects, **{"crop": False, **options})
        except OSError as error:
            raise output_lost(error) from error

    def note(self, text: str) -> None:
        """Print a message as plain text, unwrapped: it may hold a path or a command."""
        lines = (plain(line, _NOTE_LIMIT) for line in text.splitlines())
        self.print(Text("\n".join(lines)), soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Print nothing from now on; buffered text is discarded."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
