"""Whether two recipes differ, by their verified seed runs.

Nothing is run, and no verdict follows: it is a question about two methods, not about a bar. The
seed run is the unit; documents only say where a difference lies.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

from harness.contest.significance import Significance
from harness.contest.track import Track, load_named_track
from harness.errors import UsageError
from harness.judge.given import Given
from harness.judge.recipe_documents import Documents, documents_between
from harness.models import Fact
from harness.statistics.tests import Prior, TwoSample, difference, welch
from harness.statistics.units import bpb_to_nats_per_token


class NotComparableError(UsageError):
    """Two recipes of which no test can say whether they differ; the message says why."""


class Side(Fact):
    """One recipe: its scored seed runs, from one verification or several.

    ``names`` are those of its submissions, ``verdicts`` the words of the verifications; ``scores``
    BPB in the order in which they were given. ``left_out`` counts seed runs without a score.
    """

    names: tuple[str, ...]
    verdicts: tuple[str, ...]
    scores: tuple[float, ...]
    mean_bpb: float
    sd_bpb: float | None
    left_out: int


class Compared(Fact):
    """The test of the difference, second less first: below 0, the second recipe is better.

    ``test`` is ``moderated`` by the field's deviation, or ``welch``, where the track knows none;
    ``guarded``: one side scatters so much that Welch's p counts. Nats are of the dataset's own
    tokens; ``margin_nats_per_token`` is what the first verification's rules ask a record to be
    better by, null where they ask nothing. ``documents`` is null where the evidence lacks their
    costs, and ``no_documents`` says why. ``remarks`` are what a reader should know before believing
    it.
    """

    dataset: str
    dataset_digest: str
    first: Side
    second: Side
    test: str
    guarded: bool
    field_sd_bpb: float | None
    field_degrees: float | None
    difference_bpb: float
    difference_nats_per_token: float
    error_bpb: float
    degrees_of_freedom: float
    t: float
    p: float
    ci99_bpb: tuple[float, float]
    ci99_nats_per_token: tuple[float, float]
    margin_nats_per_token: float | None
    documents: Documents | None
    no_documents: str
    remarks: tuple[str, ...]


def compare_recipes(
    first: Sequence[Path], second: Sequence[Path], *, track: Track | None = None
) -> Compared:
    """Test whether the recipes of two sets of verifications differ.

    Args:
        first: run directories, or verdict files.
        second: of the other recipe.
        track: whose knowledge of the field is used, instead of that of the first verification.

    Raises:
        UsageError: they are of different datasets, a run is given twice, a side has no score, or
            there is no test of so few runs.
        InfrastructureError: a file beside the evidence is not the one that it describes.
    """
    return compare_given(
        [Given.read(path) for path in first], [Given.read(path) for path in second], track=track
    )


def compare_given(
    first: Sequence[Given], second: Sequence[Given], *, track: Track | None = None
) -> Compared:
    """:func:`compare_recipes` of what was read already.

    Raises:
        NotComparableError: other datasets, a side without a score, or no test of so few runs.
        UsageError: a run is given twice, or the field's spread is not known here.
    """
    everything = [*first, *second]
    _same_dataset(everything)
    each_once(everything)
    sides = _side(first), _side(second)
    asked = (track or _track_of(everything)).significance
    test, found = _tested(sides[0].scores, sides[1].scores, asked)
    documents, without = documents_between(first, second, found)
    statistics = everything[0].verdict.statistics

    def nats(bpb: float) -> float:
        return bpb_to_nats_per_token(
            bpb, tokens=statistics.targets, text_bytes=statistics.text_bytes
        )

    return Compared(
        dataset=everything[0].verdict.dataset,
        dataset_digest=everything[0].verdict.digests.dataset,
        first=sides[0],
        second=sides[1],
        test=test,
        guarded=found.guarded,
        field_sd_bpb=asked.field_sd_bpb if test == "moderated" else None,
        field_degrees=asked.field_degrees if test == "moderated" else None,
        difference_bpb=found.difference,
        difference_nats_per_token=nats(found.difference),
        error_bpb=found.error,
        degrees_of_freedom=found.degrees,
        t=found.t,
        p=found.p,
        ci99_bpb=found.interval_99,
        ci99_nats_per_token=(nats(found.interval_99[0]), nats(found.interval_99[1])),
        margin_nats_per_token=statistics.margin_nats_per_token,
        documents=documents,
        no_documents=without,
        remarks=(*_remarks(first, second), *_doubts(first, second, found)),
    )


def _same_dataset(given: Sequence[Given]) -> None:
    """Scores of different texts cannot be compared, whatever unit they are in."""
    head = given[0].verdict
    for other in given[1:]:
        if other.verdict.digests.dataset != head.digests.dataset:
            raise NotComparableError(
                f"scored on dataset {other.verdict.dataset} "
                f"({other.verdict.digests.dataset[:12]}), {given[0].path} on {head.dataset} "
                f"({head.digests.dataset[:12]}): scores of different texts cannot be compared; "
                "verify both on the same dataset",
                file=other.path,
            )


def each_once(given: Sequence[Given]) -> None:
    """A run that is given twice, or was only scored again, would count twice."""
    seen: dict[str, Path] = {}
    for each in given:
        for seed, _ in each.scored:
            name = seed.artifact_sha256
            if name is None:
                continue
            if name in seen:
                raise UsageError(
                    f"seed {seed.seed}: its artifact is the one of a run in {seen[name]}, so it "
                    "would count twice; name one of them",
                    file=each.path,
                )
            seen[name] = each.path


def _side(given: Sequence[Given]) -> Side:
    scores = [score for each in given for _, score in each.scored]
    if not scores:
        raise NotComparableError("has no seed run with a score", file=given[0].path)
    left_out = sum(len(each.verdict.seeds) - len(each.scored) for each in given)
    return Side(
        names=tuple(dict.fromkeys(each.verdict.submission for each in given)),
        verdicts=tuple(each.verdict.verdict for each in given),
        scores=tuple(scores),
        mean_bpb=fmean(scores),
        sd_bpb=stdev(scores) if len(scores) > 1 else None,
        left_out=left_out,
    )


def _track_of(given: Sequence[Given]) -> Track:
    """The rules of the first verification whose rules are at hand."""
    for each in given:
        if each.track is not None:
            return each.track
    verdict = given[0].verdict
    try:
        track = load_named_track(verdict.track)
    except UsageError as error:
        raise UsageError(
            f"its track {verdict.track[:80]} is not at hand: name one with --track",
            file=given[0].path,
        ) from error
    if track.digest != verdict.digests.track:
        raise UsageError(
            f"given under other rules than track {track.name} has here: name those with --track",
            file=given[0].path,
        )
    return track


def _tested(
    first: Sequence[float], second: Sequence[float], asked: Significance
) -> tuple[str, TwoSample]:
    sd, degrees = asked.field_sd_bpb, asked.field_degrees
    if sd is not None and degrees is not None:
        return "moderated", difference(first, second, prior=Prior(sd, degrees))
    found = welch(first, second)
    if found is None:
        raise NotComparableError(
            f"{len(first)} and {len(second)} scores: without a deviation of the field that the "
            "track knows, at least two on each side that are not all the same are needed"
        )
    return "welch", found


def _remarks(first: Sequence[Given], second: Sequence[Given]) -> Iterator[str]:
    everything = [*first, *second]
    for name, given in (("first", first), ("second", second)):
        entries = {each.verdict.digests.submission for each in given}
        if len(entries) > 1:
            yield (
                f"the {name} side mixes {len(entries)} submissions whose files differ: its "
                "deviation holds their differences, too"
            )
        words = Counter(each.verdict.verdict for each in given)
        for word in ("REJECTED", "INCONCLUSIVE"):
            if words[word]:
                yield f"of the {name} side, {words[word]} of {len(given)} verdicts: {word}"
    yield from _other_rules(first, second)
    machines = {
        host.machine.processor for each in everything for run in each.runs for host in run.hosts
    }
    if len(machines) > 1:
        yield "not all were run on the same kind of machine"
    if any(each.verdict.rehearsal for each in everything):
        yield "rehearsals are among them: nobody was kept from choosing"
    if any(not each.verdict.seeds_drawn for each in everything):
        yield "seeds given by hand are among them"
    if any(each.directory is None for each in everything):
        yield "verdict files are taken at their word; a run directory's evidence is judged again"


def _other_rules(first: Sequence[Given], second: Sequence[Given]) -> Iterator[str]:
    """Other rules, budgets and tokenizers: the scores can be compared, and what they cost not."""
    everything = [each.verdict for each in (*first, *second)]
    if len({verdict.digests.track for verdict in everything}) > 1:
        names = sorted({f"{each.track[:80]} edition {each.edition[:40]}" for each in everything})
        yield f"not all were run under the same rules ({'; '.join(names)})"
    for what, limits in (
        ("seconds to train", {each.train_limit_seconds for each in everything}),
        ("bytes", {each.bytes_limit for each in everything}),
    ):
        if len(limits) > 1:
            told = ", ".join(
                "no limit" if limit is None else f"{limit:,.6g}"
                for limit in sorted(limits, key=lambda limit: limit or 0)
            )
            yield f"their budgets differ ({told} {what}): recipe and budget are compared together"
    tokens = {verdict.tokenizer.sha256 if verdict.tokenizer else "" for verdict in everything}
    if len(tokens) > 1:
        yield (
            "their tokenizers differ: losses in nats of their own tokens cannot be compared, so "
            "nats are given in the dataset's tokens; BPB are of the same text"
        )


def _doubts(first: Sequence[Given], second: Sequence[Given], found: TwoSample) -> Iterator[str]:
    """A doubt that is larger than the difference could be all of it."""
    most = max(sum(doubt.bpb for doubt in each.verdict.doubts) for each in (*first, *second))
    if most > abs(found.difference):
        yield (
            f"up to {most:.6f} BPB of a score are left that no check excludes, more than the "
            "difference: see doubts"
        )
