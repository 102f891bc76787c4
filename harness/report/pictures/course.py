"""Pictures of time: each run from its start to its end, and what it used of its budgets."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from harness.report.blocks import Picture
from harness.report.exhibits.model import RunExhibit, Stretch
from harness.report.pictures.plots import COLORS, axis, color, figures_of, height_of, named, values
from harness.report.shown import Shown

_MOST_RUNS = 24
_LONG_NAME = 20
_COLUMNS = {
    "run": "run",
    "kind": "what",
    "begins": "begins, s",
    "seconds": "takes, s",
    "by": "by whose clock",
}


def _runs(shown: Shown) -> Sequence[RunExhibit]:
    found = shown.exhibits.runs if shown.exhibits else ()
    return [run for run in found if run.stretches][:_MOST_RUNS]


def _name(run: RunExhibit) -> str:
    return "preparation" if run.role == "preparation" else f"{run.seed}"


def from_start_to_end(shown: Shown) -> Picture | None:
    """Every sandbox of every run, one after the other."""
    rows = [
        _row(run, stretch)
        for run in _runs(shown)
        for stretch in run.stretches
        if stretch.by == "engine"
    ]
    if not rows:
        return None
    kinds = list(dict.fromkeys(row["kind"] for row in rows))[:COLORS]
    longest = max(row["ends"] for row in rows)
    # Long names side by side would touch where a system's letters are wide.
    columns = 1 if max(map(len, kinds)) > _LONG_NAME else 2
    legend = 16 * math.ceil(len(kinds) / columns)
    return Picture(
        id="course",
        title="From start to end",
        sentence="Each row is a run; each bar a sandbox, from the engine's start to its end. "
        "Between them the artifact is sealed and the next sandbox is made ready.",
        alternative=f"{len({row['run'] for row in rows})} rows of bars, the longest "
        f"{longest:,.0f} seconds.",
        figures=figures_of(_COLUMNS, rows),
        plot={
            "data": values(rows),
            "height": height_of(len({row["run"] for row in rows}), around=90 + legend),
            "mark": {"type": "bar", "height": 14},
            "encoding": {
                "x": axis("begins", "seconds from the start of the run", zero=True),
                "x2": {"field": "ends"},
                "y": {"field": "run", "type": "nominal", "title": None, "sort": None},
                "color": named(
                    kinds, [color(place) for place in range(len(kinds))], columns=columns
                ),
            },
        },
    )


def train_budget(shown: Shown) -> Picture | None:
    """What each training did with its budget."""
    limit = shown.exhibits.train_limit_seconds if shown.exhibits else None
    return _against(
        shown,
        "train",
        limit,
        title="Training against its budget",
        says="Where the time of training went, as its log claims; the whole bar is the engine's.",
    )


def score_budget(shown: Shown) -> Picture | None:
    """What each scoring did with its budget."""
    limit = shown.exhibits.score_limit_seconds if shown.exhibits else None
    return _against(
        shown,
        "score",
        limit,
        title="Scoring against its budget",
        says="Loading the artifact and answering, as it was measured; the rest is start and end.",
    )


def _against(
    shown: Shown, step: Literal["train", "score"], limit: float | None, *, title: str, says: str
) -> Picture | None:
    rows = [row for run in _runs(shown) for row in _parts(run, step)]
    if not rows:
        return None
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    kinds.sort(key=lambda kind: kind == _REST)
    colors = [color("axis") if kind == _REST else color(place) for place, kind in enumerate(kinds)]
    along = axis("begins", "seconds", zero=True)
    layers: list[dict[str, Any]] = [
        {
            "data": values(rows),
            "mark": {"type": "bar", "height": 14},
            "encoding": {
                "x": along,
                "x2": {"field": "ends"},
                "y": {"field": "run", "type": "nominal", "title": None, "sort": None},
                "color": named(kinds, colors),
            },
        }
    ]
    if len(kinds) == 1:
        says = "Each bar is as long as the engine says."
    said = ""
    if limit is not None:
        said = f" The line is the budget, {limit:,.0f} s."
        layers.append(
            {
                "data": values([{"begins": limit}]),
                "mark": {"type": "rule", "color": color("fail"), "strokeWidth": 2},
                "encoding": {"x": along},
            }
        )
    around = 120 if len(kinds) > 1 else 80
    most = max(row["ends"] for row in rows)
    of = f" of {limit:,.1f} s" if limit is not None else ""
    return Picture(
        id=f"{step}_budget",
        title=title,
        sentence=f"{says}{said}",
        alternative=f"A bar for each run; the longest takes {most:,.1f} s{of}.",
        figures=figures_of(_COLUMNS, rows),
        plot={"layer": layers, "height": height_of(len({r["run"] for r in rows}), around=around)},
    )


_REST = "the rest"


def _parts(run: RunExhibit, step: str) -> list[dict[str, Any]]:
    """The stretches inside one step, from its start, and what is left of its bar."""
    own = [stretch for stretch in run.stretches if stretch.step == step]
    whole = next((stretch for stretch in own if stretch.by == "engine"), None)
    if whole is None:
        return []
    rows = [
        _row(run, stretch, since=whole.begins)
        for stretch in own
        if stretch.by != "engine" and stretch.begins >= whole.begins
    ]
    told = max((row["ends"] for row in rows), default=0.0)
    if whole.seconds > told:
        rest = whole.model_copy(
            update={
                "name": _REST if rows else whole.name,
                "begins": whole.begins + told,
                "seconds": whole.seconds - told,
            }
        )
        rows.append(_row(run, rest, since=whole.begins))
    return rows


def _row(run: RunExhibit, stretch: Stretch, *, since: float = 0.0) -> dict[str, Any]:
    begins = stretch.begins - since
    return {
        "run": _name(run),
        "kind": stretch.name,
        "begins": round(begins, 3),
        "ends": round(begins + stretch.seconds, 3),
        "seconds": round(stretch.seconds, 3),
        "by": {"engine": "the engine's", "log": "its log's", "scoring": "ours"}[stretch.by],
    }
