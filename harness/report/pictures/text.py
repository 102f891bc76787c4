"""Pictures of the text: what it costs along the stream, and which documents are cheap."""

from collections.abc import Iterator
from typing import Any

from harness.evidence.results import DocumentCost, Spread, StreamPart
from harness.report.blocks import Picture
from harness.report.figures import number
from harness.report.pictures.plots import COLORS, axis, color, figures_of, named, values
from harness.report.shown import Shown


def _parts_by_seed(shown: Shown) -> dict[str, tuple[StreamPart, ...]]:
    """The parts of the stream of every seed that has some; from a verdict alone, of one."""
    if shown.exhibits is not None:
        return {
            f"seed {run.seed}": run.spread.parts
            for run in shown.exhibits.runs
            if run.spread is not None and run.spread.parts
        }
    facts = shown.verdict.memorisation
    return {f"seed {facts.seed}": facts.parts} if facts and facts.parts else {}


def along_stream(shown: Shown) -> Picture | None:
    """Bits per byte along the validation stream, a line for each seed, beside zlib."""
    by_seed = dict(list(_parts_by_seed(shown).items())[:COLORS])
    if not by_seed or len(next(iter(by_seed.values()))) < 2:
        return None
    rows: list[dict[str, Any]] = [
        {"kind": name, "mb": at, "bpb": part.bpb, "zlib": part.plain_bpb, "end": end}
        for name, parts in by_seed.items()
        for at, part, end in _edges(parts)
    ]
    costs = [row["bpb"] for row in rows]
    kinds = named(list(by_seed), [color(place) for place in range(len(by_seed))])
    more = "" if shown.exhibits else " Of the verdict's one seed; a run directory has them all."
    return Picture(
        id="stream",
        title="Cost along the stream",
        sentence="What each stretch of the validation text costs, in the order in which it is "
        f"scored. Seeds of one code should rise and fall together.{more}",
        alternative=f"{len(by_seed)} lines over the stream, between {number(min(costs), 'BPB')} "
        f"and {number(max(costs), 'BPB')} BPB.",
        figures=figures_of(
            {"kind": "seed", "mb": "begins at, MB", "bpb": "BPB", "zlib": "zlib BPB"},
            [row for row in rows if not row["end"]],
        ),
        plot={
            "data": values(rows),
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
            "encoding": {
                "x": axis("mb", "MB of text from the start of the stream", zero=True),
                "y": axis("bpb", "bits per byte"),
                "color": kinds,
            },
        },
    )


def _edges(parts: tuple[StreamPart, ...]) -> Iterator[tuple[float, StreamPart, bool]]:
    """Where each part begins, in MB of text from the start; last, where the last one ends."""
    before = 0
    for part in parts:
        yield before / 1e6, part, False
        before += part.bytes
    yield before / 1e6, parts[-1], True


def against_compressor(shown: Shown) -> Picture | None:
    """Documents by what a plain compressor and what the model needs for them."""
    found = _most_suspicious(shown)
    if found is None:
        return None
    seed, median, costs, suspected, every = found
    few = "" if every else f"; shown are the {len(costs):,} of the lowest share"
    names = ("document", "impossibly cheap")
    rows = [_document(cost, names[cost.document in suspected]) for cost in costs]
    if not rows:
        return None
    edge = max(row["zlib"] for row in rows)
    usual = [{"zlib": 0.0, "bpb": 0.0}, {"zlib": edge, "bpb": edge * median}]
    kinds = named(names if suspected else names[:1], [color(0), color("fail")])
    plain = axis("zlib", "zlib, bits per byte", zero=True)
    model = axis("bpb", "the model, bits per byte", zero=True)
    said = (
        f"{len(suspected):,} marked as impossibly cheap"
        if suspected
        else "none is impossibly cheap"
    )
    return Picture(
        id="documents",
        title="Documents against a plain compressor",
        sentence=f"Each point is a document, scored with seed {seed}{few}. The line is the usual "
        f"share, {median:.2f} of what the compressor zlib needs. A document far below it is one "
        f"that the model may have seen; {said}.",
        alternative=f"{len(rows)} documents as points around a line of slope {median:.2f}; {said}.",
        figures=figures_of(
            {
                "document": "document",
                "bytes": "bytes",
                "bpb": "BPB",
                "zlib": "zlib BPB",
                "share": "share",
                "kind": "kind",
            },
            rows,
        ),
        plot={
            "layer": [
                {
                    "data": values(usual),
                    "mark": {"type": "line", "color": color("muted"), "strokeDash": [5, 3]},
                    "encoding": {"x": plain, "y": model},
                },
                {
                    "data": values(rows),
                    "mark": {"type": "point", "filled": True, "size": 36, "opacity": 0.7},
                    "encoding": {"x": plain, "y": model, "color": kinds},
                },
            ]
        },
    )


def _document(cost: DocumentCost, kind: str) -> dict[str, Any]:
    return {
        "document": cost.document,
        "bytes": cost.bytes,
        "bpb": cost.bpb,
        "zlib": cost.plain_bpb,
        "share": cost.ratio,
        "kind": kind,
    }


def _most_suspicious(
    shown: Shown,
) -> tuple[int, float, tuple[DocumentCost, ...], frozenset[int], bool] | None:
    """Seed, median share, documents, numbers of the suspects, and whether these are all documents.

    All of the verdict's own seed.
    """
    from harness.judge.rules.memorisation import suspects  # rules need numpy, a gate does not

    facts = shown.verdict.memorisation
    if facts is None or facts.median_ratio is None:
        return None
    kept: Spread | None = None
    if shown.exhibits is not None:
        runs = (run for run in shown.exhibits.runs if run.seed == facts.seed)
        kept = next((run.spread for run in runs if run.spread is not None), None)
    if kept is not None:
        suspected = frozenset(cost.document for cost in suspects(kept))
        every = len(kept.lowest) >= kept.judged
        return facts.seed, facts.median_ratio, kept.lowest, suspected, every
    # A verdict holds the cheapest alone, the suspects first.
    suspected = frozenset(cost.document for cost in facts.cheapest[: facts.suspicious])
    return facts.seed, facts.median_ratio, facts.cheapest, suspected, False
