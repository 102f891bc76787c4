"""The output of the data commands: their progress and their results."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from harness.data.build.byte_audit import CAUSES, Weighing
from harness.data.build.verifying import DatasetReport
from harness.report.blocks import Block, Heading, Pairs, Paragraph, Row, Stack, Table, Words
from harness.report.console import PatientConsole
from harness.report.running import LINE_LIMIT
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT, PATH_LIMIT
from harness.report.terminal import draw
from harness.run.derived import Kept, Limits
from harness.safeio.text import plain

LINE_SECONDS = 10.0
FIELD_PREFIX = "fineweb10B_"
FIELD_DOCUMENTS = 50_000
FIELD_BYTES = 151_080_891
FIELD_TOKENS = {"fineweb10B_sp1024": "62,021,846", "fineweb10B_sp8192": "about 40.54 million"}
FIELD_REMARK = (
    "Canonical figures are those of most logs of the field. Other editions of the data exist: the "
    "field's first baseline was scored on 63,779,840 tokens of sp1024, about 155.8 million bytes. "
    "A track that pins figures takes only data that has them."
)

Step = Callable[[str, int, int], None]


@contextlib.contextmanager
def show_steps(
    console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Step]:
    """A callable ``(what, done, total)`` that draws a bar for each stage, on stderr.

    On a terminal the bars move and show the remaining time; elsewhere there is one line for each
    stage and one every ten seconds. It may be called from several threads.
    """
    console = console or PatientConsole(stderr=True, highlight=False)
    moving = console.is_terminal and not console.is_dumb_terminal
    lock = threading.Lock()
    if not moving:
        yield _lines(console, clock, lock)
        return
    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def step(what: str, done: int, total: int) -> None:
        with lock:
            if what not in tasks:
                tasks[what] = bars.add_task(plain(what, LINE_LIMIT), total=total)
            bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield step


def _lines(console: Console, clock: Callable[[], float], lock: threading.Lock) -> Step:
    printed: dict[str, float] = {}

    def step(what: str, done: int, total: int) -> None:
        with lock:
            now = clock()
            if what in printed and now - printed[what] < LINE_SECONDS:
                return
            share = f", {100 * done / total:.0f} %" if what in printed and total > 1 else ""
            printed[what] = now
            console.print(Text(f"{plain(what, LINE_LIMIT)}{share}"), soft_wrap=True)

    return step


def dataset_report(report: DatasetReport) -> RenderableType:
    """A report on a dataset without faults, compared with the field's figures if known."""
    facts = report.dataset.facts()
    name = plain(facts.name, NAME_LIMIT)
    field = facts.name.startswith(FIELD_PREFIX)
    figures = [
        ("validation documents", f"{facts.validation_documents:,}", f"{FIELD_DOCUMENTS:,}"),
        (
            "validation tokens",
            f"{facts.validation_tokens:,}",
            FIELD_TOKENS.get(facts.name, "not known"),
        ),
        ("bytes of their text", f"{facts.validation_bytes:,}", f"about {FIELD_BYTES:,}"),
        (
            "bytes per token",
            f"{facts.validation_bytes / facts.validation_tokens:.4f}",
            "",
        ),
        ("train tokens", f"{facts.train_tokens:,}", ""),
        ("train documents (BOS)", f"{report.train_documents:,}", ""),
        ("shards, train and validation", f"{report.train_shards} + {report.validation_shards}", ""),
        ("vocabulary", f"{facts.vocabulary_size:,}", ""),
    ]
    rows = [Row((what, found, canonical if field else "")) for what, found, canonical in figures]
    pairs: list[tuple[str, str | Words]] = [
        ("text", _text_rule(report)),
        ("digest", facts.digest),
        ("place", Words(plain(str(report.dataset.directory), PATH_LIMIT), whole=True)),
        ("source", plain(report.dataset.manifest.source, DETAIL_LIMIT)),
    ]
    if report.seconds:
        rate = f"{report.tokens_per_second:,.0f} tokens/s"
        pairs.append(("read in", f"{report.seconds:.1f} s, {rate}"))
    found: list[Block] = [Table(("what", "found", "canonical"), 1, rows), Pairs(pairs)]
    if field:
        found.append(Paragraph(Words(FIELD_REMARK, "dim")))
    heading = Heading(f"dataset {name}: no fault found")
    return draw(Stack((heading, Stack(tuple(found), apart=True))))


def _text_rule(report: DatasetReport) -> str:
    published = report.published
    if report.text == "raw":
        return f"raw: all {published.documents:,} documents come back exactly from their tokens"
    changed = published.documents - published.exact
    return (
        f"normalized: {published.exact:,} documents come back exactly as they were published, "
        f"{changed:,} only after the normalization of this dataset's own tokenizer; as published "
        f"they are {published.bytes:,} bytes; the first: {plain(published.first_changed, 300)}"
    )


def derived_report(kept: Sequence[Kept], limits: Limits) -> RenderableType:
    """The kept datasets of entries' own tokenizers, the least recently used one first."""
    total = sum(each.bytes for each in kept)
    of = f"of {limits.datasets:,} that may be kept, {total:,} of {limits.bytes:,} bytes"
    found: list[Block] = [Paragraph(Words(f"{len(kept):,} {of}"))]
    if kept:
        rows = [
            Row(
                (each.key[:12], f"{each.bytes:,}", each.used, "yes" if each.in_use else "no"),
                plain(each.source or "cannot be read", NAME_LIMIT),
            )
            for each in kept
        ]
        found.append(Table(("key", "bytes", "last used", "in use"), 1, rows))
    heading = Heading("datasets made with entries' own tokenizers")
    return draw(Stack((heading, Stack(tuple(found), apart=True))))


def weighing_report(found: Weighing) -> RenderableType:
    """The count by table against the bytes of text, and why they differ."""
    off = found.table_bytes - found.text_bytes
    share = 100 * off / max(found.text_bytes, 1)
    pairs = [
        ("documents", f"{found.documents:,}, {found.tokens:,} tokens without BOS"),
        ("bytes by table", f"{found.table_bytes:,}"),
        ("bytes of text", f"{found.text_bytes:,}"),
        ("difference", f"{off:+,} bytes ({share:+.4f} %)" if off else "none in all"),
        ("documents that differ", f"{found.differing:,}"),
    ]
    shown: list[Block] = [Pairs(pairs)]
    if found.causes:
        rows = [
            Row((cause, f"{documents:,}", f"{amount:+,}"), CAUSES[cause])
            for cause, (documents, amount) in sorted(found.causes.items())
        ]
        shown.append(Table(("why", "documents", "bytes"), 1, rows))
    if found.first:
        rows = [
            Row(
                (f"document {each.document}", f"{each.table_bytes:,}", f"{each.text_bytes:,}"),
                f"{', '.join(each.causes)}; {plain(each.place, 300)}",
            )
            for each in found.first
        ]
        shown.append(Table(("where", "table", "text"), 1, rows))
    heading = Heading("bytes by table and by text")
    return draw(Stack((heading, Stack(tuple(shown), apart=True))))
