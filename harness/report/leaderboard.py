"""The leaderboard as a table: for a terminal, or between two markers of a Markdown file."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.contest.track import Track
from harness.errors import UsageError
from harness.ledger.events import Accepted, Joined, Record, Retracted, Seen
from harness.report.figures import number, short_digest
from harness.report.layout import FigureTable, Row
from harness.report.markdown import code, prose, table
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.safeio.files import write_atomically
from harness.safeio.reading import read_named
from harness.safeio.text import plain
from harness.statistics.looks import spent

BEGIN, END = "<!-- leaderboard:begin -->", "<!-- leaderboard:end -->"
_MARKER = re.compile(rf"^({re.escape(BEGIN)}|{re.escape(END)})[ \t]*\r?$", re.MULTILINE)
LARGEST_FILE_BYTES = 4 << 20
_SEEN: dict[Seen, str] = {
    "evidence": "its evidence was judged again",
    "evidence of other rules": "its evidence was read again, by other rules",
    "verdict": "its evidence was not seen, only the verdict's file",
}
_HEADINGS = ("date", "submission", "author", "track", "BPB", "seeds", "bytes", "verdict")


def show_leaderboard(
    records: Sequence[Record],
    console: Console,
    *,
    accepted: Sequence[Accepted] = (),
    retracted: Sequence[tuple[Record, Retracted]] = (),
) -> None:
    """Print records in the given order, and below them those that were retracted.

    ``accepted`` are the events by which they were accepted, as far as they are to be told.
    """
    if records:
        by_digest = {event.record.verdict_sha256: event for event in accepted}
        console.print(_as_figures(records, by_digest))
    else:
        console.print(Text("no record yet"))
    for record, event in retracted:
        words = (record.submission, event.by, event.why)
        name, by, why = (plain(word, DETAIL_LIMIT) for word in words)
        console.print(
            Text(
                f"retracted on {event.at[:10]} by {by}: {name}, {number(record.mean_bpb, 'BPB')} "
                f"BPB, verdict {short_digest(record.verdict_sha256)}: {why}"
            )
        )


def show_tries(
    people: Sequence[tuple[Collection[str], int]], track: Track, console: Console
) -> None:
    """Print who has tried since the bar fell, how often, and at which level he is tested next."""
    level = track.significance.p_below
    for accounts, count in people:
        names = ", ".join(plain(account, NAME_LIMIT) for account in sorted(accounts))
        said = f"{names}: {count:,} {'try' if count == 1 else 'tries'} since the bar fell"
        if level is not None and track.significance.spending:
            said += f", the next is tested at {spent(level, earlier=count):.3g}"
        console.print(Text(said))


def show_joins(joins: Sequence[Joined], console: Console) -> None:
    """Print which accounts are one person, and who says so."""
    for event in joins:
        names = " and ".join(plain(account, NAME_LIMIT) for account in event.accounts)
        by, why = plain(event.by, NAME_LIMIT), plain(event.why, DETAIL_LIMIT)
        digest = short_digest(event.digest)
        console.print(Text(f"join {digest} of {event.at[:10]} by {by}: {names}: {why}"))


def _as_figures(records: Sequence[Record], accepted: Mapping[str, Accepted]) -> FigureTable:
    rows = []
    for record in records:
        cells = (
            record.date[:10],
            number(record.mean_bpb, "BPB"),
            number(record.sd_bpb, "BPB"),
            number(len(record.seeds)),
            number(record.bytes),
            short_digest(record.verdict_sha256),
        )
        words = (record.submission, record.author, f"{record.track}, edition {record.edition}")
        told = [plain(word, NAME_LIMIT) for word in words]
        event = accepted.get(record.verdict_sha256)
        told += [_acceptance(event)] if event else []
        told += [plain(said, DETAIL_LIMIT) for said in _decided(record)]
        rows.append(Row(tuple(Text(cell) for cell in cells), Text("; ".join(told))))
    headings = ("date", "mean BPB", "deviation", "seeds", "bytes", "verdict")
    return FigureTable(headings, 1, rows)


def _acceptance(event: Accepted) -> str:
    """Who accepted a verdict and when, what was entered, what was looked at, and where it lies."""
    said = f"accepted by {plain(event.by, NAME_LIMIT)} on {event.at[:10]}"
    for what, value in (("pull request", event.pull_request), ("commit", event.commit)):
        said += f", {what} {plain(value, NAME_LIMIT)}" if value else ""
    said += f": {_SEEN[event.seen]}"
    return said + (f", evidence in {plain(event.evidence, PATH_LIMIT)}" if event.evidence else "")


def _decided(record: Record) -> list[str]:
    """The answers that a person gave, one sentence each."""
    return [
        f"{each.rule} decided by {each.who} on {each.at[:10]} ({each.outcome}): {each.why}"
        for each in record.decided or ()
    ]


def leaderboard_table(records: Sequence[Record]) -> str:
    """Records as a Markdown table, in the order given; ends in a newline."""
    rows = [
        (
            prose(record.date[:10], NAME_LIMIT),
            prose(record.submission, NAME_LIMIT),
            prose(record.author, NAME_LIMIT),
            prose(f"{record.track} {record.edition}", NAME_LIMIT),
            f"{number(record.mean_bpb, 'BPB')} ± {number(record.sd_bpb, 'BPB')}",
            number(len(record.seeds)),
            number(record.bytes),
            _verdict_cell(record),
        )
        for record in records
    ]
    return table(_HEADINGS, rows) if rows else "No record has been accepted yet.\n"


def _verdict_cell(record: Record) -> str:
    cell = code(short_digest(record.verdict_sha256), NAME_LIMIT)
    names = ", ".join(f"{each.rule} by {each.who}" for each in record.decided or ())
    return f"{cell}; decided: {prose(names, NAME_LIMIT)}" if names else cell


def write_table(path: Path, records: Sequence[Record]) -> bool:
    """Put the table between the markers of a Markdown file; the rest is unchanged.

    Returns:
        Whether that changed the file.

    Raises:
        UsageError: the file cannot be read, or does not hold each marker once, in order.
    """
    try:
        content = read_named(path, limit_bytes=LARGEST_FILE_BYTES)
        text = content.decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", file=path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 at byte {error.start}", file=path) from error
    # Only a marker on a line of its own counts: a name in the table may contain its text.
    found = list(_MARKER.finditer(text))
    if [m[1] for m in found] != [BEGIN, END]:
        problem = f"expected one line {BEGIN} and below it one line {END}"
        raise UsageError(problem, file=path)
    before, after = text[: found[0].end(1)], text[found[1].start(1) :]
    written = f"{before}\n{leaderboard_table(records)}{after}".encode()
    if written != content:
        write_atomically(path, written)
    return written != content
