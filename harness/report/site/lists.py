"""Pages that list: the start, all entries, tries, and audits of upstream's records."""

from collections.abc import Sequence

from markupsafe import Markup

from harness.audit.findings import FolderAudit
from harness.report.figures import number
from harness.report.html.explained import CONTEST, REFEREE
from harness.report.html.page import Link, Page
from harness.report.html.pictures import draw_picture
from harness.report.html.templating import fill
from harness.report.site import listing
from harness.report.site.curve import record_over_time
from harness.report.site.history import Course, Step
from harness.report.site.listing import Column, named
from harness.report.site.source import Entry, Source

NEWEST = 200
_MOST_COURSES_DRAWN = 6
_MOST_STEPS = 60
HOME = Link("../index.html", "Leaderboard")
START = Link("index.html", "Leaderboard")


def section(
    id_: str, title: str, body: Markup, pictures: Sequence[Markup] = ()
) -> dict[str, object]:
    """A part of a page, for :func:`page_of`."""
    return {"id": id_, "title": title, "block": body, "pictures": list(pictures)}


def page_of(
    title: str,
    parts: Sequence[dict[str, object]],
    *,
    about: str = "",
    above: Sequence[Link] = (),
    foot: str = "",
) -> Page:
    """A page of such parts."""
    return Page(
        title=title,
        heading=title,
        body=fill("report.html", parts=parts, missing="", lead=None),
        about=about,
        above=above,
        contents=[Link(f"#{part['id']}", str(part["title"])) for part in parts if part["title"]],
        scripts=(listing.SCRIPT,),
        foot=foot,
    )


def start_page(source: Source, *, drawn: bool = True) -> Page:
    """The record over time, its steps, the newest entries, and the ways to all else."""
    parts = [section("ways", "", _ways(source))]
    for number_, (course, steps) in enumerate(sorted_courses(source)):
        picture = record_over_time(course, steps, name=f"record-{number_}")
        pictures = []
        if picture is not None:
            pictures = [draw_picture(picture, drawn=drawn and number_ < _MOST_COURSES_DRAWN)]
        title = f"Records on {named(course.track)}, {named(course.dataset)}"
        shown = steps[-_MOST_STEPS:]
        table = listing.listing(
            f"steps-{number_}",
            title,
            listing.STEP_COLUMNS,
            listing.step_rows(source, shown, up=""),
            more=Link("entries.html", f"{len(steps) - len(shown)} older ones are among all entries")
            if len(shown) < len(steps)
            else None,
        )
        body = Markup("{}\n{}\n{}").format(
            _holder(source, steps[-1]), _side_by_side(pictures), table
        )
        parts.append(section(f"course-{number_}", title, body))
    if not source.entries:
        said = "No verdict has been accepted yet. What is accepted appears here."
        parts.append(section("none", "Records", Markup("<p>{}</p>").format(said)))
    else:
        parts.append(section("newest", "Newest entries", _newest(source)))
    about = f"{CONTEST} {REFEREE} Listed here are the entries that it has accepted."
    return page_of("Leaderboard", parts, about=about, foot=_FOOT)


def _side_by_side(pictures: Sequence[Markup]) -> Markup:
    return Markup('<div class="pictures">{}</div>').format(Markup("\n").join(pictures))


def _holder(source: Source, step: Step) -> Markup:
    """Who holds the record, in a sentence."""
    entry, record = source.entry_of(step.record), step.record
    said = (
        f"{number(record.mean_bpb, 'BPB')} BPB by {named(record.author)}, "
        f"verified on {entry.date}: "
    )
    gained = ""
    if step.gain_bpb is not None:
        gained = f", {number(step.gain_bpb, 'BPB')} BPB better than the one before"
    link = Markup('<a href="verdicts/{}.html">{}</a>').format(
        entry.name, named(record.submission) or entry.name
    )
    return Markup('<p class="w-strong">{}{}{}.</p>').format(said, link, gained)


_FOOT = (
    "Every figure was measured by the referee. A verdict's page is a pure function of its file; "
    "who has the evidence can judge it again."
)


def sorted_courses(source: Source) -> list[tuple[Course, tuple[Step, ...]]]:
    """Courses, that with the newest record first."""
    return sorted(source.steps.items(), key=lambda item: item[1][-1].record.date, reverse=True)


def _newest(source: Source) -> Markup:
    shown = source.entries[:NEWEST]
    more = Link("entries.html", f"All {len(source.entries):,} entries")
    return listing.entry_listing(
        "Newest entries",
        source,
        shown,
        up="",
        more=more if len(shown) < len(source.entries) else None,
    )


def _ways(source: Source) -> Markup:
    links = [Link("entries.html", f"All entries ({len(source.entries):,})")]
    if source.tries:
        links.append(Link("tries.html", f"Tries ({len(source.tries):,})"))
    links += [Link("tracks/index.html", "Tracks and editions"), Link("rules/index.html", "Rules")]
    if source.audits:
        links.append(Link("audits/index.html", f"Audits of upstream ({len(source.audits):,})"))
    links.append(Link("data/index.json", "JSON"))
    return listing.ways(links)


def entries_page(source: Source, entries: Sequence[Entry]) -> Page:
    """All that was ever accepted."""
    table = listing.entry_listing("All entries", source, entries, up="")
    return page_of("All entries", [section("all", "", table)], above=[START])


def tries_page(source: Source) -> Page:
    """Who tried what, whatever came of it; the newest first."""
    table = listing.listing(
        "tries",
        "Tries",
        listing.TRY_COLUMNS,
        listing.try_rows(reversed(source.tries)),
        filtered=True,
    )
    return page_of("Tries", [section("all", "", table)], above=[START])


_AUDIT_COLUMNS = (
    Column("date", whole=True),
    Column("record"),
    Column("claimed BPB", figure=True, shown="middle"),
    Column("seeds", figure=True, shown="wide"),
    Column("policy", shown="middle"),
    Column("status"),
    Column("what failed", shown="middle"),
    Column("unknown", figure=True, shown="wide"),
)


def audit_name(number_: int) -> str:
    """What the page of an audit is called: names of folders are a stranger's."""
    return f"{number_:05d}"


def audits_page(audits: Sequence[FolderAudit]) -> Page:
    """Audits of upstream's records, which were read and not run."""
    rows = [
        (
            named((audit.date or "")[:10]),
            Link(f"{audit_name(place)}.html", named(audit.name) or audit_name(place)),
            number(audit.claim.val_bpb, "BPB") if audit.claim.val_bpb is not None else "",
            str(audit.readings.seeds),
            named(audit.policy),
            audit.status,
            ", ".join(check.id for check in audit.checks if check.status == "fail"),
            str(sum(check.status == "unknown" for check in audit.checks)),
        )
        for place, audit in enumerate(audits)
    ]
    said = (
        "Upstream's own records, read and not run: what their files and logs say, held against a "
        "policy. Unknown means that the files do not say enough, never that something is wrong."
    )
    table = listing.listing("audits", "Audits", _AUDIT_COLUMNS, rows, filtered=True)
    body = Markup("<p>{}</p>\n{}").format(said, table)
    return page_of("Audits of upstream's records", [section("all", "", body)], above=[HOME])
