"""Pictures of scores: each seed beside bar and threshold, and the test that compares them."""

import math
from typing import Any

from harness.judge.verdict import SeedResult, Verdict
from harness.report.blocks import Picture
from harness.report.figures import against, number
from harness.report.pictures.plots import axis, color, figures_of, height_of, named, values
from harness.report.shown import Shown

_MOST_SEEDS = 60
_SEED_NAMES = {"look": "seed", "confirmation": "fresh seed"}
_AT_MOST_T = 60.0
_COLORS = {
    **{"seed": color(0), "fresh seed": color(2)},
    **{"bar": color("muted"), "threshold": color(4), "mean": color(0)},
}
_DASHES = {"bar": [1, 0], "threshold": [6, 5], "mean": [2, 3]}


def seed_points(shown: Shown) -> Picture | None:
    """Every seed's score, beside the bar, the threshold and the interval of their mean."""
    verdict, test = shown.verdict, shown.verdict.statistics
    rows = [_seed(seed) for seed in verdict.seeds if _finite(seed.val_bpb)][:_MOST_SEEDS]
    if not rows:
        return None
    lines: list[dict[str, Any]] = [
        {"kind": kind, "bpb": bpb}
        for kind, bpb in (
            ("bar", test.bar_bpb),
            ("threshold", test.threshold_bpb),
            ("mean", test.mean_bpb if test.n > 1 else None),
        )
        if _finite(bpb)
    ]
    found = list(dict.fromkeys(row["kind"] for row in rows))
    named_lines = [line["kind"] for line in lines]
    along = axis("bpb", "bits per byte (lower is better)", scale={"padding": 12})
    points = named(found, [_COLORS[kind] for kind in found])
    # Bar and threshold may lie on each other: the threshold's gaps let the bar be seen.
    dashes = {
        "scale": {"domain": named_lines, "range": [_DASHES[kind] for kind in named_lines]},
        **{"field": "kind", "type": "nominal", "title": None},
        "legend": {"symbolStrokeWidth": 3, "symbolSize": 300, "columns": 3},
    }
    layers: list[dict[str, Any]] = []
    if test.ci99_bpb and test.n > 2 and all(map(_finite, test.ci99_bpb)):
        low, high = test.ci99_bpb
        layers.append(
            {
                "data": values([{"low": low, "high": high}]),
                "mark": {"type": "rect", "color": color(0), "opacity": 0.14},
                "encoding": {"x": axis("low", along["title"]), "x2": {"field": "high"}},
            }
        )
    layers += [
        {
            "data": values(lines),
            "mark": {"type": "rule", "strokeWidth": 3},
            "encoding": {
                "x": along,
                "color": {
                    **named(named_lines, [_COLORS[kind] for kind in named_lines]),
                    "legend": dashes["legend"],
                },
                "strokeDash": dashes,
            },
        },
        {
            "data": values(rows),
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "x": along,
                "y": {"field": "seed", "type": "nominal", "title": None, "sort": None},
                "color": points,
            },
        },
    ]
    return Picture(
        id="seeds",
        title="Seeds against the bar",
        sentence=_seeds_in_words(verdict),
        alternative=f"{len(rows)} seeds as points from {_least(rows)} to {_most(rows)} BPB"
        + "".join(f", {line['kind']} at {number(line['bpb'], 'BPB')}" for line in lines)
        + ".",
        figures=figures_of(
            {"seed": "", "kind": "kind", "bpb": "BPB"},
            [*rows, *lines],
        ),
        plot={
            "layer": layers,
            "height": height_of(len(rows), around=100 if len(found) == 1 else 130),
            "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
        },
    )


def _seed(seed: SeedResult) -> dict[str, Any]:
    return {"seed": f"{seed.seed}", "kind": _SEED_NAMES[seed.purpose], "bpb": seed.counted_bpb}


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _least(rows: list[dict[str, Any]]) -> str:
    return number(min(row["bpb"] for row in rows), "BPB")


def _most(rows: list[dict[str, Any]]) -> str:
    return number(max(row["bpb"] for row in rows), "BPB")


def _seeds_in_words(verdict: Verdict) -> str:
    test = verdict.statistics
    said = "Each point is one training from the start, with a seed that nobody chose"
    said = said if verdict.seeds_drawn else "Each point is one training; the seeds were chosen"
    if test.threshold_bpb is None:
        return f"{said}. There is no bar to beat."
    if test.ci99_bpb and test.n > 2:
        said += ". The band is the 99 % interval of their mean"
    return f"{said}. To be a record, the mean must lie left of the threshold (bar less margin)."


def t_distribution(shown: Shown) -> Picture | None:
    """The t-distribution of chance, with the observed t and what would be small enough."""
    from scipy.special import stdtrit

    test = shown.verdict.statistics
    degrees = test.degrees or test.degrees_of_freedom
    t, p, level = test.t, test.p, test.asked_level
    if t is None or p is None or level is None or not degrees or not math.isfinite(t):
        return None
    critical = float(stdtrit(degrees, level))
    low = max(min(t, critical, -4.0) * 1.08, -_AT_MOST_T)
    high = min(max(t * 1.08, 4.0), _AT_MOST_T)
    grid = [low + (high - low) * place / 240 for place in range(241)]
    rows = [{"t": at, "density": _density(at, degrees)} for at in grid]
    drawn_t = min(max(t, low), high)
    marks: list[dict[str, Any]] = [
        {"kind": "observed t" if drawn_t == t else "observed t, beyond the edge", "t": drawn_t},
        {"kind": f"needed: below {critical:.2f}", "t": max(critical, low)},
    ]
    kinds = named([mark["kind"] for mark in marks], [color(0), color(4)], columns=1)
    p_said, level_said = against(p, level, "p")
    along = axis("t", "t: distance to the threshold, in standard errors")
    curve = {"x": along, "y": axis("density", None, zero=True, axis=None)}
    small = [row for row in rows if row["t"] <= critical]
    below = "below" if p < level else "not below"
    return Picture(
        id="distribution",
        title="Could it be luck?",
        sentence="The curve is how t would scatter by luck alone, if the entry were just as good "
        f"as the threshold asks. Left of the line of what is needed lies p = {level_said} of it: "
        f"so much luck the track allows. Seen: t = {t:.3f}, so p = {p_said}, {below} {level_said}.",
        alternative=f"A bell curve around 0 with {degrees:g} degrees of freedom; the observed t of "
        f"{t:.3f} lies {'left' if t < critical else 'right'} of {critical:.3f}.",
        figures=figures_of(
            {"kind": "", "t": "t"},
            [{"kind": "observed t", "t": t}, {"kind": "needed: below", "t": critical}],
        ),
        plot={
            "height": 230,
            "layer": [
                {
                    "data": values(small),
                    "mark": {"type": "area", "color": color(4), "opacity": 0.3},
                    "encoding": curve,
                },
                {
                    "data": values(rows),
                    "mark": {"type": "line", "color": color("muted")},
                    "encoding": curve,
                },
                {
                    "data": values(marks),
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {"x": along, "color": kinds},
                },
            ],
        },
    )


def _density(t: float, degrees: float) -> float:
    """The density of Student's t."""
    half = (degrees + 1) / 2
    scale = math.lgamma(half) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    return math.exp(scale - half * math.log1p(t * t / degrees))
