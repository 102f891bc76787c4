"""The sections of a scorecard: one list, from which every renderer draws.

A new section is one line in ``SECTIONS``; a new renderer is one more medium. No medium lacks a
section unless ``LEFT_OUT`` says why. Pictures belong to sections, and only media of ``DRAWN`` have
them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judge.verdict import Verdict
from harness.report.blocks import Block, Paragraph, Picture, Words
from harness.report.pictures.accelerators import clocks, power, temperature
from harness.report.pictures.asked_again import changes
from harness.report.pictures.course import from_start_to_end, score_budget, train_budget
from harness.report.pictures.limits import headroom
from harness.report.pictures.scores import seed_points, t_distribution
from harness.report.pictures.text import against_compressor, along_stream
from harness.report.pictures.training import loss_curves, step_times
from harness.report.pictures.weights import bytes_by_tensor, quantization_error
from harness.report.sections.brought import brought_along
from harness.report.sections.budgets import budgets, quantization, timeline
from harness.report.sections.doubts import doubts
from harness.report.sections.exhibits import asked_again, course, telemetry, training, weights
from harness.report.sections.outcome import (
    banner,
    checks,
    claim,
    decisions,
    evidence,
    identity,
    seen_besides,
)
from harness.report.sections.scores import (
    confirmation,
    looks,
    reproductions,
    seeds,
    significance,
)
from harness.report.sections.text import holdout, stream, tokenizer
from harness.report.sections.upstream import bridge, stages
from harness.report.shown import Shown

Medium = Literal["terminal", "markdown", "html"]
DRAWN: frozenset[Medium] = frozenset({"html"})
NO_EXHIBITS = "Not shown: this needs the run directory, and only a verdict is at hand."


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        id: names it in code, and in what can be linked to.
        title: what stands above it; empty where the block needs none.
        needs: what it is drawn from.
        build: the block to draw; None where this verdict has nothing to say on the matter.
        pictures: what is drawn besides, each None where there is nothing to be seen.
    """

    id: str
    title: str
    needs: Literal["verdict", "exhibits"]
    build: Callable[[Shown], Block | None]
    pictures: tuple[Callable[[Shown], Picture | None], ...] = ()


@dataclass(frozen=True)
class Part:
    """A section that has something to say, ready to be drawn.

    ``missing``: it would, were a run directory at hand; its block says so.
    """

    id: str
    title: str
    block: Block
    pictures: tuple[Picture, ...] = ()
    missing: bool = False


def _of_verdict(
    id_: str,
    title: str,
    build: Callable[[Verdict], Block | None],
    *drawn: Callable[[Shown], Picture | None],
) -> Section:
    return Section(id_, title, "verdict", lambda shown: build(shown.verdict), drawn)


def _of_exhibits(
    id_: str,
    title: str,
    build: Callable[[Shown], Block | None],
    *drawn: Callable[[Shown], Picture | None],
) -> Section:
    return Section(id_, title, "exhibits", build, drawn)


SECTIONS: tuple[Section, ...] = (
    Section("verdict", "", "verdict", lambda shown: banner(shown.verdict, verify=shown.verify)),
    _of_verdict("stages", "How far the script got", stages),
    Section("checks", "Checks", "verdict", lambda shown: checks(shown.verdict, all=shown.verbose)),
    _of_verdict("decisions", "Decided by hand", decisions),
    _of_verdict("findings", "Seen besides", seen_besides),
    _of_verdict("identity", "What was run", identity),
    _of_verdict("seeds", "Seeds", seeds, seed_points),
    _of_verdict("reproductions", "Whole script, as it is", reproductions),
    _of_verdict("significance", "Did the bar fall?", significance, t_distribution),
    _of_verdict("looks", "Looks", looks),
    _of_verdict("confirmation", "Does it hold on fresh seeds?", confirmation),
    _of_exhibits("asked_again", "Asked again", asked_again, changes),
    _of_verdict("doubts", "Doubts, charged", doubts),
    _of_verdict("tokenizer", "The submission's own tokens", tokenizer),
    _of_verdict(
        "stream", "Along the validation stream, BPB", stream, along_stream, against_compressor
    ),
    _of_verdict("holdout", "Unpublished documents", holdout),
    _of_verdict("budgets", "Budgets (the worst seed)", budgets, headroom),
    _of_verdict("brought_along", "Brought along", brought_along),
    _of_exhibits("weights", "The artifact", weights, bytes_by_tensor, quantization_error),
    _of_exhibits("training", "Training, as its log tells it", training, loss_curves, step_times),
    _of_verdict("timeline", "Train timeline, seconds", timeline),
    _of_exhibits(
        *("course", "Each run in time", course),
        *(from_start_to_end, train_budget, score_budget),
    ),
    _of_exhibits("telemetry", "Accelerators", telemetry, clocks, power, temperature),
    _of_verdict("quantization", "Quantization gap, BPB", quantization),
    _of_verdict("bridge", "The bridge", bridge),
    _of_verdict("claim", "Claim against measured", claim),
    _of_verdict("evidence", "Evidence", evidence),
)
# For each medium, the ids of sections that it does not draw, each with the reason.
_EXHIBITS_LEFT_OUT = {
    section.id: "a scorecard is of a verdict alone; `harness report` shows what lies beside it"
    for section in SECTIONS
    if section.needs == "exhibits"
}
LEFT_OUT: Mapping[Medium, Mapping[str, str]] = {
    "terminal": _EXHIBITS_LEFT_OUT,
    "markdown": _EXHIBITS_LEFT_OUT,
    "html": {},
}


def parts(
    shown: Shown, medium: Medium, *, sections: Sequence[Section] = SECTIONS
) -> Iterator[Part]:
    """What ``medium`` draws of ``shown``, in order."""
    for section in sections:
        if section.id in LEFT_OUT[medium]:
            continue
        if section.needs == "exhibits" and shown.exhibits is None:
            yield Part(
                section.id, section.title, Paragraph(Words(NO_EXHIBITS, "dim")), missing=True
            )
            continue
        block = section.build(shown)
        if block is not None:
            found = (draw(shown) for draw in section.pictures if medium in DRAWN)
            drawn = tuple(picture for picture in found if picture is not None)
            yield Part(section.id, section.title, block, drawn)
