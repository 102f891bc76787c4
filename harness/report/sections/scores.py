"""Sections on the scores: seed by seed, and what the test makes of them."""

from harness.judge.verdict import SeedResult, Verdict
from harness.report import sentences
from harness.report.blocks import Block, Pairs, Paragraph, Row, Stack, Table, Words
from harness.report.figures import against, limit_number, number
from harness.report.sentences import DETAIL_LIMIT
from harness.safeio.text import plain


def seeds(verdict: Verdict) -> Block:
    """Every seed run with its score, size and times, or with what went wrong."""
    if not verdict.seeds:
        return Paragraph("No seed was run.")
    headings = ("", "val_bpb", "val_loss", "artifact B", "train s", "score s", "targets")
    table = Table(headings, 1, [_seed_row(seed, verdict) for seed in verdict.seeds])
    if verdict.seeds_drawn:
        return table
    return Stack((Paragraph(Words("Chosen by hand, not drawn.", "unknown")), table))


def _seed_row(seed: SeedResult, verdict: Verdict) -> Row:
    told = [f"trouble: {plain(seed.trouble, DETAIL_LIMIT)}"] if seed.trouble else []
    if seed.beside_bpb:
        lost = ", ".join(number(bpb, "BPB") for bpb in seed.beside_bpb)
        counts = f"counts as {number(seed.counted_bpb, 'BPB')} BPB"
        told.append(f"{counts}, the mean with {lost}: tries that were scored and then lost")
    return Row(
        (
            f"seed {seed.seed}",
            Words(number(seed.val_bpb, "BPB"), "strong"),
            number(seed.val_loss, "nats per token"),
            number(seed.artifact_bytes),
            _seconds(seed.train_seconds, verdict.train_limit_seconds),
            _seconds(seed.score_seconds, verdict.score_limit_seconds),
            number(seed.targets),
        ),
        Words("; ".join(told), "fail" if seed.trouble else "unknown"),
    )


def _seconds(seconds: float | None, limit: float | None) -> str:
    return "-" if seconds is None else against(seconds, limit, "s")[0]


def reproductions(verdict: Verdict) -> Block | None:
    """What each run of an entry's whole script printed: claims, made under our roof."""
    rows = []
    for run in verdict.reproductions:
        trouble = f"trouble: {plain(run.trouble, DETAIL_LIMIT)}" if run.trouble else ""
        figures = (number(run.printed_bpb, "BPB"), number(run.artifact_bytes))
        cells = (f"seed {run.seed}", *figures, number(run.seconds, "s"))
        rows.append(Row(cells, Words(trouble, "fail")))
    if not rows:
        return None
    words = "It printed this again, and nobody has checked that it is true."
    table = Table(("", "printed bpb", "artifact B", "seconds"), 1, rows)
    return Stack((Paragraph(Words(words, "dim")), table))


def significance(verdict: Verdict) -> Block:
    """The test in words, its figures, and the baselines of the dataset."""
    result = verdict.statistics
    rows = (
        []
        if result.bar_bpb is None
        else [
            (
                "bar",
                f"{number(result.bar_bpb, 'BPB')} BPB ({plain(result.bar_source, DETAIL_LIMIT)})",
            ),
            (
                "margin",
                f"{limit_number(result.margin_nats_per_token, 'nats per token')} nats per token "
                f"= {number(result.margin_bpb, 'BPB')} BPB",
            ),
            ("threshold", f"{number(result.threshold_bpb, 'BPB')} BPB (bar less margin)"),
        ]
    )
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
        test = f"t = {result.t:.3f}, df = {number(result.degrees_of_freedom)}"
        rows.append(("t-test", f"{test}, p = {p} (one-sided, required: below {p_below})"))
    rows += sentences.spending_in_words(verdict)
    if result.seeds_for_power_90 is not None:
        needed = f"{result.seeds_for_power_90:,} seeds at this distance and spread"
        rows.append(("90 % power", needed))
    rows += sentences.baselines_in_words(verdict)
    said = Words(sentences.ttest_in_words(result), "pass" if result.significant else "strong")
    return Stack((Paragraph(said), Pairs(rows)), apart=True)
