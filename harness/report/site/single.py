"""Pages about one thing: a record without its verdict, a step, a track, a rule, an audit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.audit.findings import FolderAudit
from harness.contest.track import Track
from harness.judge.rule import Rule
from harness.ledger.events import Record
from harness.models import Status
from harness.report.blocks import Mark, Pairs, Paragraph, Row, Table, Words
from harness.report.figures import limit_number, number, odds, short_digest
from harness.report.html.blocks import draw
from harness.report.html.page import Link, Page
from harness.report.site import listing
from harness.report.site.history import Step
from harness.report.site.listing import Column, named
from harness.report.site.lists import HOME, page_of, section
from harness.report.site.source import Entry, Source
from harness.safeio.text import plain

_SENTENCE = 600
_CLOSEST = 20


@dataclass(frozen=True)
class Said:
    """What one verdict says of one rule."""

    rule: str
    status: Status
    measured: float | int | str | None
    limit: float | int | str | None
    unit: str


@dataclass(frozen=True)
class Read:
    """What is kept of a verdict when its page was made; ``problem``: why there is none."""

    name: str
    answers: tuple[Said, ...] = ()
    problem: str = ""


def record_page(entry: Entry, why: str) -> Page:
    """An accepted verdict whose file is not at hand: what the leaderboard keeps of it."""
    record = entry.record
    rows: list[tuple[str, str | Words]] = [
        ("submission", named(record.submission)),
        ("author", named(record.author)),
        ("verified", record.date[:19]),
        ("track", f"{named(record.track)}, edition {named(record.edition)}"),
        ("dataset", named(record.dataset)),
        ("mean", f"{number(record.mean_bpb, 'BPB')} BPB"),
        ("deviation", f"{number(record.sd_bpb, 'BPB')} BPB between seeds"),
        ("p", number(record.p, "p")),
        ("bar", f"{number(record.bar_bpb, 'BPB')} BPB"),
        ("bytes", number(record.bytes)),
        ("verdict", record.verdict_sha256),
        ("rules", short_digest(record.rules_digest)),
    ]
    rows += [
        (f"{each.rule} decided", f"{each.outcome} by {each.who}: {each.why}")
        for each in record.decided or ()
    ]
    seeds = Table(
        ("seed", "BPB"),
        1,
        [
            Row((str(seed), number(score, "BPB")))
            for seed, score in zip(record.seeds, record.scores, strict=True)
        ],
    )
    parts = [
        section("record", "What the leaderboard keeps", draw(Pairs(rows))),
        section("seeds", "Seeds", draw(seeds)),
        section("why", "What is missing", draw(Paragraph(Words(plain(why, _SENTENCE), "dim")))),
    ]
    return page_of(f"{named(record.submission)}: {acceptance(entry)}", parts, above=[HOME])


def acceptance(entry: Entry) -> str:
    """That it was accepted, or taken back."""
    return "accepted" if entry.retracted is None else "retracted"


def step_page(step: Step, why: str) -> Page:
    """A record against the one before it, by what the leaderboard keeps of both."""
    before, record, test = step.before, step.record, step.test
    assert before is not None  # noqa: S101 - the first record has no such page
    rows: list[tuple[str, str | Words]] = [
        ("before", _in_words(before)),
        ("after", _in_words(record)),
        ("gain", f"{number(before.mean_bpb - record.mean_bpb, 'BPB')} BPB"),
    ]
    if test is not None:
        low, high = (number(-bound, "BPB") for bound in reversed(test.interval_99))
        rows += [
            ("99 % interval", f"{low} to {high} BPB"),
            ("p", f"{number(test.p, 'p')}: {_IF_EQUAL} {odds(test.p)}"),
        ]
    else:
        rows.append(("test", "none: the seeds are too few, or do not scatter"))
    rows.append(("unit", "the seed run: a training from the start, and its score"))
    parts = [
        section("step", "The step", draw(Pairs(rows))),
        section("why", "What is missing", draw(Paragraph(Words(plain(why, _SENTENCE), "dim")))),
    ]
    title = f"{named(record.submission)} and the record before"
    return page_of(title, parts, about=_STEP, above=[HOME])


_STEP = (
    "A step of the record: the score of a new record, in bits per byte of text (BPB, lower is "
    "better), against that of the one before."
)
_IF_EQUAL = "if they were equal, so large a difference would come up"


def _in_words(record: Record) -> str:
    return (
        f"{named(record.submission)} by {named(record.author)}, {record.date[:10]}: "
        f"{number(record.mean_bpb, 'BPB')} BPB, {len(record.seeds)} seeds"
    )


def track_page(
    source: Source, name: str, edition: str, entries: Sequence[Entry], track: Track | None
) -> Page:
    """A track in one edition: its rules as data, and what was accepted under them."""
    parts = []
    if track is not None:
        parts.append(section("about", "", draw(Paragraph(plain(track.description, _SENTENCE)))))
    if entries:
        table = listing.entry_listing("Entries", source, entries, up="../")
        parts.append(section("accepted", "Accepted under these rules", table))
    digests = {entry.record.track_digest for entry in entries} | (
        {track.digest} if track is not None else set()
    )
    if track is not None:
        keys = _flat(track.model_dump(mode="json"))
        shown = Table(("key", "value"), 2, [Row(pair) for pair in keys])
        parts.append(section("rules", "The rules, as data", draw(shown)))
    else:
        said = "The rules of this edition are not at hand; the digest names them."
        parts.append(section("rules", "The rules, as data", draw(Paragraph(Words(said, "dim")))))
    digest = Pairs([("digest of the rules", each) for each in sorted(digests)])
    parts.append(section("digest", "Digest", draw(digest)))
    title = f"Track {named(name)}, edition {named(edition)}"
    return page_of(title, parts, about=_TRACK, above=[HOME, Link("index.html", "Tracks")])


_TRACK = (
    "A track is a set of rules: how much time and how many bytes an entry has, on which machine it "
    "runs, which text it is scored on, and which score it has to beat."
)


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Keys with dots, and their values; what is null or empty is left out."""
    if isinstance(value, dict):
        return [
            pair
            for key, inner in value.items()
            for pair in _flat(inner, f"{prefix}.{key}" if prefix else key)
        ]
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return [
            pair
            for place, inner in enumerate(value, start=1)
            for pair in _flat(inner, f"{prefix}[{place}]")
        ]
    if value is None or value in ([], ""):
        return []
    if isinstance(value, list):
        return [(prefix, plain(", ".join(map(str, value)), _SENTENCE))]
    if isinstance(value, bool):
        said = "true" if value else "false"
    else:
        said = limit_number(value) if isinstance(value, int | float) else str(value)
    return [(prefix, plain(said, _SENTENCE))]


_RULE = (
    "A rule asks one question of every verification and answers it from what was measured: pass, "
    "fail, or unknown. One fail, and the entry is rejected."
)
_ANSWER_COLUMNS = (
    Column("date", whole=True),
    Column("submission"),
    Column("answer"),
    Column("measured", figure=True, shown="middle"),
    Column("limit", figure=True, shown="wide"),
    Column("unit", shown="wide"),
)


def rule_page(rule: Rule | None, name: str, answers: Sequence[tuple[Entry, Said]]) -> Page:
    """A rule: what it asks, and what accepted entries answered; the newest are listed."""
    counts = Counter(said.status for _, said in answers)
    rows: list[tuple[str, str | Words]] = []
    if rule is not None:
        better = {"lower": "at most the limit", "higher": "at least the limit"}
        rows += [
            ("passes if", plain(rule.summary, _SENTENCE)),
            ("measured must be", better.get(rule.better, "exactly the limit")),
            ("since", rule.since),
            ("decided by a person", rule.decidable or "never"),
        ]
    told = ", ".join(f"{counts[status]:,} {status}" for status in ("pass", "unknown", "fail"))
    rows.append(("of accepted verdicts", told if answers else "none is at hand"))
    parts = [section("rule", "", draw(Pairs(rows)))]
    if rule is None:
        said = "This rule is one of other rules than those of the harness that made this page."
        parts[0]["block"] = draw(Paragraph(said)) + draw(Pairs(rows))
    if answers:
        shown = answers[:_CLOSEST]
        table = listing.listing(
            "answers",
            "Answers",
            _ANSWER_COLUMNS,
            [
                (
                    entry.date,
                    listing.to_verdict(entry, up="../"),
                    said.status,
                    _figure(said.measured, said.unit),
                    _figure(said.limit, said.unit),
                    named(said.unit),
                )
                for entry, said in shown
            ],
        )
        title = "The newest answers" if len(shown) < len(answers) else "Answers"
        parts.append(section("seen", title, table))
    title = named(name).replace("_", " ")
    return page_of(f"Rule: {title}", parts, about=_RULE, above=[HOME, Link("index.html", "Rules")])


def _figure(value: float | int | str | None, unit: str) -> str:
    if value is None:
        return ""
    return named(value) if isinstance(value, str) else number(value, unit)


def index_page(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Page:
    """A page that lists pages of one kind."""
    table = listing.listing("all", title, columns, rows)
    return page_of(title, [section("list", "", table)], above=[HOME])


def audit_page(audit: FolderAudit) -> Page:
    """One audit: what was claimed, and every check."""
    claim = audit.claim
    rows: list[tuple[str, str | Words]] = [
        ("folder", plain(audit.folder, 200)),
        ("policy", named(audit.policy)),
        ("claimed", "" if claim.val_bpb is None else f"{number(claim.val_bpb, 'BPB')} BPB"),
        ("rests on", plain(claim.sentence, _SENTENCE)),
        ("seeds", str(audit.readings.seeds)),
    ]
    checks = Table(
        ("", "check", "place"),
        3,
        [
            Row(
                (Mark(check.status), check.id.replace("_", " "), plain(check.place, 120)),
                plain(check.sentence, _SENTENCE),
            )
            for check in audit.checks
        ],
        notes="what",
    )
    runs = Table(
        ("log", "seed", "val_bpb", "train s", "steps"),
        1,
        [
            Row(
                (
                    plain(run.log, 120),
                    number(run.seed),
                    number(run.val_bpb, "BPB"),
                    number(run.train_seconds, "s"),
                    number(run.steps),
                )
            )
            for run in audit.runs[:100]
        ],
    )
    parts = [
        section("claim", "What is claimed", draw(Pairs(rows))),
        section("checks", "Checks", draw(checks)),
    ]
    if audit.runs:
        parts.append(section("runs", "Runs, by its logs (claims)", draw(runs)))
    title = f"{named(audit.name)}: {audit.status}"
    return page_of(title, parts, above=[HOME, Link("index.html", "Audits")])
