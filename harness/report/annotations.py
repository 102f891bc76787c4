"""Findings as GitHub's workflow commands, which GitHub shows beside the lines concerned.

The runner obeys any line of output that begins with ``::`` or holds ``##[``, so no other untrusted
text may reach the same output unescaped.
"""

from collections.abc import Sequence

from harness.models import Finding, Status
from harness.report.finding_lists import FILE_LIMIT, ID_LIMIT, SENTENCE_LIMIT, worst_first
from harness.safeio.text import plain

# GitHub shows ten errors and ten warnings per step, and drops the others.
MOST_OF_A_KIND = 10
_LEVELS: dict[Status, str] = {"fail": "error", "unknown": "warning", "pass": "notice"}


def annotations(findings: Sequence[Finding], *, prefix: str = "") -> str:
    """One workflow command per line for each failed or unknown finding; passes are left out.

    Args:
        findings: the findings; their file names are relative to the root of the repository, or to
        ``prefix``.
        prefix: the folder that the names are relative to, without a slash at its end.

    Returns:
        Text that ends in a newline, or an empty text.
    """
    lines = []
    shown: dict[str, int] = {}
    left = 0
    for finding in worst_first(findings):
        if finding.status == "pass":
            continue
        level = _LEVELS[finding.status]
        shown[level] = shown.get(level, 0) + 1
        if shown[level] > MOST_OF_A_KIND:
            left += 1
        else:
            lines.append(_command(level, finding, prefix))
    if left:
        lines.append(f"::notice::{left:,} more findings are in the summary")
    return "".join(f"{line}\n" for line in lines)


def _command(level: str, finding: Finding, prefix: str) -> str:
    properties = []
    if finding.file:
        name = f"{prefix}/{finding.file}" if prefix else finding.file
        properties.append(f"file={_property(name, FILE_LIMIT)}")
        if finding.line:
            properties.append(f"line={finding.line}")
    properties.append(f"title={_property(finding.id, ID_LIMIT)}")
    return f"::{level} {','.join(properties)}::{_data(finding.sentence, SENTENCE_LIMIT)}"


def _data(text: str, limit: int) -> str:
    # "##[" is a command anywhere in a line; the other characters end a line or begin an escape.
    return plain(text, limit).replace("%", "%25").replace("##[", "# #[")


def _property(text: str, limit: int) -> str:
    return _data(text, limit).replace(":", "%3A").replace(",", "%2C")
