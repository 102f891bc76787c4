"""What the checks of a verdict must say, as far as it follows from the rest of the verdict.

These figures are the same in every edition, because an id never changes what it asks. Answers, and
limits that are constants of the rules, are those of this harness's own rules.
"""

from collections.abc import Callable, Iterable
from itertools import combinations
from statistics import fmean

from harness.judge.check_upstream import (
    UPSTREAM_ANSWERS,
    asked_of_upstream,
    figures_of_upstream,
    limits_of_upstream,
)
from harness.judge.rules import clocks, confirmation, seed_spread
from harness.judge.rules.doubts import Charged, charged
from harness.judge.rules.holdout import beyond_chance
from harness.judge.rules.memorisation import LEAST_MARGIN_BPB, MATERIAL_SHARE
from harness.judge.rules.significance import answer_of
from harness.judge.verdict import SeedResult, Verdict
from harness.models import Finding, Status

Figure = float | int | str | None
Either = frozenset[Status]
PASS: Either = frozenset({"pass"})
FAIL: Either = frozenset({"fail"})
UNKNOWN: Either = frozenset({"unknown"})
NO_PASS: Either = FAIL | UNKNOWN
ANY: Either = PASS | NO_PASS

_ASKED_AGAIN = ("causality", "memory")
_OF_ANSWERS = frozenset(
    {"scoring", "score_wallclock", "coverage", "causality", "memory", "memorisation"}
)
"""Questions about what a model answered, which do not arise where it cannot be asked."""
_OF_OUR_SCORE = frozenset({"seed_spread", "holdout"})
"""Questions that do not arise where no score of ours is at stake."""
_THE_TRACK_TELLS = frozenset({"holdout", "memory"})
"""Whether these questions arise depends on settings that no verdict repeats."""


def sizes_of(verdict: Verdict) -> list[int]:
    """Bytes of artifact and code, one for each artifact."""
    return [
        row.artifact_bytes + row.code_bytes
        for row in verdict.seeds
        if row.artifact_bytes is not None
    ]


def scores_of(verdict: Verdict) -> list[float]:
    """The scores of the seeds that have one, BPB."""
    return [row.counted_bpb for row in verdict.seeds if row.counted_bpb is not None]


def looked_at(verdict: Verdict) -> list[SeedResult]:
    """The rows of the looks."""
    return [row for row in verdict.seeds if row.purpose == "look"]


def tested_scores(verdict: Verdict) -> list[float]:
    """The scores that the statistics are of, BPB: up to the look that decides, if one has."""
    scores = [row.counted_bpb for row in looked_at(verdict) if row.counted_bpb is not None]
    return scores[: verdict.statistics.n]


def measured_figures(verdict: Verdict) -> dict[str, Figure]:
    """The figures that checks must have measured, by id."""
    rows, scores = verdict.seeds, scores_of(verdict)
    gaps = [row.gap_bpb for row in rows if row.gap_bpb is not None]
    return {
        "seeds": _seeds_run(verdict),
        "train_wallclock": _worst(row.train_seconds for row in rows),
        "artifact": sum(row.artifact_bytes is not None for row in rows),
        "bytes": max(sizes_of(verdict), default=None),
        **({"brought_along": verdict.brought.counted_bytes} if verdict.brought else {}),
        "scoring": len(scores),
        "score_wallclock": _worst(row.score_seconds for row in rows),
        "coverage": min((row.targets for row in rows if row.targets is not None), default=None),
        "seed_spread": seed_spread.spread_of(verdict.statistics, scores).bpb,
        "holdout": fmean(gaps) if gaps else None,
        "significance": verdict.statistics.p,
        "confirmation": verdict.confirmation.p if verdict.confirmation else None,
        "doubts": _charged(verdict).p,
        **figures_of_upstream(verdict),
    }


def _seeds_run(verdict: Verdict) -> int:
    """Seeds that were run, of those that the looks need."""
    told = _check(verdict, "seeds")
    limit = told.limit if told and isinstance(told.limit, int) else None
    needed = verdict.statistics.runs_needed or limit
    rows = looked_at(verdict)
    return sum(needed is None or row.place is None or row.place <= needed for row in rows)


def fresh_scores(verdict: Verdict) -> list[float]:
    """The scores of the seeds that confirm, BPB: as many as the track asks for."""
    asked = verdict.confirmation.runs if verdict.confirmation else 0
    rows = [row for row in verdict.seeds if row.purpose == "confirmation"]
    kept = [row for row in rows[:asked] if not row.lost]
    return [row.counted_bpb for row in kept if row.counted_bpb is not None]


def _charged(verdict: Verdict) -> Charged:
    if verdict.statistics.threshold_bpb is None:
        return Charged(None, None, stands=False)
    return charged(
        verdict.doubts,
        verdict.statistics,
        tested_scores(verdict),
        verdict.confirmation,
        fresh_scores(verdict),
    )


def limit_figures(verdict: Verdict) -> dict[str, Figure]:
    """What checks must have for a limit, by id."""
    again = [_check(verdict, rule) for rule in _ASKED_AGAIN]
    told_as_step = [each.id for each in again if each is not None and each.unit == "seed runs"]
    return {
        **dict.fromkeys(told_as_step, len(verdict.seeds)),
        "train_wallclock": verdict.train_limit_seconds,
        "score_wallclock": verdict.score_limit_seconds,
        "bytes": verdict.bytes_limit,
        **({"brought_along": verdict.brought.limit_bytes} if verdict.brought else {}),
        "coverage": verdict.targets,
        "significance": verdict.statistics.asked_level,
        "confirmation": verdict.confirmation.p_below if verdict.confirmation else None,
        "doubts": _charged(verdict).limit,
        **({"seeds": verdict.statistics.runs_needed} if verdict.statistics.looks else {}),
        **dict.fromkeys(("training", "artifact", "scoring"), len(verdict.seeds)),
        **limits_of_upstream(verdict),
    }


def limits_of_these_rules(verdict: Verdict) -> dict[str, Figure]:
    """Limits that are constants of this harness's rules, by id."""
    margin = verdict.statistics.margin_bpb
    return {
        "seed_spread": seed_spread.spread_of(verdict.statistics, ()).least,
        "clocks": clocks.CLOCK_TOLERANCE_SECONDS,
        "memorisation": MATERIAL_SHARE * (LEAST_MARGIN_BPB if margin is None else margin),
    }


def asked(verdict: Verdict, rule: str) -> bool | None:
    """Whether a rule's question arose; None where the verdict does not say."""
    seeds, statistics = _check(verdict, "seeds"), verdict.statistics
    wanted = seeds.limit if seeds else None
    if statistics.looks:
        wanted = statistics.looks[-1].runs
    upstream = verdict.upstream
    if upstream is not None and not upstream.asked and rule in _OF_ANSWERS:
        return False
    if upstream is not None and upstream.once_blind and rule in _OF_OUR_SCORE:
        return False
    told: dict[str, bool | None] = {
        **asked_of_upstream(verdict),
        "train_wallclock": verdict.train_limit_seconds is not None,
        "score_wallclock": verdict.score_limit_seconds is not None,
        "significance": statistics.bar_bpb is not None,
        "confirmation": verdict.confirmation is not None,
        "doubts": bool(verdict.doubts) and statistics.significant,
        "brought_along": verdict.brought is not None,
        "seed_spread": wanted >= 2 if isinstance(wanted, int) else None,
        **dict.fromkeys(_THE_TRACK_TELLS, None),
    }
    return told.get(rule, True)


def possible(verdict: Verdict, check: Finding) -> Either:
    """The answers that this harness's rules can give to a question."""
    ask = _ANSWERS.get(check.id)
    return ask(verdict, check) if ask else ANY


def _check(verdict: Verdict, rule: str) -> Finding | None:
    return next((check for check in verdict.checks if check.id == rule), None)


def _worst(seconds: Iterable[float | None]) -> float | None:
    return max((each for each in seconds if each is not None), default=None)


def _seeds(verdict: Verdict, check: Finding) -> Either:
    if not verdict.seeds_drawn or check.measured != check.limit:
        return UNKNOWN
    return PASS | UNKNOWN


def _isolation(verdict: Verdict, check: Finding) -> Either:
    return PASS | UNKNOWN if verdict.isolated else UNKNOWN


def _tokenizer(verdict: Verdict, check: Finding) -> Either:
    whole = isinstance(check.limit, int) and check.measured == check.limit
    return ANY if whole else NO_PASS


def _step(verdict: Verdict, check: Finding) -> Either:
    """The answers for a step that each run must pass: no pass unless all runs passed it."""
    return ANY if verdict.seeds and check.measured == len(verdict.seeds) else NO_PASS


def _wallclock(verdict: Verdict, check: Finding) -> Either:
    rows = verdict.seeds
    train = check.id == "train_wallclock"
    seconds = [row.train_seconds if train else row.score_seconds for row in rows]
    limit = verdict.train_limit_seconds if train else verdict.score_limit_seconds
    known = [each for each in seconds if each is not None]
    if limit is not None and any(each > limit for each in known):
        return NO_PASS
    killed = any(row.trouble is not None for row in rows)
    if not known or len(known) < len(rows):
        return NO_PASS if killed else UNKNOWN
    return ANY if killed else PASS


def _bytes(verdict: Verdict, check: Finding) -> Either:
    sizes = sizes_of(verdict)
    if any(size > verdict.bytes_limit for size in sizes):
        return FAIL
    return PASS if sizes and len(sizes) == len(verdict.seeds) else UNKNOWN


def _brought_along(verdict: Verdict, check: Finding) -> Either:
    found = verdict.brought
    if found is None:
        return ANY
    if found.bytes > found.limit_bytes:
        return FAIL
    within = FAIL if found.counted_bytes > found.limit_bytes else PASS
    if not found.tokenizer_bytes:
        return within
    return within if verdict.tokenizer else UNKNOWN


def _coverage(verdict: Verdict, check: Finding) -> Either:
    whole = (verdict.targets, verdict.statistics.text_bytes)
    covered = all((row.targets, row.bytes) == whole for row in verdict.seeds)
    return PASS | UNKNOWN if verdict.seeds and covered else UNKNOWN


def _asked_again(verdict: Verdict, check: Finding) -> Either:
    if check.unit == "seed runs":  # a failure, told as of every step
        return NO_PASS
    return ANY if verdict.seeds else UNKNOWN


def _seed_spread(verdict: Verdict, check: Finding) -> Either:
    artifacts = [row.artifact_sha256 for row in verdict.seeds if row.artifact_sha256 is not None]
    scores = scores_of(verdict)
    same = any(one == other for one, other in combinations(artifacts, 2))
    spread, least, *_ = seed_spread.spread_of(verdict.statistics, scores)
    matters = spread is not None and spread >= least
    return PASS if matters and not same else UNKNOWN


def _clocks(verdict: Verdict, check: Finding) -> Either:
    apart = check.measured
    agree = isinstance(apart, int | float) and apart <= clocks.CLOCK_TOLERANCE_SECONDS
    return PASS if agree else UNKNOWN


def _memorisation(verdict: Verdict, check: Finding) -> Either:
    known = verdict.memorisation is not None and check.measured is not None
    return PASS | UNKNOWN if known else UNKNOWN


def _holdout(verdict: Verdict, check: Finding) -> Either:
    rows, p_below, allowed = verdict.seeds, verdict.statistics.p_below, check.limit
    known = [
        (row.gap_bpb, row.gap_standard_error_bpb)
        for row in rows
        if row.gap_bpb is not None and row.gap_standard_error_bpb is not None
    ]
    if len(known) < max(len(rows), 2) or p_below is None or not isinstance(allowed, int | float):
        return NO_PASS
    gaps, errors = [gap - allowed for gap, _ in known], [error for _, error in known]
    # The verdict's own level is at most the track's: what is significant there is significant here.
    return NO_PASS if beyond_chance(gaps, errors, p_below=p_below) else ANY


def _significance(verdict: Verdict, check: Finding) -> Either:
    return frozenset({answer_of(verdict.statistics).status})


def _confirmation(verdict: Verdict, check: Finding) -> Either:
    found, tested = verdict.confirmation, verdict.statistics
    if found is None:
        return ANY
    together = tested.n + found.n
    return frozenset(
        {confirmation.answer_of(found, threshold=tested.threshold_bpb, together=together)[0]}
    )


def _doubts(verdict: Verdict, check: Finding) -> Either:
    return PASS if _charged(verdict).stands else UNKNOWN


_ANSWERS: dict[str, Callable[[Verdict, Finding], Either]] = {
    "seeds": _seeds,
    "isolation": _isolation,
    "tokenizer": _tokenizer,
    "training": _step,
    "artifact": _step,
    "scoring": _step,
    "train_wallclock": _wallclock,
    "score_wallclock": _wallclock,
    "bytes": _bytes,
    "brought_along": _brought_along,
    "coverage": _coverage,
    **dict.fromkeys(_ASKED_AGAIN, _asked_again),
    "seed_spread": _seed_spread,
    "clocks": _clocks,
    "memorisation": _memorisation,
    "holdout": _holdout,
    "significance": _significance,
    "confirmation": _confirmation,
    "doubts": _doubts,
    **UPSTREAM_ANSWERS,
}
