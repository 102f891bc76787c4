"""The scorecard for terminals: a pure function of a verdict."""

import io
import math

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from harness.judge.verdict import Check, SeedResult, Verdict, VerdictName
from harness.models import Status
from harness.report import sentences
from harness.report.figures import (
    against,
    headroom,
    limit_number,
    number,
    percent_used,
    short_digest,
)
from harness.report.layout import Bar, BudgetBars, FigureTable, Pairs, Paragraph, Row, Section
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.report.svg import SVG_FORMAT, SVG_THEME
from harness.report.texts import holdout_section, stream_section, tokenizer_section
from harness.safeio.text import plain

_BANNER: dict[VerdictName, str] = {
    "VERIFIED": "bold black on green",
    "REHEARSED": "bold black on cyan",
    "REJECTED": "bold white on red",
    "INCONCLUSIVE": "bold black on yellow",
}
STATUS_STYLES: dict[Status, str] = {"pass": "green", "fail": "bold red", "unknown": "bold yellow"}
# Words longer than this are prose: they go below the figures instead of widening a column.
_LONGEST_CELL = 14


def scorecard(verdict: Verdict) -> RenderableType:
    """The scorecard as a rich renderable; it fits any width of about 40 columns or more."""
    blocks: list[RenderableType] = [_banner(verdict), Text(), _identity(verdict)]
    blocks += [Section("Checks"), _checks(verdict), *_findings(verdict)]
    blocks += [Section(_seeds_title(verdict)), *_seeds(verdict)]
    blocks += [Section("Did the bar fall?"), *_test(verdict)]
    blocks += tokenizer_section(verdict) + stream_section(verdict) + holdout_section(verdict)
    blocks += _budgets(verdict) + _timelines(verdict)
    blocks += _quantisation(verdict) + _claims(verdict)
    blocks += [Section("Evidence"), _evidence(verdict), Text(), _last_line(verdict)]
    return Group(*blocks)


def render_text(verdict: Verdict, *, width: int = 100, color: bool = False) -> str:
    """The scorecard as text that depends on nothing but its arguments; ends in a newline."""
    console = _console(width=width, color=color)
    console.print(scorecard(verdict))
    text = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    return text if color else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def export_svg(verdict: Verdict, *, width: int = 100) -> str:
    """The scorecard as an SVG picture that refers to nothing outside itself."""
    console = _console(width=width, color=True, record=True)
    console.print(scorecard(verdict))
    return console.export_svg(
        title=f"harness: {plain(verdict.submission, NAME_LIMIT)}",
        theme=SVG_THEME,
        code_format=SVG_FORMAT,
        unique_id="scorecard",
    )


def _console(*, width: int, color: bool, record: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        record=record,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
        _environ={},  # NO_COLOR, COLUMNS and the like would make the output depend on the caller
    )


def _banner(verdict: Verdict) -> RenderableType:
    lines = [f"{verdict.verdict}: {sentences.TAGLINES[verdict.verdict]}", ""]
    lines.append(plain(verdict.reason, DETAIL_LIMIT))
    if headline := sentences.headline(verdict.statistics):
        lines.append(headline)
    lines += sentences.qualifiers(verdict)
    style = _BANNER[verdict.verdict]
    return Panel(
        Text("\n".join(lines), overflow="fold"),
        box=box.HEAVY,
        style=style,
        border_style=style,
        padding=(1, 2),
    )


def _last_line(verdict: Verdict) -> RenderableType:
    """The verdict once more: on a small screen the banner has scrolled away by now."""
    headline = sentences.headline(verdict.statistics)
    words = f"  {headline}" if headline else ""
    return Text.assemble((verdict.verdict, _BANNER[verdict.verdict]), words)


def _identity(verdict: Verdict) -> RenderableType:
    rows = [
        ("submission", verdict.submission),
        ("author", verdict.author),
        ("track", f"{verdict.track}, edition {verdict.edition}"),
        ("dataset", verdict.dataset),
        ("sandbox", sentences.sandbox(verdict)),
        ("started", verdict.created_at),
    ]
    return Pairs([(label, Text(plain(value, 2 * NAME_LIMIT))) for label, value in rows])


def _cell(value: float | int | str | None, figure: str) -> str:
    """What fits a column: a figure, or a word; prose is left to the note."""
    if value is None:
        return ""
    if isinstance(value, str):
        word = plain(value, DETAIL_LIMIT)
        return word if len(word) <= _LONGEST_CELL else ""
    return figure


def _check_row(check: Check) -> Row:
    measured, limit, unit = check.measured, check.limit, plain(check.unit, NAME_LIMIT)
    if isinstance(measured, int | float) and isinstance(limit, int | float):
        figures = against(measured, limit, unit)
    else:
        figures = (
            number(measured, unit) if isinstance(measured, int | float) else "",
            limit_number(limit, unit) if isinstance(limit, int | float) else "",
        )
    shown = _cell(measured, figures[0]), _cell(limit, figures[1])
    prose = [
        f"{name}: {plain(str(value), DETAIL_LIMIT)}"
        for name, value, cell in (("measured", measured, shown[0]), ("limit", limit, shown[1]))
        if isinstance(value, str) and value and not cell
    ]
    note = Text("; ".join([plain(check.detail, DETAIL_LIMIT), *prose]))
    if check.status == "pass":
        note.stylize("dim")
    style = STATUS_STYLES[check.status]
    return Row(
        (
            Text(check.status.upper(), style=style),
            Text(check.id, style="" if check.status == "pass" else style),
            Text(shown[0]),
            Text(shown[1]),
            Text(unit if len(unit) <= _LONGEST_CELL and (shown[0] or shown[1]) else ""),
            Text(headroom(check)),
        ),
        note,
    )


def _checks(verdict: Verdict) -> RenderableType:
    headings = ("status", "check", "measured", "limit", "unit", "margin")
    return FigureTable(headings, 2, [_check_row(check) for check in verdict.checks])


def _findings(verdict: Verdict) -> list[RenderableType]:
    """What a reader should know besides; nothing when there is nothing."""
    rows = [
        (plain(finding.name, NAME_LIMIT), Text(plain(finding.detail, DETAIL_LIMIT), style="yellow"))
        for finding in verdict.findings
    ]
    words = "Judged by nothing; a reader should know."
    note = Paragraph(Text(words, style="dim"))
    return [Section("Seen besides"), note, Pairs(rows)] if rows else []


def _seeds_title(verdict: Verdict) -> str:
    return "Seeds" if verdict.seeds_drawn else "Seeds (chosen by hand, not drawn)"


def _seconds(seconds: float | None, limit: float) -> Text:
    return Text("-" if seconds is None else against(seconds, limit, "s")[0])


def _seed_row(seed: SeedResult, verdict: Verdict) -> Row:
    trouble = None
    if seed.trouble:
        trouble = Text(f"trouble: {plain(seed.trouble, DETAIL_LIMIT)}", style="red")
    return Row(
        (
            Text(f"seed {seed.seed}"),
            Text(number(seed.val_bpb, "BPB"), style="bold"),
            Text(number(seed.val_loss, "nats per token")),
            Text(number(seed.artifact_bytes)),
            _seconds(seed.train_seconds, verdict.train_limit_seconds),
            _seconds(seed.score_seconds, verdict.score_limit_seconds),
            Text(number(seed.targets)),
        ),
        trouble,
    )


def _seeds(verdict: Verdict) -> list[RenderableType]:
    if not verdict.seeds:
        return [Paragraph(Text("No seed was run."))]
    headings = ("", "val_bpb", "val_loss", "artifact B", "train s", "score s", "targets")
    return [FigureTable(headings, 1, [_seed_row(seed, verdict) for seed in verdict.seeds])]


def _test(verdict: Verdict) -> list[RenderableType]:
    result = verdict.statistics
    threshold = number(result.threshold_bpb, "BPB")
    rows = [
        ("bar", f"{number(result.bar_bpb, 'BPB')} BPB ({plain(result.bar_source, DETAIL_LIMIT)})"),
        (
            "margin",
            f"{limit_number(result.margin_nats_per_token, 'nats per token')} nats per token "
            f"= {number(result.margin_bpb, 'BPB')} BPB",
        ),
        ("threshold", f"{threshold} BPB (bar less margin)"),
    ]
    if result.mean_bpb is not None:
        mean = f"{against(result.mean_bpb, result.threshold_bpb, 'BPB')[0]} BPB"
        if result.mean_nats_per_token is not None:
            mean += f" = {number(result.mean_nats_per_token, 'nats per token')} nats per token"
            mean += " of the dataset's own" if verdict.tokenizer else ""
        rows.append(("mean", mean))
    if result.sd_bpb is not None:
        rows.append(("deviation", f"{number(result.sd_bpb, 'BPB')} BPB between seeds (sample)"))
    if result.ci99_bpb is not None:
        low, high = (number(end, "BPB") for end in result.ci99_bpb)
        rows.append(("99 % interval", f"{low} to {high} BPB (two-sided, of the mean)"))
    if result.t is not None and result.p is not None:
        p, p_below = against(result.p, result.p_below, "p")
        rows.append(
            (
                "t-test",
                f"t = {result.t:.3f}, df = {number(result.degrees_of_freedom)}, "
                f"p = {p} (one-sided, required: below {p_below})",
            )
        )
    if result.seeds_for_power_90 is not None:
        needed = f"{result.seeds_for_power_90:,} seeds at this distance and spread"
        rows.append(("90 % power", needed))
    rows += sentences.baselines_in_words(verdict)
    style = "bold green" if result.significant else "bold"
    return [
        Paragraph(Text(sentences.ttest_in_words(result), style=style)),
        Text(),
        Pairs([(label, Text(text)) for label, text in rows]),
    ]


def _budgets(verdict: Verdict) -> list[RenderableType]:
    budgets = (
        ("code + artifact", "bytes", verdict.bytes_limit, sentences.counted_bytes),
        ("train", "s", verdict.train_limit_seconds, lambda seed: seed.train_seconds),
        ("score", "s", verdict.score_limit_seconds, lambda seed: seed.score_seconds),
    )
    bars = []
    for label, unit, limit, figure in budgets:
        used = [
            value
            for seed in verdict.seeds
            if (value := figure(seed)) is not None and math.isfinite(value)
        ]
        if used:
            worst = max(used)
            shown, shown_limit = against(worst, limit, unit)
            text = f"{shown} of {shown_limit} {unit}, {percent_used(worst, limit)}"
            bars.append(Bar(label, worst, limit, text))
    return [Section("Budgets (the worst seed)"), BudgetBars(bars)] if bars else []


def _timelines(verdict: Verdict) -> list[RenderableType]:
    names: list[str] = []
    for seed in verdict.seeds:
        names += [span.name for span in seed.timeline if span.name not in names]
    if not names:
        return []
    rows = []
    for seed in verdict.seeds:
        seconds = {span.name: span.seconds for span in seed.timeline}
        cells = [Text(f"{seconds[n]:,.1f}" if n in seconds else "-") for n in names]
        rows.append(Row((Text(f"seed {seed.seed}"), *cells)))
    return [
        Section("Train timeline, seconds"),
        Paragraph(Text("Information, read from the submission's own log.", style="dim")),
        FigureTable(("", *names), 1, rows),
    ]


def _quantisation(verdict: Verdict) -> list[RenderableType]:
    """What quantisation cost, where the unquantised weights were scored too."""
    rows = []
    for seed in verdict.seeds:
        if seed.unquantised_bpb is not None and seed.val_bpb is not None:
            figures = (seed.unquantised_bpb, seed.val_bpb, seed.val_bpb - seed.unquantised_bpb)
            cells = [Text(f"{figure:.6f}") for figure in figures]
            rows.append(Row((Text(f"seed {seed.seed}"), *cells)))
    if not rows:
        return []
    words = "Information: the checkpoint is neither counted nor judged."
    return [
        Section("Quantisation gap, BPB"),
        Paragraph(Text(words, style="dim")),
        FigureTable(("", "unquantised", "artifact", "gap"), 1, rows),
    ]


def _claims(verdict: Verdict) -> list[RenderableType]:
    rows = [(label, Text(text)) for label, text in sentences.claim_in_words(verdict)]
    words = "Information, from submission.json; judged by nothing."
    if verdict.rehearsal:
        words += " It is the author's claim for the contest, not for a rehearsal."
    note = Paragraph(Text(words, style="dim"))
    return [Section("Claim against measured"), note, Pairs(rows)] if rows else []


def _evidence(verdict: Verdict) -> RenderableType:
    digests = verdict.digests
    rows = [("directory", verdict.evidence)]
    rows += [
        (name, short_digest(digest))
        for name, digest in (
            ("submission", digests.submission),
            ("track", digests.track),
            ("dataset", digests.dataset),
            ("image", digests.image),
            ("harness", digests.harness),
        )
        if digest
    ]
    return Pairs([(label, Text(plain(value, PATH_LIMIT))) for label, value in rows])
