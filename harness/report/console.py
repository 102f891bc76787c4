"""The console on which the harness talks to people."""

import os
from typing import Any

from rich.console import Console

from harness.safeio.output import output_lost


class PatientConsole(Console):
    """Stops printing when its reader goes away, so that the harness can go on working.

    Rich would exit with 1, which here means that a submission was rejected.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """See :class:`rich.console.Console`; a failed output is an error of ours."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            raise output_lost(error) from error

    def on_broken_pipe(self) -> None:
        """Print nothing from now on; buffered text is discarded."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
