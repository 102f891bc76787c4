"""Tables of a site, whose cells may be ways to other pages; a script can sort and filter them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from harness.ledger.events import Tried
from harness.report.figures import number
from harness.report.html.page import Link
from harness.report.html.templating import macro
from harness.report.site.history import Step
from harness.report.site.source import Entry, Source
from harness.safeio.text import plain

NAME_LIMIT = 48
SCRIPT = "table.js"
Cell = str | Link


@dataclass(frozen=True)
class Column:
    """A column: its title, whether it holds figures, and how wide a window must be to show it.

    What is ``whole`` has short words, such as dates, which are not to be broken at their hyphens.

    What is left out in a narrow window stands in the page that a row leads to.
    """

    title: str
    figure: bool = False
    shown: Literal["always", "middle", "wide"] = "always"
    whole: bool = False

    @property
    def classes(self) -> str:
        """For the stylesheet; short, since every cell has them."""
        named = {"always": "", "middle": "m", "wide": "w"}[self.shown]
        return " ".join(["n"] * self.figure + ["k"] * self.whole + [named] * bool(named))


def listing(
    name: str,
    label: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    *,
    filtered: bool = False,
    more: Link | None = None,
) -> Markup:
    """A table with a name of its own in its page; what strangers wrote was cut by :func:`named`."""
    return macro("site.html", "rows", name, label, columns, list(rows), filtered, more)


def ways(links: Sequence[Link]) -> Markup:
    """Ways to other pages, side by side."""
    return macro("site.html", "links", links)


def named(text: str, limit: int = NAME_LIMIT) -> str:
    """What a stranger wrote, plain and bounded."""
    return plain(text, limit)


def to_verdict(entry: Entry, *, up: str) -> Link:
    """The way to an entry's page, by its name; ``up`` leads to the folder of the start page."""
    return Link(f"{up}verdicts/{entry.name}.html", named(entry.record.submission) or entry.name)


ENTRY_COLUMNS = (
    Column("date", whole=True),
    Column("submission"),
    Column("author", shown="middle"),
    Column("track", shown="middle", whole=True),
    Column("BPB", figure=True),
    Column("deviation", figure=True, shown="wide"),
    Column("seeds", figure=True, shown="wide"),
    Column("bytes", figure=True, shown="wide"),
    Column("p", figure=True, shown="wide"),
    Column("standing", shown="middle", whole=True),
)


def entry_listing(
    label: str, source: Source, entries: Iterable[Entry], *, up: str, more: Link | None = None
) -> Markup:
    """The table of accepted verdicts; there is one in a page."""
    rows = entry_rows(source, entries, up=up)
    return listing("entries", label, ENTRY_COLUMNS, rows, filtered=True, more=more)


def entry_rows(source: Source, entries: Iterable[Entry], *, up: str) -> Iterable[Sequence[Cell]]:
    """Accepted verdicts, one a row; ``up`` leads to the folder of the start page."""
    for entry in entries:
        record = entry.record
        yield (
            entry.date,
            to_verdict(entry, up=up),
            named(record.author),
            named(f"{record.track} {record.edition}"),
            number(record.mean_bpb, "BPB"),
            number(record.sd_bpb, "BPB"),
            str(len(record.seeds)),
            number(record.bytes),
            number(record.p, "p"),
            standing(source, entry),
        )


def standing(source: Source, entry: Entry) -> str:
    """A word on what an entry is today."""
    if entry.retracted is not None:
        return "retracted"
    step = source.fell.get(entry.name)
    if step is None:
        return "accepted"
    best = source.best.values()
    return "record" if any(each.name == entry.name for each in best) else "was a record"


STEP_COLUMNS = (
    Column("date", whole=True),
    Column("submission"),
    Column("author", shown="middle"),
    Column("edition", shown="wide", whole=True),
    Column("BPB", figure=True),
    Column("gain, BPB", figure=True, shown="middle"),
    Column("its 99 % interval", figure=True, shown="wide"),
    Column("p", figure=True, shown="wide"),
    Column("compared", shown="middle"),
)


def step_rows(source: Source, steps: Iterable[Step], *, up: str) -> Iterable[Sequence[Cell]]:
    """Records, the newest first, with what each gained on the one before."""
    for step in reversed(list(steps)):
        entry, record = source.entry_of(step.record), step.record
        test = step.test
        interval = ""
        if test is not None:
            low, high = (-bound for bound in reversed(test.interval_99))
            interval = f"{number(low, 'BPB')} to {number(high, 'BPB')}"
        against: Cell = ""
        if step.before is not None:
            against = Link(f"{up}compare/{entry.name}.html", "compare")
        yield (
            entry.date,
            to_verdict(entry, up=up),
            named(record.author),
            named(record.edition),
            number(record.mean_bpb, "BPB"),
            "" if step.gain_bpb is None else number(step.gain_bpb, "BPB"),
            interval,
            "" if test is None else number(test.p, "p"),
            against,
        )


TRY_COLUMNS = (
    Column("date", whole=True),
    Column("submission"),
    Column("account", shown="middle"),
    Column("track", shown="middle", whole=True),
    Column("outcome"),
    Column("bar, BPB", figure=True, shown="wide"),
    Column("tested below p", figure=True, shown="wide"),
)


def try_rows(tries: Iterable[Tried]) -> Iterable[Sequence[Cell]]:
    """Tries, one a row."""
    for event in tries:
        yield (
            event.date[:10],
            named(event.submission),
            named(event.account),
            named(event.track),
            event.outcome,
            number(event.bar_bpb, "BPB"),
            number(event.p_below, "p"),
        )
