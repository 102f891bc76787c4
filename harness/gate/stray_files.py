"""Files of a submission that are not what they seem: pointers of git-lfs, compiled code."""

from harness.contest.submission import Submission
from harness.models import Finding

_POINTER = b"version https://git-lfs.github.com/spec/"


def stray_files(submission: Submission) -> list[Finding]:
    """A finding for each; none of them can be run."""
    found = []
    for name, content in sorted(submission.contents.items()):
        if content.startswith(_POINTER):
            detail = "a pointer of git-lfs; expected the file itself"
            remedy = "add the file to git without lfs, or run `git lfs pull` where it is checked"
        elif "__pycache__" in name.split("/") or name.endswith((".pyc", ".pyo")):
            detail = "compiled code, which no reader can check and another Python cannot run"
            remedy = "list the source in [code] files, and leave __pycache__ out"
        else:
            continue
        found.append(
            Finding(id="stray_file", status="fail", detail=detail, file=name, remedy=remedy)
        )
    return found
