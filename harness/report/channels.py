"""The measured channels between two sandboxes, drawn for terminals."""

from rich.console import Console
from rich.text import Text

from harness.report.layout import FigureTable, Row
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import STATUS_STYLES
from harness.safeio.text import plain
from harness.sandbox.channels.figures import ChannelFigures, ChannelReport, State

_STYLES: dict[State, str] = {
    "closed": STATUS_STYLES["pass"],
    "open": STATUS_STYLES["fail"],
    "unknown": STATUS_STYLES["unknown"],
    "not applicable": "dim",
}
_HEADINGS = (
    *("channel", "verdict", "sent", "right", "error", "by default"),
    *("bits/s, up to", "bits a phase, up to"),
)


def show_channels(report: ChannelReport, console: Console) -> None:
    """Print each channel with its figures, then what remains of all of them together."""
    console.print(FigureTable(_HEADINGS, 2, [_row(each) for each in report.channels]))
    for sentence in sentences(report):
        console.print(Text(sentence))


def sentences(report: ChannelReport) -> list[str]:
    """The residual, what it could be worth, and what it is compared with."""
    mark = (
        f"{report.allowed_bits:,.0f} bits a seed are allowed, a tenth of the margin of track "
        f"{report.track} ({report.margin_nats_per_token:g} nats per token on {report.targets:,} "
        f"targets); half of them, {report.known_bits:,.0f}, are kept for channels nobody knows."
    )
    left = (
        f"Residual: at most {report.residual_bits:,.0f} bits from one scoring phase of "
        f"{report.budget_seconds:g} s to the next, which buy at most "
        f"{report.residual_nats_per_token:.6f} nats per token or {report.residual_bpb:.6f} BPB "
        f"({1 - report.doubt:.0%} confidence for all bounds together)."
    )
    verdict = "Within the mark." if report.holds else "NOT within the mark."
    lists = [
        f"{word}: {', '.join(ids)}."
        for word, ids in (
            ("Open", report.open),
            ("Unknown, so counted with all that they could carry", report.unknown),
            ("Not run, for want of a GPU, and not counted", report.not_run),
        )
        if ids
    ]
    dropped = (
        f"This machine's caches were dropped {report.caches_dropped} times while the sandbox was "
        f"measured and {report.control_caches_dropped} times while the default container was."
    )
    return [mark, left, verdict, *lists, dropped]


def _row(each: ChannelFigures) -> Row:
    cells = (
        Text(plain(each.id, NAME_LIMIT)),
        Text(each.state.upper(), style=_STYLES[each.state]),
        _count(each.bits_sent),
        _count(each.bits_received),
        _rate(each.error_rate),
        _rate(each.control_error_rate),
        Text(f"{each.bits_a_second_high:,.0f}" if each.bits_sent else ""),
        Text(f"{each.bits_a_phase_high:,.0f}" if each.state != "not applicable" else ""),
    )
    where = "" if each.between_scoring_phases else " (between train phases only)"
    note = f"{each.what}{where}; {each.note}; closed by: {each.closes}"
    return Row(cells, Text(plain(note, DETAIL_LIMIT)))


def _count(bits: int) -> Text:
    return Text(f"{bits:,}" if bits else "")


def _rate(rate: float | None) -> Text:
    return Text("" if rate is None else f"{rate:.2%}")
