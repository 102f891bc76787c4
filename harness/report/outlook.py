"""What a verification would take, drawn for terminals."""

from rich.console import RenderableType

from harness.report.blocks import Heading, Pairs, Row, Stack, Table, Words
from harness.report.figures import duration
from harness.report.terminal import draw
from harness.run.outlook import Outlook


def outlook_table(found: Outlook, *, free_bytes: int) -> RenderableType:
    """Runs, looks, time and disk."""
    blocks: list[Heading | Pairs | Table] = [
        Heading(f"What a verification of {found.entry} would take"),
        Pairs(_pairs(found, free_bytes)),
    ]
    if found.looks:
        rows = [
            Row(
                (
                    f"{look.runs}",
                    "" if look.accept_below is None else f"{look.accept_below:g}",
                    "" if look.hopeless_above_sd is None else f"{look.hopeless_above_sd:g}",
                )
            )
            for look in found.looks
        ]
        headings = ("after runs", "accept if p <", "stop if above the line by, deviations")
        blocks += [Heading("Looks"), Table(headings, 1, rows)]
    return draw(Stack(tuple(blocks)))


def _pairs(found: Outlook, free_bytes: int) -> list[tuple[str, str | Words]]:
    few, most = found.first_runs, found.most_runs
    runs = f"{most}" if few == most else f"{few} until it can be accepted, {most} at most"
    if found.confirming_runs:
        runs += f"; {found.confirming_runs} more confirm what is accepted"
    if found.reproductions:
        runs += "; the whole script once"
    if found.prepared:
        runs += "; one before them all, which prepares"
    rows: list[tuple[str, str | Words]] = [
        ("track", f"{found.track}, edition {found.edition}"),
        ("runs", runs),
        ("time", _time(found)),
    ]
    if found.run_seconds is not None:
        parts = ", ".join(f"{part} {duration(each)}" for part, each in found.run_seconds.items())
        rows.append(("a run", f"{parts} at most"))
    shards = "" if found.disk_known else ", and the train shards that a run is shown"
    enough = found.disk_bytes <= free_bytes
    disk = f"{found.disk_bytes:,} bytes at most{shards}; {free_bytes:,} are free"
    rows.append(("disk", Words(disk, "plain" if enough else "fail")))
    return rows


def _time(found: Outlook) -> str:
    first = found.seconds(found.first_runs)
    most = found.seconds(found.most_runs + found.confirming_runs)
    if first is None or most is None:
        return "the track sets no budgets"
    said = duration(most) if first == most else f"{duration(first)} to {duration(most)}"
    said += ", if every budget is used up"
    if found.accelerators:
        hours = found.accelerators * most / 3600
        said += f": {hours:,.1f} hours of accelerators at most"
    return said
