"""Which line of a log says how a phase ended: seldom the last one.

A traceback names its exception behind many lines of code, and marks places below them with signs;
whatever started several processes reports their ends after that in a page of its own.
"""

import re
from collections.abc import Sequence

_RANK = re.compile(r"^\[(?:rank|default)\d+\]:[ ]?")
_TRACEBACK = "Traceback (most recent call last)"
_NAMED = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?::|$)")
# Raised by what started a process, of a process that raised something itself.
_REPORTS = frozenset({"ChildFailedError", "CalledProcessError", "ProcessRaisedException"})
_LETTER = re.compile(r"\w")


def telling(lines: Sequence[str], *, raised: bool) -> int | None:
    """The index of the line that says how a phase ended; None of an empty log.

    Args:
        lines: the last ones of its output, in order.
        raised: whether it ended by itself, or failed at something that it was asked: the exception
            of its last traceback is then what ended it. What was killed was at its last line.
    """
    if raised and (found := _exception(lines)) is not None:
        return found
    worded = [i for i, line in enumerate(lines) if _LETTER.search(line) and _TRACEBACK not in line]
    return worded[-1] if worded else (len(lines) - 1 if lines else None)


def _exception(lines: Sequence[str]) -> int | None:
    """The line of the last exception, but of a mere report only where there is nothing else."""
    found: int | None = None
    inside, of_report = False, True
    for index, raw in enumerate(lines):
        line = _RANK.sub("", raw)
        if line.lstrip().startswith(_TRACEBACK):
            inside = True
        elif inside and line[:1].strip() and (named := _NAMED.match(line)):
            inside = False
            report = named[1] in _REPORTS
            if of_report or not report:
                found, of_report = index, report
    return found
