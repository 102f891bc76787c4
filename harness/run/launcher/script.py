"""What a node runs for a task: the settings of the site, then ``harness work``."""

import shlex
import sys

from harness.run.launcher.desk import Record
from harness.run.launcher.settings import Cluster

NODE = "HARNESS_NODE"


def script_for(record: Record, settings: Cluster, *, node: str) -> str:
    """A shell script; ``node`` is what the shell there makes the node's name of."""
    python = settings.python or (sys.executable,)
    command = shlex.join([*python, "-m", "harness", "work", str(record.path)])
    exports = [
        f"export {name}={shlex.quote(value)}" for name, value in settings.environment.items()
    ]
    lines = ["#!/bin/sh", f"export {NODE}={node}", *exports, *settings.setup, f"exec {command}"]
    return "\n".join(lines) + "\n"
