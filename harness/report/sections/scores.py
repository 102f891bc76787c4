"""Sections on the scores: seed by seed, and what the test makes of them."""

from harness.judge.only_reproduced import NOBODY_CHECKED
from harness.judge.tested import StatisticsResult
from harness.judge.verdict import SeedResult, Verdict
from harness.report import sentences
from harness.report.blocks import Block, Pairs, Paragraph, Row, Stack, Style, Table, Words
from harness.report.figures import against, limit_number, number
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
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
    needed = verdict.statistics.runs_needed
    if verdict.statistics.decided and needed and (seed.place or 0) > needed:
        told.append("run beyond the look that decided: shown, not tested")
    if seed.beside_bpb:
        lost = ", ".join(number(bpb, "BPB") for bpb in seed.beside_bpb)
        counts = f"counts as {number(seed.counted_bpb, 'BPB')} BPB"
        told.append(f"{counts}, the mean with {lost}: tries that were scored and then lost")
    return Row(
        (
            f"{'fresh ' if seed.purpose == 'confirmation' else ''}seed {seed.seed}",
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
    words = "What the script printed, run whole on the true split; the score is the one above."
    if sentences.only_reproduced(verdict):
        words = f"Run whole on the true split: {NOBODY_CHECKED}."
    table = Table(("", "printed bpb", "artifact B", "seconds"), 1, rows)
    return Stack((Paragraph(Words(words, "dim")), table))


_FEWEST_FOR_INTERVAL = 3
"""Of two seeds the interval is 64 times as wide as their distance, and says nothing."""
_TESTS = {"moderated": "moderated t-test", "welch": "Welch's t-test"}


def _tests(result: StatisticsResult) -> list[tuple[str, str]]:
    """The track's test, what counted in it, and the plain one beside it."""
    if result.t is None or result.p is None:
        return []
    p, p_below = against(result.p, result.asked_level, "p")
    degrees = result.degrees_of_freedom if result.degrees is None else round(result.degrees, 2)
    figures = f"t = {result.t:.3f}, df = {degrees:g}" if degrees else f"t = {result.t:.3f}"
    name = _TESTS.get(result.test or "", "t-test")
    whose = "; the plain test's counts:" if result.guarded else ","
    rows = [(name, f"{figures}{whose} p = {p} (one-sided, required: below {p_below})")]
    if beside := sentences.plain_in_words(result):
        rows += [("in words", sentences.asked_in_words(result)), ("plain t-test", beside)]
    if result.test == "moderated" and result.field_source:
        degrees_known = f"worth {result.field_degrees:g} degrees of freedom"
        source = plain(result.field_source, DETAIL_LIMIT)
        rows.append(("field's spread", f"{result.field_sd_bpb:g} BPB, {degrees_known}: {source}"))
    return rows


def looks(verdict: Verdict) -> Block | None:
    """Every look of the track, what it saw and what it decided; nothing where there is but one."""
    found = verdict.statistics.looks or ()
    if len(found) < 2:
        return None
    headings = ("after", "mean", "stop above", "p", "accept below", "")
    rows = []
    for look in found:
        style: Style = _OUTCOMES.get(look.outcome or "", "dim")
        rows.append(
            Row(
                (
                    f"{look.runs} seed{'s' if look.runs > 1 else ''}",
                    number(look.mean_bpb, "BPB"),
                    number(look.hopeless_above_bpb, "BPB"),
                    number(look.p, "p"),
                    limit_number(look.accept_below, "p"),
                    Words(look.outcome or "not reached", style),
                ),
                Words(""),
            )
        )
    words = "Fixed by the track before the first run; all looks together accept by luck less often"
    level = limit_number(verdict.statistics.p_below, "p")
    said = Paragraph(Words(f"{words} than p = {level} says.", "dim"))
    return Stack((Table(headings, 1, rows), said))


_OUTCOMES: dict[str, Style] = {
    "accepted": "pass",
    "hopeless": "fail",
    "not shown": "fail",
    "no test": "unknown",
}


def confirmation(verdict: Verdict) -> Block | None:
    """What the seeds that nobody selected say; nothing where the question does not arise."""
    found, threshold = verdict.confirmation, verdict.statistics.threshold_bpb
    if found is None or threshold is None:
        return None
    answer = next((check for check in verdict.checks if check.id == "confirmation"), None)
    style: Style = "plain" if answer is None else answer.status
    said = Words(plain(answer.detail, DETAIL_LIMIT) if answer else "", style)
    if found.mean_bpb is None:
        return Paragraph(said)
    p, p_below = against(found.p or 0.0, found.p_below, "p")
    rows = [
        ("fresh mean", f"{against(found.mean_bpb, threshold, 'BPB')[0]} BPB: the score to publish"),
        ("selected mean", f"{number(verdict.statistics.mean_bpb, 'BPB')} BPB of the looks"),
        ("all together", f"p = {p} (one-sided, required: below {p_below})"),
    ]
    return Stack((Paragraph(said), Pairs(rows)), apart=True)


_OF_THE_TEST = frozenset({"significance", "doubts", "confirmation"})


def _refused(verdict: Verdict) -> str:
    """The first check that failed other than those that the score itself answers."""
    failed = (check.id for check in verdict.checks if check.status == "fail")
    return next((plain(id_, NAME_LIMIT) for id_ in failed if id_ not in _OF_THE_TEST), "")


def significance(verdict: Verdict) -> Block | None:
    """The test in words, its figures, and the baselines of the dataset.

    None where no score of ours is compared with a bar.
    """
    if verdict.upstream is not None and verdict.upstream.once_blind:
        return None
    result = verdict.statistics
    if result.case == "no seeds":
        said = Paragraph(Words(sentences.ttest_in_words(result), "strong"))
        spent = sentences.spending_in_words(verdict)
        return Stack((said, Pairs(spent)), apart=True) if spent else said
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
    if result.ci99_bpb is not None and result.n >= _FEWEST_FOR_INTERVAL:
        low, high = (number(end, "BPB") for end in result.ci99_bpb)
        rows.append(("99 % interval", f"{low} to {high} BPB (two-sided, of the mean)"))
    rows += _tests(result)
    rows += sentences.spending_in_words(verdict)
    if result.seeds_for_power_90 is not None:
        needed = f"{result.seeds_for_power_90:,} seeds at this distance and spread"
        rows.append(("90 % power", needed))
    rows += sentences.baselines_in_words(verdict)
    over = verdict.verdict == "REJECTED"
    text = sentences.ttest_in_words(result, over=over)
    if over and result.mean_bpb is not None and (refused := _refused(verdict)):
        text += f" The score counts for nothing: {refused} failed."
    if verdict.confirmation is not None:
        text += " Fresh seeds say whether it holds."
    told = Words(text, "pass" if result.significant and not over else "strong")
    return Stack((Paragraph(told), Pairs(rows)), apart=True)
