"""The sections of a scorecard: one list, from which every renderer draws.

A new section is one line in ``SECTIONS``; a new renderer is one more medium. No medium lacks a
section unless ``LEFT_OUT`` says why.

``Shown`` carries no exhibits (figures read from a run directory) yet: every section of today draws
from the verdict alone. Their model comes with the first section that needs it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.judge.verdict import Verdict
from harness.report.blocks import Block, Paragraph, Words
from harness.report.sections.brought import brought_along
from harness.report.sections.budgets import budgets, quantization, timeline
from harness.report.sections.doubts import doubts
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

Medium = Literal["terminal", "markdown"]
NO_EXHIBITS = "Not shown: this needs the run directory, and only a verdict is at hand."


@dataclass(frozen=True)
class Shown:
    """What there is to draw."""

    verdict: Verdict
    exhibits: None = None


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        id: names it in code, and in what can be linked to.
        title: what stands above it; empty where the block needs none.
        needs: what it is drawn from.
        build: the block to draw; None where this verdict has nothing to say on the matter.
    """

    id: str
    title: str
    needs: Literal["verdict", "exhibits"]
    build: Callable[[Shown], Block | None]


@dataclass(frozen=True)
class Part:
    """A section that has something to say, ready to be drawn."""

    id: str
    title: str
    block: Block


def _of_verdict(id_: str, title: str, build: Callable[[Verdict], Block | None]) -> Section:
    return Section(id_, title, "verdict", lambda shown: build(shown.verdict))


SECTIONS: tuple[Section, ...] = (
    _of_verdict("verdict", "", banner),
    _of_verdict("identity", "", identity),
    _of_verdict("checks", "Checks", checks),
    _of_verdict("decisions", "Decided by hand", decisions),
    _of_verdict("findings", "Seen besides", seen_besides),
    _of_verdict("seeds", "Seeds", seeds),
    _of_verdict("reproductions", "Whole script, as it is", reproductions),
    _of_verdict("significance", "Did the bar fall?", significance),
    _of_verdict("looks", "Looks", looks),
    _of_verdict("confirmation", "Does it hold on fresh seeds?", confirmation),
    _of_verdict("doubts", "Doubts, charged", doubts),
    _of_verdict("tokenizer", "The submission's own tokenizer", tokenizer),
    _of_verdict("stream", "Along the validation stream, BPB", stream),
    _of_verdict("holdout", "Unpublished documents", holdout),
    _of_verdict("budgets", "Budgets (the worst seed)", budgets),
    _of_verdict("brought_along", "Brought along", brought_along),
    _of_verdict("timeline", "Train timeline, seconds", timeline),
    _of_verdict("quantization", "Quantization gap, BPB", quantization),
    _of_verdict("claim", "Claim against measured", claim),
    _of_verdict("evidence", "Evidence", evidence),
)
# For each medium, the ids of sections that it does not draw, each with the reason.
LEFT_OUT: Mapping[Medium, Mapping[str, str]] = {"terminal": {}, "markdown": {}}


def parts(
    shown: Shown, medium: Medium, *, sections: Sequence[Section] = SECTIONS
) -> Iterator[Part]:
    """What ``medium`` draws of ``shown``, in order."""
    for section in sections:
        if section.id in LEFT_OUT[medium]:
            continue
        if section.needs == "exhibits" and shown.exhibits is None:
            yield Part(section.id, section.title, Paragraph(Words(NO_EXHIBITS, "dim")))
            continue
        block = section.build(shown)
        if block is not None:
            yield Part(section.id, section.title, block)
