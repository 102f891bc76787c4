"""Pictures of training, as its log tells it: claims."""

from collections.abc import Sequence
from typing import Any

from harness.report.blocks import Picture
from harness.report.exhibits.model import RunExhibit
from harness.report.pictures.plots import COLORS, axis, color, figures_of, named, values
from harness.report.shown import Shown

_TIMES_TYPICAL = 4.0
"""Higher points are drawn at the edge: a first step that compiles would flatten all others."""


def loss_curves(shown: Shown) -> Picture | None:
    """The loss of the training text at each step, a line for each seed."""
    return _curves(
        shown,
        field="loss",
        id_="training_loss",
        title="Training loss",
        unit="nats a token",
        sentence="The loss that each training printed, step by step.",
    )


def step_times(shown: Shown) -> Picture | None:
    """How long a step took, a line for each seed."""
    return _curves(
        shown,
        field="step_ms",
        id_="step_time",
        title="Time of a step",
        unit="ms a step",
        sentence="How long each step took, by the log's own clock. A step that grows slower tells "
        "of a busy or a hot machine.",
    )


def _curves(
    shown: Shown, *, field: str, id_: str, title: str, unit: str, sentence: str
) -> Picture | None:
    runs = [run for run in _told(shown) if any(getattr(each, field) for each in run.training)]
    drawn = runs[:COLORS]
    rows: list[dict[str, Any]] = [
        {"kind": f"seed {run.seed}", "step": point.step, "value": getattr(point, field)}
        for run in drawn
        for point in run.training
        if getattr(point, field) is not None
    ]
    if len(rows) < 2:
        return None
    top, last = _edge([row["value"] for row in rows]), max(row["step"] for row in rows)
    names = [f"seed {run.seed}" for run in drawn]
    ends = ", ".join(
        f"{name} ends at {[row['value'] for row in rows if row['kind'] == name][-1]:.4g}"
        for name in names
    )
    if len(runs) > len(drawn):
        sentence += f" The first {len(drawn)} of {len(runs)} seeds."
    return Picture(
        id=id_,
        title=title,
        sentence=sentence,
        alternative=f"A line for each seed over {last:,} steps: {ends}.",
        figures=figures_of({"kind": "seed", "step": "step", "value": unit}, rows),
        claim=True,
        plot={
            "data": values(
                [{**row, "value": min(row["value"], top)} for row in rows],
            ),
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": {
                "x": axis("step", "step", zero=True, axis={"format": "~s"}),
                "y": axis("value", unit),
                "color": named(names, [color(place) for place in range(len(names))]),
            },
        },
    )


def _told(shown: Shown) -> Sequence[RunExhibit]:
    return [run for run in shown.exhibits.runs if run.training] if shown.exhibits else []


def _edge(found: Sequence[float]) -> float:
    """What is drawn as the highest: the highest, unless a few points lie far above the others."""
    ordered = sorted(found)
    typical = ordered[len(ordered) // 2]
    edge = max(_TIMES_TYPICAL * typical, ordered[int(0.9 * (len(ordered) - 1))])
    return min(ordered[-1], edge) if typical > 0 else ordered[-1]
