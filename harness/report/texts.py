"""Sections of the scorecard about the text: the tokenizer, the stream, the unpublished set."""

import math
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from harness.evidence.facts import StreamPart
from harness.judge.verdict import TokenizerResult, Verdict
from harness.report.figures import number, short_digest
from harness.report.layout import INDENT, FigureTable, Pairs, Paragraph, Row, Section
from harness.report.sentences import NAME_LIMIT
from harness.safeio.text import plain

_STEPS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ASCII_STEPS = "0123456789"


def tokenizer_section(verdict: Verdict) -> list[RenderableType]:
    """What the submission's own tokenizer is, and what a nat per token of it is worth."""
    own = verdict.tokenizer
    if own is None:
        return []
    rows = [("tokenizer", f"{plain(own.file, NAME_LIMIT) or 'pure bytes'}, {_weight(own)}")]
    if own.vocabulary_size is not None:
        rows.append(("vocabulary", f"{own.vocabulary_size:,} ids"))
    if own.bytes_per_token is not None and own.bpb_per_nat is not None:
        rows += [
            (
                "bytes per token",
                f"{own.bytes_per_token:.5f} (the dataset's own: {own.dataset_bytes_per_token:.5f})",
            ),
            (
                "1 nat per token",
                f"{number(own.bpb_per_nat, 'BPB')} BPB (the dataset's own: "
                f"{number(own.dataset_bpb_per_nat, 'BPB')} BPB)",
            ),
        ]
    rows.append(("digest", short_digest(own.sha256)))
    words = (
        "Losses in nats per token of two vocabularies cannot be compared. Bar, margin and test "
        "are in bits per byte of the text; the margin is converted with the dataset's own tokens."
    )
    return [
        Section("The submission's own tokenizer"),
        Paragraph(Text(words, style="dim")),
        Pairs([(label, Text(text)) for label, text in rows]),
    ]


def _weight(own: TokenizerResult) -> str:
    if not own.file:
        return "built in"
    return f"{own.bytes:,} bytes, " + ("counted" if own.counted else "not counted on this track")


@dataclass(frozen=True)
class Curve:
    """BPB of one part of the stream after the other, on one line or more; the axis begins at 0."""

    parts: tuple[StreamPart, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A character for each part."""
        steps = _ASCII_STEPS if options.ascii_only else _STEPS
        highest = max((part.bpb for part in self.parts), default=0.0)
        drawn = "".join(
            steps[round(max(part.bpb, 0) / highest * (len(steps) - 1)) if highest > 0 else 0]
            for part in self.parts
        )
        width = max(options.max_width - INDENT, 1)
        for start in range(0, len(drawn), width):
            yield Text(" " * INDENT + drawn[start : start + width])


def stream_section(verdict: Verdict) -> list[RenderableType]:
    """How the cost runs along the validation stream, and its cheapest documents."""
    facts = verdict.memorisation
    if facts is None or not facts.parts:
        return []
    costs = [part.bpb for part in facts.parts]
    low, high = min(costs), max(costs)
    words = (
        f"Seed {facts.seed}, in {len(costs)} parts of whole documents: lowest "
        f"{number(low, 'BPB')} (part {costs.index(low) + 1}), highest {number(high, 'BPB')} BPB "
        f"(part {costs.index(high) + 1})."
    )
    blocks: list[RenderableType] = [
        Section("Along the validation stream, BPB"),
        Paragraph(Text(words, style="dim")),
        Curve(facts.parts),
    ]
    if facts.cheapest and facts.median_ratio is not None:
        blocks += [
            Text(),
            Paragraph(
                Text(
                    "The cheapest documents, by their share of what a plain compressor (zlib) "
                    f"needs; the median share is {facts.median_ratio:.2f}."
                    + (f" {facts.suspicious:,} are impossibly cheap." if facts.suspicious else ""),
                    style="yellow" if facts.suspicious else "dim",
                )
            ),
            FigureTable(
                ("", "bytes", "BPB", "zlib BPB", "share"),
                1,
                [
                    Row(
                        (
                            Text(f"document {cost.document:,}"),
                            Text(f"{cost.bytes:,}"),
                            Text(number(cost.bpb, "BPB")),
                            Text(f"{cost.plain_bpb:.3f}"),
                            Text(f"{cost.ratio:.3f}"),
                        )
                    )
                    for cost in facts.cheapest
                ],
            ),
        ]
    return blocks


def holdout_section(verdict: Verdict) -> list[RenderableType]:
    """What the artifacts cost on the unpublished documents, where the track names some."""
    rows = []
    for seed in verdict.seeds:
        figures = (seed.val_bpb, seed.holdout_bpb, seed.gap_bpb, seed.gap_standard_error_bpb)
        if all(figure is not None and math.isfinite(figure) for figure in figures):
            cells = [Text(number(figure, "BPB")) for figure in figures]
            rows.append(Row((Text(f"seed {seed.seed}"), *cells)))
    if not any(check.id == "holdout" for check in verdict.checks):
        words = "Not tested: the track names no unpublished documents to score the artifact on."
        return [Section("Unpublished documents"), Paragraph(Text(words, style="dim"))]
    if not rows:
        return []
    words = (
        "The gap is how much cheaper the published documents are than the unpublished ones let "
        "expect; +- is its standard error from the scatter of the documents."
    )
    return [
        Section("Unpublished documents, BPB"),
        Paragraph(Text(words, style="dim")),
        FigureTable(("", "published", "unpublished", "gap", "+-"), 1, rows),
    ]
