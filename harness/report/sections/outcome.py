"""Sections on what was judged, how it ended, and what that rests on."""

from collections.abc import Sequence

from harness.judge.rule import Better
from harness.judge.verdict import Verdict
from harness.models import Finding, Status
from harness.report import sentences
from harness.report.blocks import Banner, Block, Mark, Pairs, Paragraph, Row, Stack, Table, Words
from harness.report.figures import against, headroom, limit_number, moment, number, short_digest
from harness.report.finding_lists import worst_first
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.report.way_on import way_on_in_words
from harness.safeio.text import plain

# Words longer than this are prose: they go into the note instead of widening a column.
_LONGEST_CELL = 14
_DIGEST_LIMIT = 200


def banner(verdict: Verdict, *, verify: str = "") -> Block:
    """The verdict, its reason, what limits it, and where it leads."""
    lines = [Words(plain(verdict.reason, DETAIL_LIMIT))]
    if headline := sentences.headline(verdict):
        lines.append(Words(headline, "strong"))
    if confirmed := sentences.confirmed(verdict):
        lines.append(Words(confirmed, "strong"))
    lines += [Words(line, "dim") for line in sentences.qualifiers(verdict)]
    lines += [
        Words(f"{label}: {said}", whole=True)
        for label, said in way_on_in_words(verdict, verify=verify)
    ]
    title = f"{verdict.verdict}: {sentences.TAGLINES[verdict.verdict]}"
    return Banner(verdict.verdict, title, tuple(lines))


def identity(verdict: Verdict) -> Block:
    """What was judged, by which rules, where and when, how long it took and how fast it was."""
    rows = [
        ("submission", verdict.submission),
        ("author", verdict.author),
        ("track", f"{verdict.track}, edition {verdict.edition}"),
        ("dataset", verdict.dataset),
        ("sandbox", sentences.sandbox(verdict)),
        ("started", moment(verdict.created_at)),
        *sentences.effort_in_words(verdict),
    ]
    return Pairs([(label, plain(value, 2 * NAME_LIMIT)) for label, value in rows])


def checks(verdict: Verdict, *, all: bool = True) -> Block:
    """The checks with their figures: what failed, then what is unknown, then what passes.

    Without ``all`` those that pass are named on one line; and where one failed, those that are
    unknown are on another: most of them only because a run did not come so far.
    """
    headings = ("status", "check", "measured", "limit", "unit", "headroom")
    better: dict[str, Better] = {rule.id: rule.better for rule in verdict.rules}
    failed = any(check.status == "fail" for check in verdict.checks)
    folded: list[Status] = [] if all else ["unknown", "pass"] if failed else ["pass"]
    told = [check for check in worst_first(verdict.checks) if check.status not in folded]
    rows = [_check_row(check, better.get(check.id, "equal")) for check in told]
    passing = [check.id for check in told if check.status == "pass"]
    routine = _folded("pass", passing) if passing else ""
    table = Table(headings, 2, rows, "why", len(passing), routine)
    parts: list[Block] = [table] if rows else []
    for status in folded:
        names = [check.id for check in verdict.checks if check.status == status]
        if names:
            parts.append(Paragraph(Words(_folded(status, names), status)))
    return parts[0] if len(parts) == 1 else Stack(tuple(parts))


def _folded(status: Status, names: Sequence[str]) -> str:
    """How many checks have a status, and which."""
    one = len(names) == 1
    count = "1 check" if one else f"{len(names)} checks"
    what = ("passes" if one else "pass") if status == "pass" else ("is" if one else "are") + " open"
    return f"{count} {what}: {plain(', '.join(names), DETAIL_LIMIT)}"


def decisions(verdict: Verdict) -> Block | None:
    """What humans settled where a rule could not tell, and what of it does not count."""
    rows = [
        (
            plain(decision.rule, NAME_LIMIT),
            Words(
                f"{decision.outcome}, decided by {plain(decision.who, NAME_LIMIT)} on "
                f"{plain(decision.at, NAME_LIMIT)}: {plain(decision.why, DETAIL_LIMIT)}"
            ),
        )
        for decision in verdict.decisions
    ]
    rows += [
        (
            plain(each.decision.rule, NAME_LIMIT),
            Words(
                f"not applied, {plain(each.why, DETAIL_LIMIT)}: {each.decision.outcome}, by "
                f"{plain(each.decision.who, NAME_LIMIT)} on "
                f"{plain(each.decision.at, NAME_LIMIT)}: {plain(each.decision.why, DETAIL_LIMIT)}",
                "unknown",
            ),
        )
        for each in verdict.passed_over or ()
    ]
    return Pairs(rows) if rows else None


def _cell(value: float | int | str | None, figure: str) -> str:
    """What fits a column: a figure, or a word; prose is left to the note."""
    if value is None:
        return ""
    if isinstance(value, str):
        word = plain(value, DETAIL_LIMIT)
        return word if len(word) <= _LONGEST_CELL else ""
    return figure


def _check_row(check: Finding, better: Better) -> Row:
    measured, limit, unit = check.measured, check.limit, plain(check.unit, NAME_LIMIT)
    if isinstance(measured, int | float) and isinstance(limit, int | float):
        figures = against(measured, limit, unit)
    else:
        figures = (
            number(measured, unit) if isinstance(measured, int | float) else "",
            limit_number(limit, unit) if isinstance(limit, int | float) else "",
        )
    shown = _cell(measured, figures[0]), _cell(limit, figures[1])
    shown_unit = unit if len(unit) <= _LONGEST_CELL and (shown[0] or shown[1]) else ""
    prose = [
        f"{name}: {plain(str(value), DETAIL_LIMIT)}"
        for name, value, cell in (
            ("measured", measured, shown[0]),
            ("limit", limit, shown[1]),
            ("unit", unit, shown_unit),
        )
        if isinstance(value, str) and value and not cell
    ]
    passed = check.status == "pass"
    return Row(
        (
            Mark(check.status),
            Words(check.id, "plain" if passed else check.status),
            *shown,
            shown_unit,
            headroom(check, better),
        ),
        Words("; ".join([plain(check.detail, DETAIL_LIMIT), *prose]), "dim" if passed else "plain"),
    )


def seen_besides(verdict: Verdict) -> Block | None:
    """What a reader should know besides; nothing when there is nothing."""
    if not verdict.findings:
        return None
    rows = [
        (plain(finding.name, NAME_LIMIT), Words(plain(finding.detail, DETAIL_LIMIT), "unknown"))
        for finding in verdict.findings
    ]
    note = Paragraph(Words("For information: no rule uses it.", "dim"))
    return Stack((note, Pairs(rows)))


def claim(verdict: Verdict) -> Block | None:
    """What the submission claims; nothing when it claims nothing."""
    rows = sentences.claim_in_words(verdict)
    if not rows:
        return None
    words = "For information, from submission.json; no rule uses it."
    if verdict.upstream is not None:
        words = "From submission.json; only what the whole script prints is held against it."
    if verdict.rehearsal:
        words += " It is the author's claim for the contest, not for a rehearsal."
    return Stack((Paragraph(Words(words, "dim")), Pairs(rows)))


def evidence(verdict: Verdict) -> Block:
    """Where the evidence lies, and what the verdict is bound to."""
    digests = {
        name: plain(digest, _DIGEST_LIMIT) for name, digest in verdict.digests.model_dump().items()
    }
    directory = Words(plain(verdict.evidence, PATH_LIMIT), whole=True)
    rows: list[tuple[str, Words]] = [("directory", directory)]
    rows += [
        (name, Words(digest, brief=short_digest(digest)))
        for name, digest in digests.items()
        if digest
    ]
    return Pairs(rows)
