"""The scores that a script printed while we ran it, read from a log with our time stamps."""

import re
from pathlib import Path

from harness.safeio.files import disk_errors
from harness.safeio.reading import open_named
from harness.upstream.logs.runs import LARGEST_LOG_BYTES, read_content
from harness.upstream.logs.scorings import Scoring, scorings

_STAMP = re.compile(rb"^ *\d{1,9}\.\d{3} ", re.MULTILINE)


def printed_scores(log: Path) -> list[Scoring]:
    """Every scoring that the log's last run prints, in order.

    Args:
        log: as a sandbox's output is kept, each line ``seconds text``; other lines count too.

    Raises:
        InfrastructureError: it cannot be read.
    """
    drafts = read_content(log.name, _STAMP.sub(b"", _content(log))).drafts
    return scorings(drafts[-1].evaluations) if drafts else []


def printed_lines(log: Path) -> list[str]:
    """Every line of such a log, with its time stamp.

    Raises:
        InfrastructureError: it cannot be read.
    """
    return _content(log).decode(errors="replace").splitlines()


def _content(log: Path) -> bytes:
    with disk_errors(log), open_named(log) as file:
        return file.read(LARGEST_LOG_BYTES)
