"""Whether two recipes differ, by their verified seed runs.

Nothing is run, and no verdict follows: it is a question about two methods, not about a bar. The
seed run is the unit; documents only say where a difference lies.
"""

import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contest.significance import Significance
from harness.contest.track import Track, load_track
from harness.errors import UsageError
from harness.evidence.integrity import LARGEST_DOCUMENTS_BYTES
from harness.evidence.run import Run
from harness.evidence.store import RunDirectory
from harness.judge.stored import judge_stored
from harness.judge.verdict import SeedResult, Verdict
from harness.judge.verdict_file import read_verdict
from harness.models import Fact
from harness.safeio.reading import read_inside
from harness.statistics.documents import QUANTILES, where
from harness.statistics.tests import Prior, TwoSample, difference, welch
from harness.statistics.units import bpb_to_nats_per_token


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


class Documents(Fact):
    """Where the difference lies, see :class:`harness.statistics.documents.Where`.

    ``on_others_error`` and ``on_others_99`` are of the difference that other documents of the same
    kind would show.
    """

    documents: int
    won: float
    tied: float
    won_bytes: float
    levels: tuple[float, ...]
    quantiles_bpb: tuple[float, ...]
    on_others_error_bpb: float
    on_others_99_bpb: tuple[float, float]


class Compared(Fact):
    """The test of the difference, second less first: below 0, the second recipe is better.

    ``test`` is ``moderated`` by the field's deviation, or ``welch``, where the track knows none;
    ``guarded``: one side scatters so much that Welch's p counts. ``documents`` is null where the
    evidence lacks their costs, and ``no_documents`` says why. ``remarks`` are what a reader should
    know before believing it.
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
    documents: Documents | None
    no_documents: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Given:
    """One verification as it was given: its verdict, and its evidence where that is at hand."""

    path: Path
    verdict: Verdict
    track: Track | None = None
    directory: RunDirectory | None = None
    runs: tuple[Run, ...] = field(default=())

    @property
    def scored(self) -> list[tuple[SeedResult, float]]:
        """Seed runs with the score that counts."""
        return [(s, s.counted_bpb) for s in self.verdict.seeds if s.counted_bpb is not None]


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
    given = ([_given(path) for path in first], [_given(path) for path in second])
    everything = [*given[0], *given[1]]
    _same_dataset(everything)
    _each_once(everything)
    sides = _side(given[0]), _side(given[1])
    asked = (track or _track_of(everything)).significance
    test, found = _tested(sides[0].scores, sides[1].scores, asked)
    documents, without = _documents(given[0], given[1], found)
    statistics = everything[0].verdict.statistics
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
        difference_nats_per_token=bpb_to_nats_per_token(
            found.difference, tokens=statistics.targets, text_bytes=statistics.text_bytes
        ),
        error_bpb=found.error,
        degrees_of_freedom=found.degrees,
        t=found.t,
        p=found.p,
        ci99_bpb=found.interval_99,
        documents=documents,
        no_documents=without,
        remarks=tuple(_remarks(given[0], given[1])),
    )


def _given(path: Path) -> _Given:
    if not path.is_dir():
        return _Given(path, read_verdict(path).verdict)
    directory = RunDirectory.open(path)
    verdict = judge_stored(directory)  # compares every kept file with the evidence, too
    return _Given(path, verdict, directory.plan.track, directory, tuple(directory.runs()))


def _same_dataset(given: Sequence[_Given]) -> None:
    """Scores of different texts cannot be compared, whatever unit they are in."""
    head = given[0].verdict
    for other in given[1:]:
        if other.verdict.digests.dataset != head.digests.dataset:
            raise UsageError(
                f"scored on dataset {other.verdict.dataset} "
                f"({other.verdict.digests.dataset[:12]}), {given[0].path} on {head.dataset} "
                f"({head.digests.dataset[:12]}): scores of different texts cannot be compared; "
                "verify both on the same dataset",
                file=other.path,
            )


def _each_once(given: Sequence[_Given]) -> None:
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


def _side(given: Sequence[_Given]) -> Side:
    scores = [score for each in given for _, score in each.scored]
    if not scores:
        raise UsageError("has no seed run with a score", file=given[0].path)
    left_out = sum(len(each.verdict.seeds) - len(each.scored) for each in given)
    return Side(
        names=tuple(dict.fromkeys(each.verdict.submission for each in given)),
        verdicts=tuple(each.verdict.verdict for each in given),
        scores=tuple(scores),
        mean_bpb=math.fsum(scores) / len(scores),
        sd_bpb=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        left_out=left_out,
    )


def _track_of(given: Sequence[_Given]) -> Track:
    """The rules of the first verification whose rules are at hand."""
    for each in given:
        if each.track is not None:
            return each.track
    verdict = given[0].verdict
    try:
        track = load_track(verdict.track)
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
        raise UsageError(
            f"{len(first)} and {len(second)} scores: without a deviation of the field that the "
            "track knows, at least two on each side that are not all the same are needed"
        )
    return "welch", found


def _documents(
    first: Sequence[_Given], second: Sequence[_Given], found: TwoSample
) -> tuple[Documents | None, str]:
    """Where the difference lies; or why that cannot be said."""
    sides, sizes = [], []
    for given in (first, second):
        side = []
        for each in given:
            if each.directory is None:
                return None, "a verdict's file holds no costs of documents; name run directories"
            for run in each.runs:
                if run.role == "seed" and run.scores is not None:
                    bits, text_bytes = _costs(each.directory, run)
                    side.append(bits)
                    sizes.append(text_bytes)
        sides.append(side)
    if any(not np.array_equal(sizes[0], other) for other in sizes[1:]):
        return None, "the documents of the runs do not have the same bytes"
    lies = where(sides[0], sides[1], sizes[0])
    error = math.sqrt(found.error**2 + lies.variance)
    half = (found.interval_99[1] - found.difference) / found.error * error
    return (
        Documents(
            documents=lies.documents,
            won=lies.won,
            tied=lies.tied,
            won_bytes=lies.won_bytes,
            levels=QUANTILES,
            quantiles_bpb=lies.quantiles,
            on_others_error_bpb=error,
            on_others_99_bpb=(found.difference - half, found.difference + half),
        ),
        "",
    )


def _costs(directory: RunDirectory, run: Run) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Bits float64[D] and bytes int64[D]; the file was compared with the evidence already."""
    path = directory.documents(run, "score")
    content = read_inside(
        directory.path, path.relative_to(directory.path), limit_bytes=LARGEST_DOCUMENTS_BYTES
    )
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        return kept["nats"] / math.log(2), kept["bytes"]


def _remarks(first: Sequence[_Given], second: Sequence[_Given]) -> Iterator[str]:
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
    tracks = {each.verdict.digests.track for each in everything}
    if len(tracks) > 1:
        yield "not all were run under the same rules: their budgets may differ"
    machines = {run.host.machine.processor for each in everything for run in each.runs}
    if len(machines) > 1:
        yield "not all were run on the same kind of machine"
    if any(each.verdict.rehearsal for each in everything):
        yield "rehearsals are among them: nobody was kept from choosing"
    if any(not each.verdict.seeds_drawn for each in everything):
        yield "seeds given by hand are among them"
    if any(each.directory is None for each in everything):
        yield "verdict files are taken at their word; a run directory's evidence is judged again"
