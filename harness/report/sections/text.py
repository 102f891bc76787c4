"""Sections on the text: the tokenizer, the stream, the unpublished documents."""

import math

from harness.judge.verdict import MemorisationResult, TokenizerResult, Verdict
from harness.report.blocks import Block, Curve, Pairs, Paragraph, Row, Stack, Table, Words
from harness.report.figures import number, short_digest
from harness.report.sentences import NAME_LIMIT
from harness.safeio.text import plain


def tokenizer(verdict: Verdict) -> Block | None:
    """What the submission's own tokenizer is, and what a nat per token of it is worth."""
    own = verdict.tokenizer
    if own is None:
        return None
    rows: list[tuple[str, str | Words]] = [("tokenizer", _name(own))]
    if own.dataset is None:
        rows.append(("weight", _weight(own)))
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
    rows.append(("digest", Words(own.sha256, brief=short_digest(own.sha256))))
    words = (
        "Losses in nats per token of two vocabularies cannot be compared. Bar, margin and test "
        "are in bits per byte of the text; the margin is converted with the dataset's own tokens."
    )
    return Stack((Paragraph(Words(words, "dim")), Pairs(rows)))


def _name(own: TokenizerResult) -> str:
    if own.dataset is not None:
        return f"that of {plain(own.dataset, NAME_LIMIT)}, the same text"
    if own.code is None:
        return plain(own.file, NAME_LIMIT) or "pure bytes"
    beside = f" with {plain(own.file, NAME_LIMIT)}" if own.file else ""
    return f"{plain(own.code, NAME_LIMIT)}{beside}"


def _weight(own: TokenizerResult) -> str:
    if own.code is not None:
        return "code, counted with the other files"
    if not own.file:
        return "built in"
    return f"{own.bytes:,} bytes, " + ("counted" if own.counted else "not counted on this track")


def stream(verdict: Verdict) -> Block | None:
    """How the cost runs along the validation stream, and its cheapest documents."""
    facts = verdict.memorisation
    if facts is None or not facts.parts:
        return None
    costs = [part.bpb for part in facts.parts]
    low, high = min(costs), max(costs)
    rows = [
        ("seed", f"{facts.seed}"),
        ("parts", f"{len(costs)}, of whole documents"),
        ("lowest", f"{number(low, 'BPB')} (part {costs.index(low) + 1})"),
        ("highest", f"{number(high, 'BPB')} (part {costs.index(high) + 1})"),
    ]
    along = Stack((Pairs(rows), Curve(tuple(costs))))
    cheapest = _cheapest(facts)
    return Stack((along, cheapest), apart=True) if cheapest else along


def _cheapest(facts: MemorisationResult) -> Block | None:
    if not facts.cheapest or facts.median_ratio is None:
        return None
    words = (
        "The cheapest documents, by their share of what a plain compressor (zlib) needs; the "
        f"median share is {facts.median_ratio:.2f}."
    )
    if facts.suspicious:
        words += f" Impossibly cheap: {facts.suspicious:,}."
    rows = [
        Row(
            (
                f"document {cost.document:,}",
                f"{cost.bytes:,}",
                number(cost.bpb, "BPB"),
                f"{cost.plain_bpb:.3f}",
                f"{cost.ratio:.3f}",
            )
        )
        for cost in facts.cheapest
    ]
    note = Paragraph(Words(words, "unknown" if facts.suspicious else "dim"))
    return Stack((note, Table(("", "bytes", "BPB", "zlib BPB", "share"), 1, rows)))


def holdout(verdict: Verdict) -> Block | None:
    """What the artifacts cost on the unpublished documents, where the track names some.

    That it names none is a limit of a record; a rehearsal has none to lose.
    """
    if not any(check.id == "holdout" for check in verdict.checks):
        if verdict.rehearsal:
            return None
        words = "Not tested: the track names no unpublished documents to score the artifact on."
        return Paragraph(Words(words, "dim"))
    rows = []
    for seed in verdict.seeds:
        figures = (seed.val_bpb, seed.holdout_bpb, seed.gap_bpb, seed.gap_standard_error_bpb)
        if all(figure is not None and math.isfinite(figure) for figure in figures):
            rows.append(Row((f"seed {seed.seed}", *(number(figure, "BPB") for figure in figures))))
    if not rows:
        return None
    words = (
        "In BPB. The gap is how much cheaper the published documents are than the unpublished "
        "ones predict; its standard error is from the scatter of the documents."
    )
    table = Table(("", "published", "unpublished", "gap", "standard error"), 1, rows)
    return Stack((Paragraph(Words(words, "dim")), table))
