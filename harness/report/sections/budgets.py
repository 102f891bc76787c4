"""Sections on what was spent: bytes, seconds, and what quantization cost."""

import math

from harness.judge.verdict import Verdict
from harness.report import sentences
from harness.report.blocks import Bar, Bars, Block, Paragraph, Row, Stack, Table, Words
from harness.report.figures import against, percent_used


def budgets(verdict: Verdict) -> Block | None:
    """How much of each budget the worst seed used; nothing when no seed used any."""
    each = (
        ("code + artifact", "bytes", verdict.bytes_limit, sentences.counted_bytes),
        ("train", "s", verdict.train_limit_seconds, lambda seed: seed.train_seconds),
        ("score", "s", verdict.score_limit_seconds, lambda seed: seed.score_seconds),
    )
    bars = []
    for label, unit, limit, figure in each:
        used = [
            value
            for seed in verdict.seeds
            if (value := figure(seed)) is not None and math.isfinite(value)
        ]
        if used and limit is not None:
            worst = max(used)
            shown, shown_limit = against(worst, limit, unit)
            text = f"{shown} of {shown_limit} {unit}, {percent_used(worst, limit)}"
            bars.append(Bar(label, worst, limit, text))
    if not bars:
        return None
    waited = sentences.waited_in_words(verdict)
    return Stack((Bars(bars), Paragraph(Words(waited, "dim")))) if waited else Bars(bars)


def timeline(verdict: Verdict) -> Block | None:
    """How training spent its time, as far as its log tells."""
    names = list(dict.fromkeys(span.name for seed in verdict.seeds for span in seed.timeline))
    if not names:
        return None
    rows = []
    for seed in verdict.seeds:
        seconds = {span.name: span.seconds for span in seed.timeline}
        cells = [f"{seconds[name]:,.1f}" if name in seconds else "-" for name in names]
        rows.append(Row((f"seed {seed.seed}", *cells)))
    words = "Information, read from the submission's own log."
    headings = (name.replace("quantisation", "quantization") for name in names)  # kept so
    return Stack((Paragraph(Words(words, "dim")), Table(("", *headings), 1, rows)))


def quantization(verdict: Verdict) -> Block | None:
    """What quantization cost, where the unquantized weights were scored too."""
    rows = []
    for seed in verdict.seeds:
        if seed.unquantised_bpb is not None and seed.val_bpb is not None:
            figures = (seed.unquantised_bpb, seed.val_bpb, seed.val_bpb - seed.unquantised_bpb)
            rows.append(Row((f"seed {seed.seed}", *(f"{figure:.6f}" for figure in figures))))
    if not rows:
        return None
    words = "Information: the checkpoint is neither counted nor judged."
    table = Table(("", "unquantized", "artifact", "gap"), 1, rows)
    return Stack((Paragraph(Words(words, "dim")), table))
