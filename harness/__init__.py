"""The referee for Parameter Golf: trains, seals, weighs, re-scores and judges a submission.

What other programs may use stands in ``__all__``; it is imported when it is first asked for, since
nobody who only reads a verdict should wait for more. Everything else may change at any time.

A rehearsal on this machine, without an engine, then the same evidence judged again::

    import harness

    track = harness.load_track("smoke")
    judged = harness.verify("bigram", track=track, sandbox="process", runs="runs", data="data")
    print(judged.verdict.verdict, judged.verdict.score_bpb)

    again = harness.judge_path(judged.directory)
    print(harness.render_markdown(again))

Judging is ``judge_path`` because ``harness.judge`` is the package of the rules.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.package import VERSION

if TYPE_CHECKING:
    from harness.api import verify
    from harness.contest.loading import load_submission
    from harness.contest.track import load_track
    from harness.judge.stored import judge_path
    from harness.judge.verdict import Verdict
    from harness.judge.verdict_file import read_verdict
    from harness.report.markdown import render_markdown
    from harness.report.terminal import render_text
    from harness.run.progress import Progress
    from harness.run.referee import Judged

__all__ = [
    "Judged",
    "Progress",
    "Verdict",
    "judge_path",
    "load_submission",
    "load_track",
    "read_verdict",
    "render_markdown",
    "render_text",
    "verify",
]
__version__ = VERSION

_WHERE = {
    "Judged": "harness.run.referee",
    "Progress": "harness.run.progress",
    "Verdict": "harness.judge.verdict",
    "judge_path": "harness.judge.stored",
    "load_submission": "harness.contest.loading",
    "load_track": "harness.contest.track",
    "read_verdict": "harness.judge.verdict_file",
    "render_markdown": "harness.report.markdown",
    "render_text": "harness.report.terminal",
    "verify": "harness.api",
}


def __getattr__(name: str) -> Any:
    """What is in ``__all__``, imported now."""
    if name not in _WHERE:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
