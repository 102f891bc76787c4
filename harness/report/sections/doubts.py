"""The account of what no check excludes."""

from harness.judge.verdict import Verdict
from harness.report.blocks import Block, Pairs, Paragraph, Stack, Style, Words
from harness.report.figures import number
from harness.report.sentences import NAME_LIMIT
from harness.safeio.text import plain


def doubts(verdict: Verdict) -> Block | None:
    """Each doubt, their sum, and what the score is with all of them; nothing without a score."""
    if not verdict.doubts or verdict.statistics.mean_bpb is None:
        return None
    margin, mean = verdict.statistics.margin_bpb, verdict.statistics.mean_bpb
    rows: list[tuple[str, str | Words]] = [
        (plain(each.check, NAME_LIMIT), f"{number(each.bpb, 'BPB')} BPB: {plain(each.of, 200)}")
        for each in verdict.doubts
    ]
    charged = sum(each.bpb for each in verdict.doubts)
    share = f", {_in_margins(charged / margin)}" if margin else ""
    rows.append(("together", f"{number(charged, 'BPB')} BPB{share}"))
    if mean is not None:
        answer = next((check for check in verdict.checks if check.id == "doubts"), None)
        style: Style = "plain" if answer is None else answer.status
        said = f"{number(mean + charged, 'BPB')} BPB"
        if answer is not None:
            stands = "the bar falls all the same" if answer.status == "pass" else "no longer enough"
            said += f", {stands}"
        rows.append(("mean with all", Words(said, style)))
    words = "What no check can exclude is added to the score, and the bar is asked for again."
    return Stack((Pairs(rows), Paragraph(Words(words, "dim"))))


def _in_margins(ratio: float) -> str:
    return f"{ratio:.1%} of the margin" if ratio < 1 else f"{ratio:.1f} margins"
