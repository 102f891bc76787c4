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

_MOST_LINES = 5000
_LONGEST_LINE = 4000
_MOST_COMPARED = 400
_SEED_CELL = re.compile(r"[*`_ ]{0,4}(?:seed[ =:]{0,3})?(\d{1,10})[*`_ ]{0,4}", re.IGNORECASE)
_NUMBER_CELL = re.compile(r"[*`_ ]{0,6}(\d{1,3}(?:,\d{3}){1,4}|\d{1,12}(?:\.\d{1,12})?)[*`_ ]{0,6}")
_OWN_SCORE = re.compile(
    r"(?:^|[*#_\s(])val_bpb[*`_]{0,4}\s{0,3}[:=]\s{0,3}[*`_]{0,4}(\d\.\d{3,10})", re.IGNORECASE
)
# Figures of other entries, and differences: neither is in this record's logs.
_DIFFERENCE = re.compile(
    r"delta|gain|diff|vs|improve|Δ|±|std|baseline|prev|sota|merged|#\d|\bpr\b|→|->|naive|drop", re.I
)
_TOTALS = range(1_000_000, 20_000_000)  # unquantized models weigh more


@dataclass(frozen=True)
class Row:
    """A row of a table about one seed: its line, and its figures by column."""

    line: int
    seed: int
    cells: tuple[tuple[str, ClaimedFigure], ...]


def readme_checks(evidence: Evidence) -> Iterator[AuditCheck]:
    """The check ``readme``, where the folder has a README."""
    name = evidence.folder.readme_name
    if not evidence.readme or name is None:
        return
    problems: list[tuple[str, Place]] = []
    compared = 0
    for row in table_rows(evidence.readme):
        runs = [
            run
            for run in evidence.gathered.runs
            if run.seed == row.seed and run.val_bpb is not None
        ]
        for heading, figure in row.cells if runs and compared < _MOST_COMPARED else ():
            same = _agrees(evidence, runs, heading, figure)
            compared += same is not None
            if same is False:
                shown = f"{figure.value:,.10g}"
                told = f"line {row.line}: {heading} {shown} of seed {row.seed} is in no log"
                problems.append((told, Place(file=name, line=row.line)))
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


def table_rows(text: str) -> Iterator[Row]:
    """Rows about single seeds, from tables that have a column of seeds."""
    headings: list[str] = []
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], start=1):
        stripped = line[:_LONGEST_LINE].strip()
        if not stripped.startswith("|"):
            headings = []
            continue
        cells = [cell.strip() for cell in stripped.strip("|").split("|")]
        if not headings:
            headings = [re.sub(r"[*`_]", "", cell).strip() for cell in cells]
            continue
        if not any("seed" in heading.lower() for heading in headings):
            continue
        place = next(i for i, heading in enumerate(headings) if "seed" in heading.lower())
        found = _SEED_CELL.fullmatch(cells[place]) if place < len(cells) else None
        if not found:
            continue
        figures = []
        for heading, cell in zip(headings, cells, strict=False):
            value = _NUMBER_CELL.fullmatch(cell)
            figure = figure_of(value[1], heading, number) if value else None
            if figure and "seed" not in heading.lower():
                figures.append((heading, figure))
        yield Row(number, int(found[1]), tuple(figures))


def own_score(text: str) -> ClaimedFigure | None:
    """The score that a README opens with: its first ``val_bpb: 1.2345``."""
    for number, line in enumerate(text.splitlines()[:60], start=1):
        found = _OWN_SCORE.search(line[:_LONGEST_LINE])
        if found and not _DIFFERENCE.search(line[:_LONGEST_LINE]):
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
    if _DIFFERENCE.search(lower):
        return None
    width = min(1.001 * 10.0**-figure.decimals, WIDEST_BPB) + 1e-9
    if "bpb" in lower and 0.3 < figure.value < 9:
        every = [e.val_bpb for run in runs for e in run.evaluations]
        # Scores of steps while training are not kept; only final ones can be compared.
        return None if re.search(r"pre|ema|train|raw|step|quant", lower) else any(
            abs(figure.value - score) <= width for score in every)  # fmt: skip
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
