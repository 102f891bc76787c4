"""What a verification would take, told before it is begun; nothing is fixed by it.

Seeds are drawn when a plan is made, so an outlook names none.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from harness.contest.entry import Entry
from harness.contest.significance import Look
from harness.contest.track import Track
from harness.data.format.manifest import Manifest
from harness.evidence.draws import draw_runs
from harness.evidence.step_names import StepName
from harness.evidence.steps import step_of
from harness.models import Fact
from harness.run.disk import disk_need_bytes

Part = Literal["training", "scoring", "asking again", "unpublished documents"]


class Outlook(Fact):
    """Runs, time and disk of one verification.

    Attributes:
        entry: its name.
        track: the rules' name.
        edition: the rules' edition.
        looks: after how many runs what is decided.
        first_runs: seed runs until the first decision that can end it well.
        most_runs: seed runs until the last look.
        confirming_runs: further ones, once a look has accepted.
        reproductions: runs of the whole script, for an entry in upstream's layout.
        prepared: whether a run comes before any seed.
        run_seconds: of a seed run, by what it is spent on, each at its whole budget; null where a
            track sets none.
        reproduction_seconds: of the whole script, at its whole budget.
        accelerators: that every run keeps busy; 0 on a track without.
        disk_bytes: the most that evidence and train shards take.
        disk_known: whether the train shards are reckoned, which takes the dataset.
    """

    entry: str
    track: str
    edition: str
    looks: tuple[Look, ...]
    first_runs: int
    most_runs: int
    confirming_runs: int
    reproductions: int
    prepared: bool
    run_seconds: dict[Part, float] | None
    reproduction_seconds: float | None
    accelerators: int
    disk_bytes: int
    disk_known: bool

    def seconds(self, runs: int) -> float | None:
        """So many seed runs and the reproductions, if every budget is used up."""
        if self.run_seconds is None:
            return None
        whole = self.reproductions * (self.reproduction_seconds or 0.0)
        return runs * sum(self.run_seconds.values()) + whole


def outlook(
    entry: Entry,
    track: Track,
    manifest: Manifest | None,
    *,
    seeds: Sequence[int] | None = None,
    time_scale: float = 1.0,
) -> Outlook:
    """What an entry's verification on a track would take.

    Args:
        entry: what would be judged, with the track's own settings applied.
        track: the rules.
        manifest: of its dataset, if that is here.
        seeds: somebody's own, if they would not be drawn.
        time_scale: what every budget would be multiplied by.
    """
    draws = draw_runs(entry, track, "", by_hand=seeds)
    count = Counter(draw.purpose for draw in draws)
    looks = track.significance.schedule
    by_hand = seeds is not None or count["look"] < looks[-1].runs
    budget = track.budget
    timed = budget.train_seconds is not None and budget.score_seconds is not None
    budgets = _Budgets(entry, track, time_scale)
    return Outlook(
        entry=entry.name,
        track=track.name,
        edition=track.edition,
        looks=() if by_hand else looks,
        first_runs=count["look"] if by_hand else track.significance.fewest_runs,
        most_runs=count["look"],
        confirming_runs=count["confirmation"],
        reproductions=count["reproduction"],
        prepared=count["preparation"] > 0,
        run_seconds=_run_seconds(budgets) if timed else None,
        reproduction_seconds=step_of("reproduce").limit(budgets)
        if timed and count["reproduction"]
        else None,
        accelerators=track.hardware.accelerators,
        disk_bytes=disk_need_bytes(
            *(track, manifest),
            own_tokenizer=entry.tokenizer.kind != "stock",
            runs=count["look"] + count["confirmation"],
        ),
        disk_known=manifest is not None or track.imposed is None,
    )


class _Budgets(NamedTuple):
    """What the limits of steps follow from, before there is a plan."""

    entry: Entry
    track: Track
    time_scale: float


def _run_seconds(budgets: _Budgets) -> dict[Part, float]:
    """The limits of the steps of a seed run on a track that has both budgets."""
    entry, track = budgets.entry, budgets.track
    found: dict[Part, float] = {"training": _limits(budgets, "train")}
    if entry.asked:
        again = track.probes.memory is not None and not entry.score.remembers
        found["scoring"] = _limits(budgets, "score")
        found["asking again"] = _limits(budgets, *(("probe", "recall") if again else ("probe",)))
        if track.holdout is not None:
            found["unpublished documents"] = _limits(budgets, "holdout", "reprobe")
    return found


def _limits(budgets: _Budgets, *names: StepName) -> float:
    return sum(step_of(name).limit(budgets) or 0.0 for name in names)
