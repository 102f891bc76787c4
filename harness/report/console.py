"""The console on which the harness talks to people."""

import os
from typing import Any

from rich.console import Console

from harness.safeio.output import output_lost


class PatientConsole(Console):
    """Falls silent when its reader goes away, and leaves the harness to its work.

    Rich would exit with 1, which here means that a submission was rejected.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """See :class:`rich.console.Console`; an output that cannot be written is ours."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            raise output_lost(error) from error

    def on_broken_pipe(self) -> None:
        """Print nothing from now on; what is buffered goes nowhere."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
