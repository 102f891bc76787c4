"""Audits drawn for people: one folder in detail, many in a table, policies side by side."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from rich.console import Console
from rich.text import Text

from harness.audit.findings import AuditCheck, FolderAudit
from harness.models import Status
from harness.report.annotations import annotations
from harness.report.figures import number
from harness.report.junit import junit
from harness.report.layout import FigureTable, Pairs, Row, Section
from harness.report.markdown import STATUS_MARKS, code, findings_table, prose, table
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.report.terminal import STATUS_STYLES
from harness.safeio.files import writing_atomically
from harness.safeio.output import tell
from harness.safeio.text import plain
from harness.upstream.logs.logged import LoggedRun

Format = Literal["table", "markdown", "github", "junit"]
FORMATS: tuple[Format, ...] = ("table", "markdown", "github", "junit")
Audits = tuple[FolderAudit, ...]  # of one folder, one for each policy

_NAME_SHOWN = 44
_SHORTEST_NAME = 28
_RUN_HEADINGS = ("log", "seed", "val_bpb", "val_loss", "bytes", "train s", "eval s", "steps")


class Sink(Protocol):
    """Receives audits one by one."""

    def __call__(self, audit: FolderAudit) -> None:
        """Write one audit."""


def publish(
    audits: Iterable[Audits],
    console: Console,
    *,
    form: Format,
    json: str | None,
    many: bool,
) -> bool:
    """Write audits as they come; returns whether one failed under the first policy.

    Args:
        audits: of each folder, one for each policy.
        console: where tables go.
        form: the output format, for people or machines.
        json: a path, or ``-`` for stdout, to which the audits are written as JSON as well.
        many: whether there are several folders: then a row for each, and an array in JSON.
    """
    failed = False

    def noticed(sink: Sink) -> Iterator[Audits]:
        nonlocal failed
        for of_one in audits:
            failed = failed or of_one[0].status == "fail"
            for audit in of_one:
                sink(audit)
            yield of_one

    with _json_sink(json, array=many) as sink:
        stream = noticed(sink)
        if form == "table":
            (_show_many if many else _show_each)(stream, console)
        elif form == "junit":
            suites = {_title(a): a.checks for of_one in stream for a in of_one}
            tell(junit(suites).decode().rstrip("\n"))
        else:
            for of_one in stream:
                text = _markdown(of_one) if form == "markdown" else _github(of_one)
                if text:
                    tell(text.rstrip("\n"))
    return failed


@contextmanager
def _json_sink(path: str | None, *, array: bool) -> Iterator[Sink]:
    """Write audits as JSON while they come: an object, or an array with one audit per line."""
    indent = None if array else 2
    first = True

    def texts(audit: FolderAudit) -> str:
        nonlocal first
        comma, first = "" if first else ",\n", False
        return comma + audit.model_dump_json(indent=indent)

    opening, closing = ("[\n", "\n]\n") if array else ("", "\n")
    if path is None:
        yield lambda audit: None
    elif path == "-":
        if array:
            tell("[")
        yield lambda audit: tell(texts(audit))
        if array:
            tell("]")
    else:
        with writing_atomically(Path(path)) as file:
            file.write(opening.encode())

            def sink(audit: FolderAudit) -> None:
                file.write(texts(audit).encode())

            yield sink
            file.write(closing.encode())


def _title(audit: FolderAudit) -> str:
    return plain(f"{audit.name} ({audit.policy})", 2 * NAME_LIMIT)


def _status(status: Status) -> Text:
    return Text(status.upper(), style=STATUS_STYLES[status])


def _show_each(stream: Iterable[Audits], console: Console) -> None:
    for of_one in stream:
        if len(of_one) > 1:
            _show_compared(of_one, console)
        else:
            _show_one(of_one[0], console)


def _show_one(audit: FolderAudit, console: Console) -> None:
    console.print(Text(_title(audit), style="bold"))
    console.print(Pairs(_facts(audit)))
    if audit.runs:
        console.print(Section("runs"))
        rows = [_run_row(run) for run in audit.runs]
        console.print(FigureTable(_RUN_HEADINGS, 1, rows))
    console.print(Section("checks"))
    console.print(FigureTable(("status", "check"), 2, [_check_row(c) for c in audit.checks]))


def _facts(audit: FolderAudit) -> list[tuple[str, Text]]:
    claim = audit.claim
    shown = "no score" if claim.val_bpb is None else f"{claim.val_bpb:g}"
    kind = claim.kind.replace("_", " ")
    return [
        ("audit", Text.assemble(_status(audit.status), f" on track {audit.track}")),
        ("dated", Text(plain(audit.date or "-", NAME_LIMIT))),
        ("claims", Text(plain(f"{shown} BPB, {kind}: {claim.sentence}", DETAIL_LIMIT))),
    ]


def _run_row(run: LoggedRun) -> Row:
    note = ""
    if run.copy_of:
        note = f"repeats {run.copy_of}"
    elif run.trained_in:
        note = f"{run.metric}; trained in {run.trained_in}"
    elif run.metric:
        note = f"{run.metric}: {run.metric_reason}"
    elif run.not_finite is not None:
        note = "it ended without a finite score"
    else:
        note = "no final score"
    if run.metric and run.not_finite is not None:
        note += f"; a later score, in line {run.not_finite}, is no number"
    if not run.counted and not run.copy_of:
        note += "; the claim does not rest on it"
    cells = (
        plain(run.log, _NAME_SHOWN),
        "-" if run.seed is None else str(run.seed),
        number(run.val_bpb, "BPB"),
        number(run.val_loss, "nats per token"),
        number(run.total_bytes),
        number(run.train_seconds, "s"),
        number(run.eval_seconds, "s"),
        number(run.steps),
    )
    return Row(tuple(Text(cell) for cell in cells), Text(plain(note, DETAIL_LIMIT)))


def _check_row(found: AuditCheck) -> Row:
    note = plain(found.detail, DETAIL_LIMIT)
    if found.file and found.status != "pass":
        note += f" [{plain(found.place, DETAIL_LIMIT)}]"
    return Row((_status(found.status), Text(found.id)), Text(note))


def _show_compared(of_one: Audits, console: Console) -> None:
    console.print(Text(plain(of_one[0].name, 2 * NAME_LIMIT), style="bold"))
    console.print(Pairs(_facts(of_one[0])[1:]))
    headings = ("check", *(audit.policy for audit in of_one))
    rows = []
    for name, found in _by_check(of_one):
        cells = [Text(name)]
        cells += [_status(each.status) if each else Text("not asked") for each in found]
        said = next(each for each in found if each)
        rows.append(Row(tuple(cells), Text(plain(said.detail, DETAIL_LIMIT))))
    rows.append(Row((Text("audit"), *(_status(audit.status) for audit in of_one))))
    console.print(FigureTable(headings, len(headings), rows))


def _by_check(of_one: Audits) -> Iterator[tuple[str, list[AuditCheck | None]]]:
    names = dict.fromkeys(found.id for audit in of_one for found in audit.checks)
    for name in names:
        yield name, [next((c for c in a.checks if c.id == name), None) for a in of_one]


def _show_many(stream: Iterable[Audits], console: Console) -> None:
    rows: list[Row] = []
    # The width that the other columns and a note beside them leave on this console.
    name_limit = min(max(console.width - 95, _SHORTEST_NAME), _NAME_SHOWN)
    totals: list[Counter[Status]] = []
    failing: Counter[str] = Counter()
    policies: tuple[str, ...] = ()
    for of_one in stream:
        first = of_one[0]
        policies = tuple(audit.policy for audit in of_one)
        totals = totals or [Counter() for _ in of_one]
        for total, audit in zip(totals, of_one, strict=True):
            total[audit.status] += 1
        failed = [found.id for found in first.checks if found.status == "fail"]
        failing.update(failed)
        rows.append(_folder_row(of_one, failed, name_limit))
    headings = ("folder", *policies, "claim", "is", "runs", "seeds")
    console.print(FigureTable(headings, 1 + len(policies), rows))
    for policy, total in zip(policies, totals, strict=True):
        counts = f"{total['fail']:,} fail, {total['unknown']:,} unknown, {total['pass']:,} pass"
        console.print(Text(f"{sum(total.values()):,} folders under {policy}: {counts}"))
    if failing:
        told = ", ".join(f"{name} {count:,}" for name, count in failing.most_common())
        console.print(Text(f"checks that fail under {policies[0]}: {told}"))


def _folder_row(of_one: Audits, failed: Sequence[str], name_limit: int) -> Row:
    first = of_one[0]
    claim = first.claim
    cells = [Text(plain(first.name, name_limit)), *(_status(audit.status) for audit in of_one)]
    cells += [
        Text("-" if claim.val_bpb is None else f"{claim.val_bpb:.5f}"),
        Text(claim.kind.replace("_", " ")),
        Text(str(sum(run.counted for run in first.runs))),
        Text(str(first.readings.seeds)),
    ]
    return Row(tuple(cells), Text(", ".join(failed)))


def _markdown(of_one: Audits) -> str:
    first = of_one[0]
    if len(of_one) > 1:
        rows = [
            (code(name, NAME_LIMIT), *(STATUS_MARKS[f.status] if f else "not asked" for f in found))
            for name, found in _by_check(of_one)
        ]
        rows.append(("**audit**", *(STATUS_MARKS[audit.status] for audit in of_one)))
        body = table(("check", *(audit.policy for audit in of_one)), rows)
    else:
        body = findings_table(first.checks)
    heading = f"## {code(first.name, NAME_LIMIT)} {STATUS_MARKS[first.status]}\n"
    runs = [
        (
            code(run.log, NAME_LIMIT),
            "-" if run.seed is None else str(run.seed),
            number(run.val_bpb, "BPB"),
            number(run.total_bytes),
            number(run.train_seconds, "s"),
            number(run.eval_seconds, "s"),
        )
        for run in first.runs
        if run.counted
    ]
    scores = table(("log", "seed", "val_bpb", "bytes", "train s", "eval s"), runs, figures=5)
    said = prose(first.claim.sentence, DETAIL_LIMIT)
    return f"{heading}\nClaim: {said}\n\n{scores}\n{body}\n"


def _github(of_one: Audits) -> str:
    return annotations(of_one[0].checks, prefix=of_one[0].folder)
