"""Pictures of training, as its log tells it: claims."""

from collections.abc import Sequence

from harness.report.blocks import Picture
from harness.report.exhibits.model import RunExhibit
from harness.report.pictures.curves import Along, drawn_of, heights, told, with_curves
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
    curves = {
        f"seed {run.seed}": [
            (point.step, getattr(point, field))
            for point in run.training
            if getattr(point, field) is not None
        ]
        for run in _told(shown)
        if any(getattr(each, field) for each in run.training)
    }
    found = heights(curves)
    if len(found) < 2:
        return None
    drawn = drawn_of(curves)
    last = max(step for curve in drawn.values() for step, _ in curve)
    ends = ", ".join(f"{name} ends at {curve[-1][1]:.4g}" for name, curve in drawn.items())
    said = f"A line for each seed over {last:,} steps: {ends}."
    return with_curves(
        told(id_, title, sentence, said, claim=True),
        curves,
        Along("step", "step", ",d"),
        unit=unit,
        edge=_edge(found),
    )


def _told(shown: Shown) -> Sequence[RunExhibit]:
    return [run for run in shown.exhibits.runs if run.training] if shown.exhibits else []


def _edge(found: Sequence[float]) -> float:
    """What is drawn as the highest: the highest, unless a few points lie far above the others."""
    ordered = sorted(found)
    typical = ordered[len(ordered) // 2]
    edge = max(_TIMES_TYPICAL * typical, ordered[int(0.9 * (len(ordered) - 1))])
    return min(ordered[-1], edge) if typical > 0 else ordered[-1]
