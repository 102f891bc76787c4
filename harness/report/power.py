"""Chances of an entry on a track, drawn for terminals: tables, and a curve of both axes."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from harness.report.blocks import Heading, Pairs, Paragraph, Row, Stack, Table, Words
from harness.report.layout import INDENT
from harness.report.terminal import draw
from harness.simulation.power import AtDeviation, AtGain, PowerReport

_ROWS = 10
_WIDEST = 72
_LABEL = 6


@dataclass(frozen=True)
class ChanceCurve:
    """A share between 0 and 1 against something that grows, with both axes; at most 72 columns.

    ``points`` are pairs of x and share, in order of x; ``marks`` are places on the x axis that get
    a name below it.
    """

    points: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Eleven lines for the share, one for the axis, one for the marks."""
        width = max(min(options.max_width - INDENT - _LABEL - 2, _WIDEST), 10)
        last = self.points[-1][0]
        shares = [self._at(last * column / (width - 1)) for column in range(width)]
        dot, bar, corner, line = ("*", "|", "+", "-") if options.ascii_only else "\u2022│└─"
        for row in range(_ROWS, -1, -1):
            label = f"{100 * row // _ROWS} %" if row % 2 == 0 else ""
            drawn = "".join(dot if round(_ROWS * share) == row else " " for share in shares)
            axis = Text(f"{'':{INDENT}}{label:>{_LABEL}} {bar}", style="dim")
            yield Text.assemble(axis, (drawn.rstrip(), "green"))
        yield Text(f"{'':{INDENT + _LABEL}} {corner}{line * width}", style="dim")
        yield Text(f"{'':{INDENT + _LABEL + 2}}{self._named(width, last)}".rstrip(), style="dim")

    def _at(self, x: float) -> float:
        """The share at ``x``, on straight lines between the points."""
        for (left, below), (right, above) in zip(self.points, self.points[1:], strict=False):
            if x <= right:
                part = (x - left) / (right - left) if right > left else 0.0
                return below + part * (above - below)
        return self.points[-1][1]

    def _named(self, width: int, last: float) -> str:
        """The names below the axis, each beginning under its place; one that has no room, not."""
        line = ""
        for x, name in self.marks:
            place = round(x / last * (width - 1))
            place = min(place, width - len(name))
            if place >= len(line) + (2 if line else 0):
                line = f"{line:{place}}{name}"
        return line


def power_table(report: PowerReport) -> RenderableType:
    """The rules, a table by gain, the curve, a table by deviation, and what all of it assumes."""
    marks = ((0.0, "0"), (report.margin_nats, "margin"), (2 * report.margin_nats, "two margins"))
    last = report.curve[-1][0]
    return Group(
        draw(
            Stack(
                (
                    _rules(report),
                    Heading("Looks"),
                    _looks(report),
                    Heading("By true gain over the bar"),
                    _by_gain(report),
                )
            )
        ),
        Text(),
        ChanceCurve(report.curve, (*marks, (last, f"{last:g} nats"))),
        draw(
            Stack(
                (
                    Heading("Records that should be none, by the deviation of an entry's runs"),
                    _by_deviation(report),
                    Heading("What this assumes"),
                    Paragraph(_assumed(report)),
                )
            )
        ),
    )


def _rules(report: PowerReport) -> Pairs:
    host = f", a host moves them by {report.host_sd_bpb:.6f}" if report.host_sd_bpb else ""
    about = "about " if report.sd_drawn else ""
    rows: list[tuple[str, str | Words]] = [
        ("track", f"{report.track}, edition {report.edition}"),
        ("test", f"{report.test}, p < {report.p_below:g}"),
        ("line", f"the bar less {report.margin_nats:g} nats a token = {report.margin_bpb:.6f} BPB"),
        ("runs scatter", f"by {about}{report.sd_bpb:g} BPB ({report.sd_source}){host}"),
    ]
    if report.confirmation:
        said = (
            f"{report.confirmation} further runs: their mean below the line, and all runs together "
            f"p < {report.p_below:g}"
        )
        rows.append(("confirmation", said))
    return Pairs(rows)


def _looks(report: PowerReport) -> Table:
    headings = ("after runs", "accept if p <", "stop if above the line by, BPB")
    rows = [
        Row(
            (
                f"{look.runs}",
                "" if look.accept_below is None else f"{look.accept_below:g}",
                "" if look.hopeless_above_bpb is None else f"{look.hopeless_above_bpb:.6f}",
            )
        )
        for look in report.looks
    ]
    return Table(headings, 1, rows)


def _by_gain(report: PowerReport) -> Table:
    hours = "accelerator hours" if report.accelerators else "hours"
    headings = ("gain, nats", "gain, BPB", "accepted", "a record", "runs", hours)
    return Table(headings, 1, [_gain_row(each, report) for each in report.gains])


def _gain_row(each: AtGain, report: PowerReport) -> Row:
    return Row(
        (
            f"{each.gain_nats:g}",
            f"{each.gain_bpb:.6f}",
            _percent(each.accepted),
            _percent(each.record) if report.confirmation else "",
            f"{each.mean_runs:.2f}",
            "" if each.hours is None else f"{each.hours:.2f}",
        )
    )


def _by_deviation(report: PowerReport) -> Table:
    headings = ("deviation", "BPB", "no gain", "half the margin", "the margin")
    return Table(headings, 1, [_deviation_row(each) for each in report.deviations])


def _deviation_row(each: AtDeviation) -> Row:
    name = "drawn as the field's" if each.multiple is None else f"x {each.multiple:g}"
    shares = (each.without_gain, each.half_margin, each.whole_margin)
    return Row((name, f"{each.sd_bpb:.6f}", *map(_percent, shares)))


def _assumed(report: PowerReport) -> str:
    where = "on another host" if report.host_sd_bpb else "on the same machine"
    confirmed = f"The confirmation is run {where}. " if report.confirmation else ""
    size = report.size
    return (
        f"Scores of one entry are normal and independent but for the host. {confirmed}Every check "
        f"but the test passes. Hours count each run with its whole budgets. {report.entries:,} "
        "drawn entries a figure, judged as real ones are, so the last digit is luck "
        f"(standard error at most {100 * max(each.error for each in report.gains):.2f} percentage "
        f"points). {size.targets:,} tokens on {size.text_bytes:,} bytes: {size.source}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
