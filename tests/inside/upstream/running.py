"""What a process of its own runs in these tests; imports nothing, so that it starts at once."""

import os
import runpy
import sys
from pathlib import Path


def run_take_over(
    program: Path, folder: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    """What a sandbox would run, in the place that is made for a worker; its output in ``log``."""
    os.chdir(folder)
    os.environ.update(environment)
    log = os.open(folder.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.argv = [str(program), *arguments]
    runpy.run_path(str(program), run_name="__main__")
