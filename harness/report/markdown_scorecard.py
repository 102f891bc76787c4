"""The scorecard as Markdown, for comments and job summaries: a pure function of a verdict."""

from collections.abc import Iterator

from harness.judge.verdict import Check, SeedResult, Verdict, VerdictName
from harness.report import sentences
from harness.report.figures import against, headroom, limit_number, number
from harness.report.markdown import (
    LONGEST_COMMENT,
    STATUS_MARKS,
    bullets,
    code,
    joined,
    prose,
    table,
)
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT

MOST_SEEDS_SHOWN = 100
_MARKS: dict[VerdictName, str] = {
    "VERIFIED": "✅",
    "REHEARSED": "🎬",
    "REJECTED": "❌",
    "INCONCLUSIVE": "❔",
}
_DIGEST_LIMIT = 200


def render_markdown(verdict: Verdict, *, limit: int = LONGEST_COMMENT) -> str:
    """The scorecard in at most ``limit`` characters of GitHub's Markdown; ends in a newline.

    What does not fit is left out in whole parts, the least important first.
    """
    return joined(_blocks(verdict), limit=limit)


def _blocks(verdict: Verdict) -> Iterator[str]:
    title = f"{_MARKS[verdict.verdict]} {verdict.verdict}: {sentences.TAGLINES[verdict.verdict]}"
    lines = [prose(verdict.reason, DETAIL_LIMIT)]
    if headline := sentences.headline(verdict.statistics):
        lines.append(f"**{headline}**")
    lines += [f"_{prose(line, DETAIL_LIMIT)}_" for line in sentences.qualifiers(verdict)]
    yield f"## {title}\n\n" + "\n\n".join(line for line in lines if line) + "\n"
    yield bullets(
        f"{label}: {prose(value, 2 * NAME_LIMIT)}"
        for label, value in (
            ("submission", verdict.submission),
            ("author", verdict.author),
            ("track", f"{verdict.track}, edition {verdict.edition}"),
            ("dataset", verdict.dataset),
            ("sandbox", sentences.sandbox(verdict)),
            ("started", verdict.created_at),
        )
    )
    yield "### Checks\n\n" + table(
        ("status", "check", "measured", "limit", "unit", "margin", "why"),
        [_check_row(check) for check in verdict.checks],
    )
    if verdict.findings:
        words = "Judged by nothing; a reader should know."
        yield f"### Seen besides\n\n{words}\n\n" + bullets(
            f"{prose(finding.name, NAME_LIMIT)}: {prose(finding.detail, DETAIL_LIMIT)}"
            for finding in verdict.findings
        )
    yield _seeds(verdict)
    yield "### Did the bar fall?\n\n" + _test(verdict)
    if claims := sentences.claim_in_words(verdict):
        words = "Information, from `submission.json`; judged by nothing."
        yield f"### Claim against measured\n\n{words}\n\n" + bullets(
            f"{label}: {text}" for label, text in claims
        )
    digests = verdict.digests.model_dump()
    yield "### Evidence\n\n" + bullets(
        [f"directory: {code(verdict.evidence, PATH_LIMIT)}"]
        + [f"{name}: {code(value, _DIGEST_LIMIT)}" for name, value in digests.items() if value]
    )


def _check_row(check: Check) -> tuple[str, ...]:
    measured, limit = check.measured, check.limit
    if isinstance(measured, int | float) and isinstance(limit, int | float):
        figures = against(measured, limit, check.unit)
    else:
        figures = (
            _figure(measured, check.unit),
            "" if limit is None else _limit(limit, check.unit),
        )
    return (
        STATUS_MARKS[check.status],
        check.id,
        *figures,
        prose(check.unit, NAME_LIMIT),
        headroom(check),
        prose(check.detail, DETAIL_LIMIT),
    )


def _figure(value: float | int | str | None, unit: str) -> str:
    if value is None:
        return ""
    return prose(value, NAME_LIMIT) if isinstance(value, str) else number(value, unit)


def _limit(value: float | int | str, unit: str) -> str:
    return prose(value, NAME_LIMIT) if isinstance(value, str) else limit_number(value, unit)


def _seeds(verdict: Verdict) -> str:
    title = "### Seeds" + ("" if verdict.seeds_drawn else " (chosen by hand, not drawn)")
    if not verdict.seeds:
        return f"{title}\n\nNo seed was run.\n"
    shown = verdict.seeds[:MOST_SEEDS_SHOWN]
    headings = ("seed", "val_bpb", "val_loss", "artifact bytes", "train s", "score s", "targets")
    rows = [_seed_row(seed, verdict) for seed in shown]
    troubles = bullets(
        f"seed {seed.seed}: {prose(seed.trouble, DETAIL_LIMIT)}" for seed in shown if seed.trouble
    )
    parts = [
        title,
        table(headings, rows, figures=len(headings)).rstrip("\n"),
        troubles.rstrip("\n"),
    ]
    if left := len(verdict.seeds) - len(shown):
        parts.append(f"{left:,} more are not shown.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _seed_row(seed: SeedResult, verdict: Verdict) -> tuple[str, ...]:
    return (
        str(seed.seed),
        number(seed.val_bpb, "BPB"),
        number(seed.val_loss, "nats per token"),
        number(seed.artifact_bytes),
        _seconds(seed.train_seconds, verdict.train_limit_seconds),
        _seconds(seed.score_seconds, verdict.score_limit_seconds),
        number(seed.targets),
    )


def _seconds(seconds: float | None, limit: float) -> str:
    return "-" if seconds is None else against(seconds, limit, "s")[0]


def _test(verdict: Verdict) -> str:
    result = verdict.statistics
    margin = limit_number(result.margin_nats_per_token, "nats per token")
    rows = [
        f"bar: {number(result.bar_bpb, 'BPB')} BPB ({prose(result.bar_source, DETAIL_LIMIT)})",
        f"margin: {margin} nats per token = {number(result.margin_bpb, 'BPB')} BPB",
        f"threshold: {number(result.threshold_bpb, 'BPB')} BPB (bar less margin)",
    ]
    if result.sd_bpb is not None:
        rows.append(f"deviation: {number(result.sd_bpb, 'BPB')} BPB between seeds (sample)")
    if result.ci99_bpb is not None:
        low, high = (number(end, "BPB") for end in result.ci99_bpb)
        rows.append(f"99 % interval: {low} to {high} BPB (two-sided, of the mean)")
    if result.t is not None and result.p is not None:
        p, p_below = against(result.p, result.p_below, "p")
        freedom = number(result.degrees_of_freedom)
        rows.append(
            f"t-test: t = {result.t:.3f}, df = {freedom}, p = {p} (required: below {p_below})"
        )
    rows += [
        f"{label}: {prose(text, DETAIL_LIMIT)}"
        for label, text in sentences.baselines_in_words(verdict)
    ]
    return f"{sentences.ttest_in_words(result)}\n\n{bullets(rows)}"
