"""Finds the runs and scores that a folder's claim is about, and the kind of the claim.

Logs print several scores. The claimed one is the last that is no diagnostic, unless the claim
equals the figure of another scoring. A claim may be the mean of all runs, the mean of some of them
(one for each seed, where seeds were run twice), the figure of one run, or none of these.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.audit.constants import drop_constants
from harness.audit.findings import ClaimKind, ClaimReading
from harness.audit.metric import run_of
from harness.audit.verdicts import BORROWED, listed
from harness.upstream.claims import ClaimedFigure, Claims
from harness.upstream.folder import RecordFolder
from harness.upstream.logs.log_run import Draft
from harness.upstream.logs.logged import LoggedRun
from harness.upstream.logs.runs import Log, log_names, read_log
from harness.upstream.logs.scorings import Scoring, last_final, scorings

_MOST_LOGS = 200
_MOST_BYTES = 256 << 20
_MOST_RUNS = 400
_MOST_CHOICES = 4096
_MOST_NAMES = 12
# A claim of two decimals would match every run, so the tolerance is never larger than this.
WIDEST_BPB = 0.0006
_SEED_IN_NAME = re.compile(r"seed[_-]?(\d{1,10})(?=\D|$)", re.IGNORECASE)
# A claim that is farther than this from every run is not one of their figures with a typing error.
FAR_BPB = 0.003


@dataclass(frozen=True)
class Gathered:
    """All that the logs of a folder say, matched with its claims."""

    logs: tuple[Log, ...]
    runs: tuple[LoggedRun, ...]
    claim: ClaimReading
    unread: tuple[str, ...] = ()

    @property
    def counted(self) -> list[LoggedRun]:
        """The runs behind the claim: scored, no copies, no second run of a seed left out."""
        return [run for run in self.runs if run.counted and run.val_bpb is not None]


@dataclass
class _Entry:
    draft: Draft
    found: list[Scoring]
    copy_of: str | None = None
    chosen: Scoring | None = None
    why: str = ""


def seed_in_name(name: str) -> int | None:
    """The seed named in a log's file name, or else in the name of a folder on the way to it."""
    for part in reversed(name.split("/")):
        found = _SEED_IN_NAME.search(part)
        if found:
            return int(found[1])
    return None


def gather(folder: RecordFolder, claims: Claims) -> Gathered:
    """Read every log and decide which runs and which of their scores the claim is about."""
    logs: list[Log] = []
    unread: list[str] = []
    left, runs = _MOST_BYTES, 0
    for name in log_names(folder):
        left -= folder.files[name].bytes
        if len(logs) >= _MOST_LOGS or left < 0 or runs >= _MOST_RUNS:
            unread.append(name)
            continue
        logs.append(read_log(folder, name))
        runs += len(logs[-1].drafts)
    drafts = [draft for log in logs for draft in log.drafts]
    drop_constants(drafts)
    entries = [_Entry(draft, scorings(draft.evaluations)) for draft in drafts]
    _mark_copies(entries, logs)
    kind, counted, sentence = _choose(entries, claims)
    made = [run_of(entry.draft, entry.found, entry.chosen, entry.why) for entry in entries]
    made = [
        run.model_copy(update={"copy_of": entry.copy_of, "counted": index in counted})
        for index, (run, entry) in enumerate(zip(made, entries, strict=True))
    ]
    figure = claims.val_bpb or _bpb_in_loss_field(claims, made)
    reading = ClaimReading(
        val_bpb=figure.value if figure else None,
        val_loss=claims.val_loss.value if claims.val_loss else None,
        bytes_total=int(claims.bytes_total.value) if claims.bytes_total else None,
        kind=kind,
        file=claims.score_file or claims.file,
        line=figure.line if figure else None,
        sentence=sentence + _left_out(made),
    )
    return Gathered(tuple(logs), tuple(_linked(made)), reading, tuple(unread))


def _left_out(runs: Sequence[LoggedRun]) -> str:
    """Which runs have no score to rest a claim on because they diverged; empty where none did."""
    lost = [run for run in runs if is_lost(run)]
    if not lost:
        return ""
    counted = sum(run.counted and run.val_bpb is not None for run in runs)
    names = listed([in_words(run) for run in lost])
    return f"; of {counted + len(lost)} runs {len(lost)} ended without a finite score: {names}"


def is_lost(run: LoggedRun) -> bool:
    """Whether a run ended without any finite score, and its log says so."""
    return run.not_finite is not None and run.val_bpb is None and not run.copy_of


def in_words(run: LoggedRun) -> str:
    """A run's log, and its seed where that is told."""
    return run.log if run.seed is None else f"{run.log} (seed {run.seed})"


def _mark_copies(entries: list[_Entry], logs: Sequence[Log]) -> None:
    """For each run found twice, name its original: runs that train, and say more, come first."""
    digests = {log.name: log.sha256 for log in logs}
    order = sorted(
        range(len(entries)),
        key=lambda index: (
            entries[index].draft.steps is None,
            seed_in_name(entries[index].draft.log) is None,
            -len(entries[index].draft.settings) // 20,
            index,
        ),
    )
    seen: dict[tuple[object, ...], str] = {}
    for index in order:
        draft = entries[index].draft
        last = last_final(entries[index].found)
        keys: list[tuple[object, ...]] = [(digests[draft.log], draft.lines.get("seed"))]
        if last and last.decimals >= 6:
            keys.append((draft.seed, last.val_bpb, last.val_loss))
        original = next((seen[key] for key in keys if key in seen), None)
        entries[index].copy_of = original
        for key in keys:
            seen.setdefault(key, draft.log)


_Kind = tuple[ClaimKind, set[int], str]


def _choose(entries: list[_Entry], claims: Claims) -> _Kind:
    """Choose the score of every run, and determine the kind of the claim and the runs behind it."""
    own = [index for index, entry in enumerate(entries) if not entry.copy_of]
    for entry in entries:
        entry.chosen, entry.why = last_final(entry.found), "the last score of the log"
        _prefer_claimed(entry, claims)
    figure = claims.val_bpb or _bpb_in_loss_field(
        claims, [run_of(e.draft, e.found, e.chosen, "") for e in entries]
    )
    decided = _kind(entries, own, figure, claims)
    if decided[0] != "unsupported":
        return decided
    names = dict.fromkeys(s.name for i in own for s in reversed(entries[i].found))
    before = [(entry.chosen, entry.why) for entry in entries]
    for name in list(names)[:_MOST_NAMES]:
        for entry in entries:
            named = [scoring for scoring in entry.found if scoring.name == name]
            if named:
                entry.chosen, entry.why = named[-1], "the score that the claim is a figure of"
        other = _kind(entries, own, figure, claims)
        if other[0] != "unsupported":
            return other
        for entry, (chosen, why) in zip(entries, before, strict=True):
            entry.chosen, entry.why = chosen, why
    return decided


def _prefer_claimed(entry: _Entry, claims: Claims) -> None:
    seed = entry.draft.seed if entry.draft.seed is not None else seed_in_name(entry.draft.log)
    for claim in claims.per_seed:
        if claim.val_bpb is None or claim.seed is None or claim.seed != seed:
            continue
        fitting = [s for s in entry.found if _fits(claim.val_bpb, s.val_bpb, s.decimals)]
        if fitting and entry.chosen not in fitting:
            entry.chosen, entry.why = fitting[-1], f"the score claimed for seed {seed}"


def _kind(
    entries: list[_Entry], own: list[int], figure: ClaimedFigure | None, claims: Claims
) -> _Kind:
    scored = {i: s for i in own if (s := entries[i].chosen) is not None}
    everything = set(scored)
    behind = _claimed_seeds(entries, scored, claims)
    if figure is None:
        return "none", behind or everything, "no score is claimed"
    shown = f"{figure.value:.{max(figure.decimals, 4)}f}"
    if not scored:
        return "unsupported", set(), f"{shown} is claimed, and no log here has a score"
    for loose in (False, True):
        for group in [behind, everything] if behind else [everything]:
            if len(group) > 1 and _is_mean(figure, [scored[i] for i in group], loose=loose):
                return "mean", group, f"{shown} is the mean of {len(group)} runs"
        if not loose:
            one = _one_run(entries, scored, behind or everything, figure, shown)
            if one:
                return one
    chosen = _one_for_each_seed(entries, scored, figure)
    if chosen:
        note = f"{shown} is the mean of {len(chosen)} runs, one for each seed"
        return "mean", chosen, note
    near = min((s.val_bpb for s in scored.values()), key=lambda bpb: abs(bpb - figure.value))
    count = len(everything)
    what = f"mean of {count}" if count > 1 else "figure"
    return (
        "unsupported",
        behind or everything,
        f"{shown} is neither the {what} nor one of the logged scores; the nearest is {near:.6f}",
    )


def _one_run(
    entries: list[_Entry],
    scored: dict[int, Scoring],
    group: set[int],
    figure: ClaimedFigure,
    shown: str,
) -> _Kind | None:
    fitting = [i for i, s in scored.items() if _fits(figure, s.val_bpb, s.decimals)]
    if not fitting:
        return None
    if len(scored) == 1:
        return "single", set(scored), f"{shown} is the score of the only run"
    index = min(fitting, key=lambda i: scored[i].val_bpb)
    log = entries[index].draft.log
    group = group | {index}
    mean = fmean(scored[i].val_bpb for i in group)
    others = f"of {len(group)} runs; their mean is {mean:.6f}"
    if scored[index].val_bpb <= min(scored[i].val_bpb for i in group):
        return "best", group, f"{shown} is the best, {log}, {others}"
    return "one_of_several", group, f"{shown} is one, {log}, {others}"


def _claimed_seeds(entries: list[_Entry], scored: dict[int, Scoring], claims: Claims) -> set[int]:
    """The runs whose figures are claimed seed by seed; empty unless every seed has a run."""
    found: set[int] = set()
    wanted = [claim for claim in claims.per_seed if claim.val_bpb]
    for claim in wanted:
        fitting = [
            i
            for i, s in scored.items()
            if i not in found and claim.val_bpb and _fits(claim.val_bpb, s.val_bpb, s.decimals)
        ]
        if not fitting:
            return set()
        named = [
            i
            for i in fitting
            if claim.seed in (entries[i].draft.seed, seed_in_name(entries[i].draft.log))
        ]
        found.add((named or fitting)[0])
    return found


def _one_for_each_seed(
    entries: list[_Entry], scored: dict[int, Scoring], figure: ClaimedFigure
) -> set[int]:
    """One run for each seed, so that their mean is the claim, where seeds were run again."""
    by_seed: dict[int | None, list[int]] = {}
    for i in scored:
        by_seed.setdefault(entries[i].draft.seed, []).append(i)
    choices = 1
    for group in by_seed.values():
        choices *= len(group)
    if len(by_seed) < 2 or not 1 < choices <= _MOST_CHOICES or figure.decimals < 4:
        return set()
    for choice in itertools.product(*by_seed.values()):
        if _is_mean(figure, [scored[i] for i in choice], loose=False):
            return set(choice)
    return set()


def _is_mean(figure: ClaimedFigure, found: Sequence[Scoring], *, loose: bool) -> bool:
    mean = fmean(scoring.val_bpb for scoring in found)
    decimals = min(scoring.decimals for scoring in found)
    return _fits(figure, mean, decimals, units=1.0 if loose else 0.5)


def _fits(figure: ClaimedFigure, value: float, decimals: int, *, units: float = 0.5) -> bool:
    width = units * 10.0 ** -min(figure.decimals, decimals)
    return abs(figure.value - value) <= min(width, WIDEST_BPB) * 1.001 + 1e-9


def _bpb_in_loss_field(claims: Claims, runs: Sequence[LoggedRun]) -> ClaimedFigure | None:
    """A score written in the field of the loss, as in some files without ``val_bpb``."""
    figure = claims.val_loss
    scores = [run.val_bpb for run in runs if run.val_bpb is not None]
    losses = [run.val_loss for run in runs if run.val_loss is not None]
    if claims.val_bpb or figure is None or not scores:
        return None
    off_score = min(abs(figure.value - score) for score in scores)
    off_loss = min((abs(figure.value - loss) for loss in losses), default=100.0)
    return figure if off_score < 0.02 and off_score < off_loss else None


def _linked(runs: list[LoggedRun]) -> list[LoggedRun]:
    """Runs that only score get the training figures of the only training with their seed."""
    trained = [run for run in runs if run.steps is not None and not run.copy_of]
    linked = []
    for run in runs:
        same = [other for other in trained if other.seed is not None and other.seed == run.seed]
        if run.steps is None and run.total_bytes is None and not run.copy_of and len(same) == 1:
            source = same[0]
            update = {name: getattr(source, name) for name in BORROWED}
            told = {name: line for name, line in source.lines.items() if name in BORROWED}
            update["lines"] = {**run.lines, **told}
            linked.append(run.model_copy(update={**update, "trained_in": source.log}))
        else:
            linked.append(run)
    return linked
