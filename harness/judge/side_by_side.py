"""Two or more verified recipes side by side: the test of each pair, what each cost, and its checks.

Each later recipe is compared with the first one. What cannot be compared is said, and the rest is
shown all the same.
"""

import string
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean

from harness.contest.track import Track
from harness.errors import UsageError
from harness.judge.given import Given
from harness.judge.recipes import Compared, NotComparableError, compare_given, each_once
from harness.judge.verdict import TokenizerResult, Verdict
from harness.models import Fact, Finding, Status

LABELS = string.ascii_uppercase


class Recipe(Fact):
    """One recipe, and what it cost: the largest of all its runs where it says ``most``, else means.

    ``scores`` are BPB of its seed runs, in their order, of which ``without_score`` more have none.
    ``bytes_limit`` and ``train_limit_seconds`` are the largest of its rules. ``doubt_bpb`` is what
    its checks could not exclude. ``tokenizer`` is the file of its own tokenizer, or the dataset
    that holds the same text in its tokens; empty where they are the dataset's own. Figures that
    nobody measured are null.
    """

    label: str
    names: tuple[str, ...]
    authors: tuple[str, ...]
    verdicts: tuple[str, ...]
    track: str
    edition: str
    dataset: str
    dataset_digest: str
    scores: tuple[float, ...]
    without_score: int
    mean_bpb: float | None
    train_seconds: float | None
    most_train_seconds: float | None
    train_limit_seconds: float | None
    score_seconds: float | None
    most_counted_bytes: int | None
    most_artifact_bytes: int | None
    code_bytes: int | None
    bytes_limit: int
    tokens_per_second: float | None
    quantization_gap_bpb: float | None
    doubt_bpb: float
    tokenizer: str


class Pair(Fact):
    """One recipe against the first one: the test, or why there is none."""

    first: str
    second: str
    compared: Compared | None
    why_not: str


class Answer(Fact):
    """What one rule said of one recipe; null where it was not asked. The worst of its answers."""

    status: Status | None = None
    measured: float | int | str | None = None
    limit: float | int | str | None = None
    unit: str = ""


class Differing(Fact):
    """A rule that did not give the same answer of all recipes; ``answers`` in their order."""

    rule: str
    answers: tuple[Answer, ...]


class SideBySide(Fact):
    """Recipes in the order in which they were given, each later one against the first.

    ``best`` are the labels by mean, the best first, of those that were scored on the first one's
    text: an order, which says nothing of whether two of them differ.
    """

    recipes: tuple[Recipe, ...]
    pairs: tuple[Pair, ...]
    checks: tuple[Differing, ...]
    best: tuple[str, ...]


def side_by_side(groups: Sequence[Sequence[Path]], *, track: Track | None = None) -> SideBySide:
    """Compare recipes, each given as its verifications.

    Args:
        groups: for each recipe its run directories, or verdict files.
        track: whose knowledge of the field is used, instead of that of the first verification.

    Raises:
        UsageError: fewer than two recipes or too many, a run is given twice, a file is no verdict.
        InfrastructureError: a file beside the evidence is not the one that it describes.
    """
    if len(groups) < 2:
        raise UsageError("one verification alone: name at least two to be compared")
    if len(groups) > len(LABELS):
        raise UsageError(f"{len(groups)} recipes: at most {len(LABELS)} are compared at once")
    return of_given([[Given.read(path) for path in group] for group in groups], track=track)


def of_given(groups: Sequence[Sequence[Given]], *, track: Track | None = None) -> SideBySide:
    """:func:`side_by_side` of what was read already."""
    each_once([each for group in groups for each in group])
    recipes = [_recipe(label, group) for label, group in zip(LABELS, groups, strict=False)]
    pairs = [
        _pair(recipes[0], recipe, groups[0], group, track)
        for recipe, group in zip(recipes[1:], groups[1:], strict=True)
    ]
    same = [each for each in recipes if each.dataset_digest == recipes[0].dataset_digest]
    ranked = sorted((each.mean_bpb, each.label) for each in same if each.mean_bpb is not None)
    return SideBySide(
        recipes=tuple(recipes),
        pairs=tuple(pairs),
        checks=tuple(_differing([[each.verdict for each in group] for group in groups])),
        best=tuple(label for _, label in ranked),
    )


def _pair(
    head: Recipe,
    other: Recipe,
    first: Sequence[Given],
    second: Sequence[Given],
    track: Track | None,
) -> Pair:
    compared, why_not = None, ""
    try:
        compared = compare_given(first, second, track=track)
    except NotComparableError as error:
        why_not = error.message
    return Pair(first=head.label, second=other.label, compared=compared, why_not=why_not)


def _recipe(label: str, group: Sequence[Given]) -> Recipe:
    verdicts = [each.verdict for each in group]
    head = verdicts[0]
    seeds = [seed for verdict in verdicts for seed in verdict.seeds]
    scores = [score for each in group for _, score in each.scored]
    train = [seed.train_seconds for seed in seeds if seed.train_seconds is not None]
    sealed = [seed for seed in seeds if seed.artifact_bytes is not None]
    limits = [each.train_limit_seconds for each in verdicts if each.train_limit_seconds is not None]
    return Recipe(
        label=label,
        names=tuple(dict.fromkeys(verdict.submission for verdict in verdicts)),
        authors=tuple(dict.fromkeys(verdict.author for verdict in verdicts)),
        verdicts=tuple(verdict.verdict for verdict in verdicts),
        track=head.track,
        edition=head.edition,
        dataset=head.dataset,
        dataset_digest=head.digests.dataset,
        scores=tuple(scores),
        without_score=len(seeds) - len(scores),
        mean_bpb=_mean(scores),
        train_seconds=_mean(train),
        most_train_seconds=max(train, default=None),
        train_limit_seconds=max(limits, default=None),
        score_seconds=_mean(seed.score_seconds for seed in seeds),
        most_counted_bytes=max(
            ((seed.artifact_bytes or 0) + seed.code_bytes for seed in sealed), default=None
        ),
        most_artifact_bytes=max((seed.artifact_bytes or 0 for seed in sealed), default=None),
        code_bytes=max((seed.code_bytes for seed in seeds), default=None),
        bytes_limit=max(verdict.bytes_limit for verdict in verdicts),
        tokens_per_second=_mean(seed.tokens_per_second for seed in seeds),
        quantization_gap_bpb=_mean(seed.gap_bpb for seed in seeds),
        doubt_bpb=max(sum(doubt.bpb for doubt in verdict.doubts) for verdict in verdicts),
        tokenizer=next((_tokens_of(each.tokenizer) for each in verdicts if each.tokenizer), ""),
    )


def _tokens_of(found: TokenizerResult) -> str:
    return found.file or found.dataset or "bytes, or code"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _differing(groups: Sequence[Sequence[Verdict]]) -> Iterator[Differing]:
    """Rules whose answers differ by status, in the order of the first verdict that has them."""
    every = chain.from_iterable(verdict.checks for group in groups for verdict in group)
    for rule in dict.fromkeys(check.id for check in every):
        answers = tuple(_answer(rule, group) for group in groups)
        if len({answer.status for answer in answers}) > 1:
            yield Differing(rule=rule, answers=answers)


_WORST: tuple[Status, ...] = ("fail", "unknown", "pass")


def _answer(rule: str, group: Sequence[Verdict]) -> Answer:
    found: list[Finding] = [
        check for verdict in group for check in verdict.checks if check.id == rule
    ]
    if not found:
        return Answer()
    worst = min(found, key=lambda check: _WORST.index(check.status))
    return Answer(status=worst.status, measured=worst.measured, limit=worst.limit, unit=worst.unit)
