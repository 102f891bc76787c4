"""A step that does what a test wants of it."""

import importlib
import subprocess
import sys
import time

from tests.accelerator.desk import CannotTryError, Desk


def run(desk: Desk) -> None:
    """As ``how`` says, after a first figure."""
    desk.tell("before", 1)
    how = desk.arguments["how"]
    if how == "hangs":
        code = "import time; time.sleep(1000)"
        # As a phase is: in a session of its own.
        child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        desk.tell("child", child.pid)
        time.sleep(1000)
    if how == "raises":
        raise ValueError("what went wrong")
    if how == "dies":
        raise SystemExit(9)
    if how == "lacks a package":
        importlib.import_module("sentencepiece")
    if how == "lacks a thing":
        raise CannotTryError("there is no such thing")
    desk.cannot("a part", "it is not here")
    desk.tell("before", 2)
