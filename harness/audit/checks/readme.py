"""The figures of a README, compared with the runs: its score, and its tables row by row.

Only figures about this record's own seeds are compared, not its prose, its ablations or the figures
it quotes from others.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.audit.claim_matching import WIDEST_BPB
from harness.audit.findings import AuditCheck, Place
from harness.audit.summary import Evidence
from harness.audit.verdicts import check, listed
from harness.upstream.claims import ClaimedFigure, figure_of
from harness.upstream.logs.logged import LoggedRun
from harness.upstream.wording import in_words, is_diagnostic, tabled_of_others, written_of_others

_MOST_LINES = 5000
_LONGEST_LINE = 4000
_MOST_COMPARED = 400
_SEED_CELL = re.compile(r"[*`_ ]{0,4}(?:seed[ =:]{0,3})?(\d{1,10})[*`_ ]{0,4}", re.IGNORECASE)
_NUMBER_CELL = re.compile(r"[*`_ ]{0,6}(\d{1,3}(?:,\d{3}){1,4}|\d{1,12}(?:\.\d{1,12})?)[*`_ ]{0,6}")
_OWN_SCORE = re.compile(
    r"(?:^|[*#\s(]|(?<![A-Za-z0-9])_)val_bpb[*`_]{0,4}"
    r"\s{0,3}[:=]\s{0,3}[*`_]{0,4}(\d\.\d{3,10})",
    re.IGNORECASE,
)
# Of a column that is about this entry's own final score, and of nothing else.
_PLAIN = frozenset(
    ["val", "validation", "bpb", "bits", "per", "byte", "final", "exact", "score", "our", "ours",
     "own", "this", "post", "ttt", "sliding", "window", "stride", "quantized", "int", "roundtrip",
     "legal", "eval"]
)  # fmt: skip
_ON_THE_WAY = frozenset(["pre", "prequant", "ema", "swa", "steps", "stop", "at"])
_LABELS = frozenset(
    ["run", "name", "model", "config", "configuration", "entry", "submission", "method", "variant"]
)  # fmt: skip
_TOTALS = range(1_000_000, 20_000_000)  # unquantized models weigh more


@dataclass(frozen=True)
class Row:
    """A row of a table about one seed: its line, and its figures by column.

    ``table`` is the line in which its table begins, ``caption`` the last heading before that.
    """

    line: int
    seed: int
    cells: tuple[tuple[str, ClaimedFigure], ...]
    table: int = 0
    caption: str = ""


@dataclass(frozen=True)
class _Compared:
    """A cell beside its seed's runs: whether it is one of their figures."""

    row: Row
    figure: ClaimedFigure
    same: bool

    @property
    def heading(self) -> str:
        return self.figure.key

    @property
    def told(self) -> str:
        shown = f"{self.figure.value:,.10g}"
        return f"line {self.row.line}: {self.heading} {shown} of seed {self.row.seed} is in no log"


def readme_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """The check ``readme``, where the folder has a README."""
    name = evidence.folder.readme_name
    if not evidence.readme or name is None:
        return
    cells = _of_this_entry(_compared_cells(evidence))
    compared = len(cells)
    problems = [
        (cell.told, Place(file=name, line=cell.row.line)) for cell in cells if not cell.same
    ]
    own = own_score(evidence.readme)
    if own and not _supported(evidence, own):
        told = f"line {own.line}: val_bpb {own.value:g} is neither the mean nor a run's score"
        problems.append((told, Place(file=name, line=own.line)))
    compared += own is not None
    if problems:
        told = listed([problem for problem, _ in problems])
        yield check("readme", "fail", told, *(place for _, place in problems))
    elif compared:
        yield check("readme", "pass", f"{compared} figures agree with the logs", Place(file=name))
    else:
        yield check("readme", "unknown", "no figure of it can be compared", Place(file=name))


def _compared_cells(evidence: Evidence) -> list[_Compared]:
    found: list[_Compared] = []
    scored = [run for run in evidence.gathered.runs if run.val_bpb is not None]
    for row in table_rows(evidence.readme):
        runs = [run for run in scored if run.seed == row.seed]
        for heading, figure in row.cells if runs and len(found) < _MOST_COMPARED else ():
            same = _agrees(evidence, runs, heading, figure)
            if same is not None:
                found.append(_Compared(row, figure, same))
    return found


def _of_this_entry(cells: list[_Compared]) -> list[_Compared]:
    """The cells without those of columns and tables that are about another entry.

    A column of scores of which no cell is logged, beside one of which some are, is about something
    else, unless its heading says nothing but that it is the score. So is a table of which no cell
    is logged, under a heading that speaks of others.
    """
    agreeing = {(cell.row.table, cell.heading) for cell in cells if cell.same}
    kept = []
    for cell in cells:
        table = cell.row.table
        columns = {heading for place, heading in agreeing if place == table}
        others = any("bpb" in heading.lower() for heading in columns - {cell.heading})
        if not columns and tabled_of_others(cell.row.caption):
            continue
        plain = set(in_words(cell.heading).split()) <= _PLAIN
        if cell.heading not in columns and others and not plain and "bpb" in cell.heading.lower():
            continue
        kept.append(cell)
    return kept


def table_rows(text: str) -> Iterator[Row]:
    """Rows about single seeds of this entry, from tables that have a column of seeds."""
    headings: list[str] = []
    caption, begins = "", 0
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], start=1):
        stripped = line[:_LONGEST_LINE].strip()
        if not stripped.startswith("|"):
            headings = []
            caption = stripped if stripped.startswith("#") else caption
            continue
        cells = [cell.strip() for cell in stripped.strip("|").split("|")]
        if not headings:
            headings, begins = [re.sub(r"[*`]", "", cell).strip("_ ") for cell in cells], number
            continue
        place = next((i for i, each in enumerate(headings) if "seed" in each.lower()), None)
        if place is None or place >= len(cells):
            continue
        found = _SEED_CELL.fullmatch(cells[place])
        if not found or tabled_of_others(_about(headings, cells)):
            continue
        figures = []
        for heading, cell in zip(headings, cells, strict=False):
            value = _NUMBER_CELL.fullmatch(cell)
            figure = figure_of(value[1], heading, number) if value else None
            if figure and "seed" not in heading.lower():
                figures.append((heading, figure))
        yield Row(number, int(found[1]), tuple(figures), begins, caption)


def _about(headings: list[str], cells: list[str]) -> str:
    """What a row calls itself, in the columns that hold names."""
    pairs = zip(headings, cells, strict=False)
    return " ".join(cell for each, cell in pairs if set(in_words(each).split()) & _LABELS)


def own_score(text: str) -> ClaimedFigure | None:
    """The score that a README opens with: its first ``val_bpb: 1.2345``."""
    for number, line in enumerate(text.splitlines()[:60], start=1):
        found = _OWN_SCORE.search(line[:_LONGEST_LINE])
        if found and not written_of_others(line[:_LONGEST_LINE]):
            return figure_of(found[1], "val_bpb", number)
    return None


def _supported(evidence: Evidence, own: ClaimedFigure) -> bool:
    scores = [run.val_bpb for run in evidence.runs if run.val_bpb is not None]
    if not scores:
        return True  # other checks report it
    width = min(1.001 * 10.0**-own.decimals, WIDEST_BPB) + 1e-9
    mean = sum(scores) / len(scores)
    every = [e.val_bpb for run in evidence.gathered.runs for e in run.evaluations]
    return any(abs(own.value - score) <= width for score in (mean, *scores, *every))


def _agrees(
    evidence: Evidence, runs: list[LoggedRun], heading: str, figure: ClaimedFigure
) -> bool | None:
    """Whether a cell equals a figure of its seed's runs; None where its heading is unknown."""
    lower = heading.lower()
    if tabled_of_others(heading):
        return None
    width = min(1.001 * 10.0**-figure.decimals, WIDEST_BPB) + 1e-9
    if "bpb" in lower and 0.3 < figure.value < 9:
        every = [e.val_bpb for run in runs for e in run.evaluations]
        # Scores of steps while training are not kept; only final ones can be compared.
        if is_diagnostic(heading) or _ON_THE_WAY & set(in_words(heading).split()):
            return None
        return any(abs(figure.value - score) <= width for score in every)
    steps = [run.steps for run in runs if run.steps is not None]
    if re.fullmatch(r"(?:train(?:ing)? )?steps?", lower) and steps:
        return figure.value in steps
    sizes = [
        size
        for run in runs
        for size in (run.total_bytes, run.model_bytes, evidence.shipped(run))
        if size is not None
    ]
    if re.search(r"artifact|bytes|size", lower) and int(figure.value) in _TOTALS and sizes:
        return figure.value in sizes
    return None
