"""Builds the site: every page and every file into a new folder, which then takes its place."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.contest.track import Track
from harness.errors import HarnessError, UsageError
from harness.evidence.store import RunDirectory
from harness.judge.rules import CHECKS
from harness.judge.side_by_side import side_by_side
from harness.judge.verdict import Verdict
from harness.judge.verdict_file import read_verdict
from harness.report.exhibits.read import read_exhibits
from harness.report.html.comparison import render_comparison
from harness.report.html.page import Link, Page, render_page
from harness.report.html.report import render_report
from harness.report.shown import Shown
from harness.report.site import lists, machine, single
from harness.report.site.history import Step
from harness.report.site.listing import Column, named
from harness.report.site.lists import HOME
from harness.report.site.single import Read, Said
from harness.report.site.source import Entry, Source, gather
from harness.safeio.files import disk_errors
from harness.safeio.looking import names_in
from harness.safeio.ownership import is_dead, me
from harness.upstream.many import Task, in_parallel

Pictures = Literal["records", "all", "none"]
PICTURES: tuple[Pictures, ...] = ("records", "all", "none")
MARK = ".made-by-harness-site"
MOST_DRAWN = 24
"""Of the records that are drawn by themselves, the newest so many: a page takes about a second."""
_AT_ONCE = 16
_FEW = 24


@dataclass(frozen=True)
class Built:
    """What was written; ``problems`` are verdicts of which only the leaderboard's line is shown."""

    pages: int
    files: int
    bytes: int
    start_bytes: int
    unknown: tuple[Path, ...]
    problems: tuple[str, ...]


def build_site(
    out: Path,
    *,
    leaderboard: Path,
    verdicts: Sequence[Path] = (),
    audits: Sequence[Path] = (),
    tracks: Sequence[Track] = (),
    pictures: Pictures = "records",
    workers: int | None = None,
) -> Built:
    """Build the site of a leaderboard.

    Args:
        out: its folder, which is made, or replaced where it is a site already.
        leaderboard: the file of accepted verdicts.
        verdicts: where the accepted verdicts lie; what nobody accepted is left out.
        audits: what ``harness audit --json`` wrote.
        tracks: rules of other editions, beside those that come with the harness.
        pictures: whose pages have pictures: those of records, all, or none.
        workers: processes; by default one a core.

    Raises:
        UsageError: an input is not what it should be, or ``out`` is something else than a site.
        InfrastructureError: the disk is full, or a worker died.
    """
    _require_ours(out)
    source = gather(leaderboard, verdicts, audits, tracks)
    new = out.parent / f"{_beside(out, 'new')}{me()}"
    with disk_errors(out):
        _tidy(out)
        new.mkdir()
        try:
            built = _Building(new, source, pictures, workers).all()
            (new / MARK).touch()
            _replace(out, new)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return built


def _require_ours(out: Path) -> None:
    if not out.parent.is_dir():
        raise UsageError("the folder that it is to be made in does not exist", file=out)
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError("expected a folder, or nothing yet", file=out)
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise UsageError(
            "holds something else than a site that this command made",
            file=out,
            remedy="name a folder that does not exist yet, or an empty one",
        )


def _replace(out: Path, new: Path) -> None:
    old = out.parent / f"{_beside(out, 'old')}{me()}"
    if not out.exists():
        new.rename(out)
        return
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _tidy(out: Path) -> None:
    """Put back the site that a killed harness had just put aside; remove what else it left."""
    for word in ("old", "new"):
        before = _beside(out, word)
        for name in names_in(out.parent):
            if name.startswith(before) and is_dead(name.removeprefix(before)):
                if word == "old" and not os.path.lexists(out):
                    (out.parent / name).rename(out)
                else:
                    shutil.rmtree(out.parent / name, ignore_errors=True)


def _beside(out: Path, word: str) -> str:
    """What names of folders beside the site begin with, before the name of who made them."""
    return f".{out.name}.{word}-"


class _Building:
    """One site under way, in ``folder``."""

    def __init__(
        self, folder: Path, source: Source, pictures: Pictures, workers: int | None
    ) -> None:
        self._folder, self._source = folder, source
        self._pictures, self._workers = pictures, workers
        self._pages: dict[str, int] = {}

    def all(self) -> Built:
        source = self._source
        for name in ("verdicts", "compare", "tracks", "rules", "audits", "data/verdicts"):
            (self._folder / name).mkdir(parents=True)
        read = self._verdicts()
        problems = [*self._comparisons(), *(f"{e.name}: {e.problem}" for e in read if e.problem)]
        drawn = self._pictures != "none"
        self._write("index.html", lists.start_page(source, drawn=drawn))
        self._write("entries.html", lists.entries_page(source, source.entries))
        if source.tries:
            self._write("tries.html", lists.tries_page(source))
        self._tracks()
        self._rules(read)
        self._audits()
        self._data()
        sizes = [path.stat().st_size for path in self._folder.rglob("*") if path.is_file()]
        return Built(
            pages=sum(self._pages.values()),
            files=len(sizes),
            bytes=sum(sizes),
            start_bytes=(self._folder / "index.html").stat().st_size,
            unknown=source.unknown,
            problems=tuple(problems),
        )

    def _write(self, name: str, page: Page) -> None:
        (self._folder / name).write_text(render_page(page), encoding="utf-8")
        self._count(name)

    def _count(self, name: str, by: int = 1) -> None:
        kind = name.partition("/")[0] if "/" in name else "lists"
        self._pages[kind] = self._pages.get(kind, 0) + by

    def _drawn(self) -> set[str]:
        """Names of the entries whose pages have pictures."""
        if self._pictures == "none":
            return set()
        if self._pictures == "all":
            return {entry.name for entry in self._source.entries}
        newest = sorted(
            self._source.fell.items(), key=lambda item: item[1].record.date, reverse=True
        )
        return {entry.name for entry in self._source.best.values()} | {
            name for name, _ in newest[:MOST_DRAWN]
        }

    def _verdicts(self) -> list[Read]:
        drawn, entries = self._drawn(), self._source.entries
        # Pages with pictures take long: one at once, and before all others.
        slow = [entry for entry in entries if entry.name in drawn]
        fast = [entry for entry in entries if entry.name not in drawn]
        tasks: list[Task[Read]] = [
            (verdict_pages, (batch, self._folder, True)) for batch in _batches(slow, 1)
        ]
        tasks += [
            (verdict_pages, (batch, self._folder, False)) for batch in _batches(fast, _AT_ONCE)
        ]
        self._count("verdicts/", len(entries))
        return list(self._done(tasks, few=len(entries) < _FEW))

    def _done(self, tasks: Sequence[Task[Read]], *, few: bool) -> Iterator[Read]:
        if few or self._workers == 1:
            for function, arguments in tasks:
                yield from function(*arguments)
        else:
            yield from in_parallel(tasks, self._workers, who="a worker of the site")

    def _comparisons(self) -> list[str]:
        drawn = self._drawn()
        tasks: list[Task[Read]] = []
        for name, step in self._source.fell.items():
            if step.before is None:
                continue
            pair = (self._source.entry_of(step.before), self._source.entry_of(step.record))
            track = self._source.track_of(step.record)
            tasks.append((comparison_page, (step, pair, track, self._folder, name in drawn)))
        self._count("compare/", len(tasks))
        found = self._done(tasks, few=len(tasks) < _FEW)
        return [f"compare/{each.name}: {each.problem}" for each in found if each.problem]

    def _tracks(self) -> None:
        found: dict[tuple[str, str, str], list[Entry]] = {}
        for track in self._source.tracks.values():
            found[track.name, track.edition, track.digest] = []
        for entry in self._source.entries:
            record = entry.record
            key = (record.track, record.edition, record.track_digest)
            found.setdefault(key, []).append(entry)
        rows = []
        for (name, edition, digest), entries in sorted(found.items()):
            known = self._source.tracks.get(digest)
            file = f"{digest[:16]}.html"
            page = single.track_page(self._source, name, edition, entries, known)
            self._write(f"tracks/{file}", page)
            best = min((e.record.mean_bpb for e in entries if e.retracted is None), default=None)
            link = Link(file, named(name))
            shown_best = "" if best is None else f"{best:.6f}"
            rows.append((link, named(edition), str(len(entries)), shown_best, digest[:12]))
        columns = (
            Column("track"),
            Column("edition"),
            Column("accepted", figure=True, shown="middle"),
            Column("best BPB", figure=True),
            Column("digest", shown="wide"),
        )
        self._write("tracks/index.html", single.index_page("Tracks and editions", columns, rows))

    def _rules(self, read: Sequence[Read]) -> None:
        by_name = {entry.name: entry for entry in self._source.entries}
        answers: dict[str, list[tuple[Entry, Said]]] = {rule.id: [] for rule in CHECKS}
        for one in read:
            for said in one.answers:
                answers.setdefault(said.rule, []).append((by_name[one.name], said))
        rules = {rule.id: rule for rule in CHECKS}
        rows = []
        for place, (name, found) in enumerate(answers.items()):
            rule = rules.get(name)
            # Names of rules of today are ours; what another verdict names is a stranger's.
            file = f"{name}.html" if rule is not None else f"other-{place}.html"
            newest = sorted(found, key=lambda pair: pair[0].record.date, reverse=True)
            self._write(f"rules/{file}", single.rule_page(rule, name, newest))
            summary = named(rule.summary, 200) if rule is not None else "a rule of another edition"
            rows.append((Link(file, named(name).replace("_", " ")), summary, str(len(found))))
        columns = (
            Column("rule"),
            Column("passes if"),
            Column("answers", True, "middle"),
        )
        self._write("rules/index.html", single.index_page("Rules", columns, rows))

    def _audits(self) -> None:
        audits = self._source.audits
        if not audits:
            (self._folder / "audits").rmdir()
            return
        self._write("audits/index.html", lists.audits_page(audits))
        for place, audit in enumerate(audits):
            self._write(f"audits/{lists.audit_name(place)}.html", single.audit_page(audit))

    def _data(self) -> None:
        data = self._folder / "data"
        (data / "entries.json").write_bytes(machine.entries_json(self._source))
        (data / "audits.json").write_bytes(machine.audits_json(self._source.audits))
        (data / "index.json").write_bytes(machine.index_json(self._source, self._pages))
        for entry in self._source.entries:
            if entry.verdict is not None:
                shutil.copyfile(entry.verdict, data / "verdicts" / f"{entry.name}.json")


def _batches(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    for begin in range(0, len(entries), size):
        yield entries[begin : begin + size]


def verdict_pages(entries: Sequence[Entry], folder: Path, drawn: bool) -> list[Read]:
    """Write the pages of some entries; what cannot be read is told, and stops no other."""
    return [_verdict_page(entry, folder, drawn=drawn) for entry in entries]


def _verdict_page(entry: Entry, folder: Path, *, drawn: bool) -> Read:
    path = folder / "verdicts" / f"{entry.name}.html"
    if entry.verdict is None:
        page = single.record_page(entry, "The verdict's file is not at hand.")
        path.write_text(render_page(page), encoding="utf-8")
        return Read(entry.name)
    try:
        verdict = read_verdict(entry.verdict).verdict
        exhibits = None
        if entry.run is not None and drawn:
            exhibits = read_exhibits(RunDirectory.open(entry.run))
        text = render_report(Shown(verdict, exhibits), drawn=drawn, above=_above(entry))
    except HarnessError as error:
        page = single.record_page(entry, f"The verdict's file cannot be shown: {error.message}")
        path.write_text(render_page(page), encoding="utf-8")
        return Read(entry.name, problem=error.message)
    path.write_text(text, encoding="utf-8")
    return Read(entry.name, answers=_answers(verdict))


def _above(entry: Entry) -> list[Link]:
    record = entry.record
    track = f"{named(record.track)} {named(record.edition)}"
    return [HOME, Link(f"../tracks/{record.track_digest[:16]}.html", track)]


def _answers(verdict: Verdict) -> tuple[Said, ...]:
    return tuple(
        Said(check.id, check.status, check.measured, check.limit, check.unit)
        for check in verdict.checks
    )


def comparison_page(
    step: Step, pair: tuple[Entry, Entry], track: Track | None, folder: Path, drawn: bool
) -> list[Read]:
    """Write the page of a record against the one before, as much of it as is at hand."""
    name = pair[1].name
    path = folder / "compare" / f"{name}.html"
    why = "The verdicts' files are not at hand, so only their scores are compared."
    problem = ""
    paths = [entry.run or entry.verdict for entry in pair]
    files = [each for each in paths if each is not None]
    if len(files) == len(pair):
        try:
            found = side_by_side([[each] for each in files], track=track)
            path.write_text(render_comparison(found, drawn=drawn, above=[HOME]), encoding="utf-8")
            return [Read(name)]
        except HarnessError as error:
            problem = error.message
            why = f"More than the scores could not be compared: {problem}"
    path.write_text(render_page(single.step_page(step, why)), encoding="utf-8")
    return [Read(name, problem=problem)]
