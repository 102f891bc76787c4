"""Many verdicts in one table, and what judging them again changes."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from harness.judge.rejudge import Change, Rejudged
from harness.models import Finding
from harness.report.figures import number
from harness.report.layout import FigureTable, Row
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.safeio.text import plain


def as_json(judged: Sequence[Rejudged]) -> str:
    """A JSON list, one verification per line."""
    return "[\n" + ",\n".join(each.model_dump_json() for each in judged) + "\n]"


def show_rejudged(judged: Sequence[Rejudged], console: Console, *, compared: bool) -> None:
    """Print a table and a summary.

    Args:
        judged: in the order of the table.
        console: where to print.
        compared: whether to compare with stored verdicts; then the table holds only what changed.
    """
    shown = [each for each in judged if each.changed] if compared else judged
    rows = [_row(each) for each in shown if each.verdict]
    if rows:
        headings = ("verdict", "was", "mean BPB", "rank", "was")
        console.print(FigureTable(headings, 2, rows))
        console.print()
    for each in judged:
        if each.trouble:
            said = f"not judged: {plain(each.trouble.message, 4 * DETAIL_LIMIT)}"
            console.print(Text(said), soft_wrap=True)
        if each.unreadable:
            said = f"not compared: {plain(each.unreadable, 4 * DETAIL_LIMIT)}"
            console.print(Text(said), soft_wrap=True)
    for line in _summary(judged, compared=compared):
        console.print(Text(line))


def _row(each: Rejudged) -> Row:
    verdict, kept = each.verdict, each.kept
    assert verdict is not None  # noqa: S101 - callers ask for what was judged
    name, author = plain(verdict.submission, NAME_LIMIT), plain(verdict.author, NAME_LIMIT)
    lines = [f"{name} by {author}; {plain(each.directory, PATH_LIMIT)}"]
    lines += [_change(change) for change in each.turned]
    cells = (
        verdict.verdict,
        kept.verdict if kept and each.word_changed else "",
        number(verdict.score_bpb, "BPB"),
        number(each.rank) if each.rank else "",
        (number(each.kept_rank) if each.kept_rank else "none") if each.rank_changed else "",
    )
    style = "bold" if each.word_changed else ""
    return Row(tuple(Text(cell, style=style) for cell in cells), Text("\n".join(lines)))


def _change(change: Change) -> str:
    before, after = (_in_words(finding) for finding in (change.before, change.after))
    return f"{change.rule}: {before}; now {after}"


def _in_words(finding: Finding | None) -> str:
    if finding is None:
        return "not asked"
    figures = [
        number(value, finding.unit) if isinstance(value, int | float) else plain(value, NAME_LIMIT)
        for value in (finding.measured, finding.limit)
        if value is not None
    ]
    against = f" ({' against '.join(figures)} {plain(finding.unit, NAME_LIMIT)})" if figures else ""
    return f"{finding.status.upper()}{against}: {plain(finding.detail, DETAIL_LIMIT)}"


def _summary(judged: Sequence[Rejudged], *, compared: bool) -> Iterator[str]:
    words = Counter(each.verdict.verdict for each in judged if each.verdict)
    told = ", ".join(f"{count:,} {word}" for word, count in sorted(words.items()))
    lost = sum(each.trouble is not None for each in judged)
    yield f"{sum(words.values()):,} judged: {told}" if words else "none judged"
    if lost:
        yield f"{lost:,} not judged"
    if not compared:
        return
    with_kept = [each for each in judged if each.kept]
    verdicts = sum(each.word_changed for each in with_kept)
    ranks = sum(each.rank_changed for each in with_kept)
    checks = sum(len(each.turned) for each in with_kept)
    yield (
        f"{len(with_kept):,} compared with what was kept: {verdicts:,} verdicts, {checks:,} checks "
        f"and {ranks:,} ranks change"
    )
    turns = Counter(
        f"{each.kept.verdict} to {each.verdict.verdict}"
        for each in with_kept
        if each.kept and each.verdict and each.word_changed
    )
    changes = [change for each in with_kept for change in each.changes]
    turns.update(
        f"{change.rule} {_status(change.before)} to {_status(change.after)}"
        if change.turned
        else f"{change.rule}, only its figures"
        for change in changes
    )
    for turn, count in sorted(turns.items()):
        yield f"  {turn}: {count:,}"


def _status(finding: Finding | None) -> str:
    return finding.status if finding else "not asked"
