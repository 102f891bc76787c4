"""What a verdict must say of an entry in upstream's layout, as far as its own figures tell.

The evidence is not at hand: how far two losses are apart, and how far a track lets a claim be off,
stand in the verdict as what was measured and what was the limit. What follows from them is here.
"""

from collections.abc import Callable, Iterator
from statistics import fmean

from harness.judge.differing import differs
from harness.judge.rules.reproduction import comparable_bpb
from harness.judge.stages import stages_of
from harness.judge.verdict import Verdict
from harness.models import Finding, Status

Figure = float | int | str | None


def about_the_layout(verdict: Verdict, *, today: bool) -> Iterator[str]:
    """What is only reproduced, and that a foreign layout is told exactly where there is one."""
    found = verdict.upstream
    if today and (found is not None) != (verdict.layout == "upstream"):
        yield f"upstream: found {'one' if found else 'none'}, expected one exactly of that layout"
    if found is None:
        return
    resting = not found.asked or found.rests_on is not None
    yield differs("upstream.only_reproduced", found.only_reproduced, resting)
    if found.once_blind and verdict.statistics.bar_bpb is not None:
        yield "statistics.bar_bpb: found one, expected none: no score of it is compared with a bar"
    if found.once_blind and verdict.spending is not None:
        yield "spending: found some, expected none: no score of it is compared with a bar"
    if found.scaled_down and not verdict.rehearsal:
        yield "upstream.scaled_down: found True, expected False: it is made small to rehearse"
    if not today:
        return
    stages = stages_of(
        verdict.checks,
        asked=found.asked,
        rests_on=found.rests_on,
        mean_bpb=verdict.statistics.mean_bpb,
    )
    told = {stage.name: stage for stage in found.stages}
    if list(told) != [stage.name for stage in stages] or len(told) != len(found.stages):
        yield "upstream.stages: found others, expected each of the four once, in their order"
    for stage in stages:
        if stage.name in told and told[stage.name] != stage:
            yield f"upstream.stages.{stage.name}: found another, expected what its checks say"


def asked_of_upstream(verdict: Verdict) -> dict[str, bool | None]:
    """Whether the questions about the layout arose; None where the track alone tells."""
    upstream = verdict.upstream
    limits = (verdict.train_limit_seconds, verdict.score_limit_seconds)
    return {
        **dict.fromkeys(("bridge", "sealed", "reproduction"), upstream is not None),
        "total_wallclock": upstream is not None and None not in limits,
        "own_evaluation": upstream is not None and upstream.only_reproduced,
        "blind": False if upstream is None or upstream.only_reproduced else None,
    }


def figures_of_upstream(verdict: Verdict) -> dict[str, Figure]:
    """What checks about the layout must have measured, by id."""
    if verdict.upstream is None:
        return {}
    seconds = [each for each in _whole_seconds(verdict) if each is not None]
    printed = _printed(verdict)
    claim = verdict.claim.val_bpb
    worse = None
    if _is_beside_the_claim(verdict) and printed and claim is not None:
        worse = fmean(printed) - claim
    return {
        "total_wallclock": max(seconds, default=None),
        "reproduction": worse,
        "blind": _better_than_ours(verdict),
    }


def _is_beside_the_claim(verdict: Verdict) -> bool:
    """Whether what was printed is held against what is claimed."""
    told, upstream = _check(verdict, "reproduction"), verdict.upstream
    if told is None or upstream is None:
        return False
    if told.limit is not None or told.measured is not None:
        return True
    # Whose model is asked has no limit, but the track that says how far claims are off asks both.
    asks = _check(verdict, "blind") is not None and not upstream.scaled_down
    return asks and told.status == "pass"


def limits_of_upstream(verdict: Verdict) -> dict[str, Figure]:
    """What checks about the layout must have for a limit, by id."""
    if verdict.upstream is None:
        return {}
    train, score = verdict.train_limit_seconds, verdict.score_limit_seconds
    both = None if train is None or score is None else train + score
    return {
        "total_wallclock": both,
        "sealed": len(verdict.seeds),
    }


def _check(verdict: Verdict, rule: str) -> Finding | None:
    return next((check for check in verdict.checks if check.id == rule), None)


def _whole_seconds(verdict: Verdict) -> list[float | None]:
    whole = [row.whole_seconds for row in verdict.seeds]
    return [*whole, *(row.seconds for row in verdict.reproductions)]


def _printed(verdict: Verdict) -> list[float]:
    return [row.printed_bpb for row in verdict.reproductions if row.printed_bpb is not None]


def _better_than_ours(verdict: Verdict) -> float | None:
    """By how much a printed score was better than ours of the same seed, at most, BPB."""
    ours = {row.seed: row.counted_bpb for row in verdict.seeds if row.counted_bpb is not None}
    found = [
        ours[row.seed]
        - comparable_bpb(
            row.printed_bpb,
            row.printed_loss,
            targets=verdict.targets,
            text_bytes=verdict.statistics.text_bytes,
            scaled_down=verdict.upstream is not None and verdict.upstream.scaled_down,
        )
        for row in verdict.reproductions
        if row.printed_bpb is not None and row.seed in ours
    ]
    return max(found, default=None)


Either = frozenset[Status]
_PASS: Either = frozenset({"pass"})
_FAIL: Either = frozenset({"fail"})
_UNKNOWN: Either = frozenset({"unknown"})
_ANY: Either = _PASS | _FAIL | _UNKNOWN


def _bridge(verdict: Verdict, check: Finding) -> Either:
    apart, limit = check.measured, check.limit
    if isinstance(apart, int | float) and isinstance(limit, int | float):
        return _PASS if apart <= limit else _UNKNOWN
    whole = verdict.upstream is not None and not verdict.upstream.asked
    return _ANY if whole else _FAIL | _UNKNOWN


def _total_wallclock(verdict: Verdict, check: Finding) -> Either:
    seconds, limit = _whole_seconds(verdict), check.limit
    known = [each for each in seconds if each is not None]
    if isinstance(limit, int | float) and any(each > limit for each in known):
        return _FAIL | _UNKNOWN
    troubles = [row.trouble for row in verdict.seeds]
    troubles += [row.trouble for row in verdict.reproductions]
    killed = any(trouble is not None for trouble in troubles)
    if not known or len(known) < len(seconds):
        return _FAIL | _UNKNOWN if killed else _UNKNOWN
    return _ANY if killed else _PASS


def _sealed(verdict: Verdict, check: Finding) -> Either:
    left, kept = sum(row.artifact_bytes is not None for row in verdict.seeds), check.measured
    if not isinstance(kept, int) or kept > left:
        return frozenset()
    return _PASS if verdict.seeds and kept == len(verdict.seeds) else _FAIL | _UNKNOWN


def _own_evaluation(verdict: Verdict, check: Finding) -> Either:
    printed, floor = check.measured, check.limit
    if isinstance(printed, int | float) and isinstance(floor, int | float):
        return _FAIL if printed < floor else _PASS | _UNKNOWN
    return _UNKNOWN


def _reproduction(verdict: Verdict, check: Finding) -> Either:
    """Whatever it printed, it fails where its artifact was another one at the end."""
    upstream = verdict.upstream
    rows, printed = verdict.reproductions, _printed(verdict)
    if not rows or len(printed) < len(rows):
        return _FAIL | _UNKNOWN
    code = verdict.seeds[0].code_bytes if verdict.seeds else 0
    sizes = [row.artifact_bytes for row in rows]
    if any(size is None or size + code > verdict.bytes_limit for size in sizes):
        return _FAIL
    worse, limit = check.measured, check.limit
    if isinstance(worse, int | float) and isinstance(limit, int | float):
        return _PASS | _FAIL if worse <= limit else _FAIL
    if upstream is None or upstream.scaled_down or not upstream.only_reproduced:
        return _PASS | _FAIL
    return _FAIL | _UNKNOWN


def _blind(verdict: Verdict, check: Finding) -> Either:
    better, limit = check.measured, check.limit
    if not isinstance(better, int | float) or not isinstance(limit, int | float):
        return _UNKNOWN
    if better > limit:
        return _FAIL
    return _UNKNOWN if better < -limit else _PASS


UPSTREAM_ANSWERS: dict[str, Callable[[Verdict, Finding], Either]] = {
    "bridge": _bridge,
    "total_wallclock": _total_wallclock,
    "sealed": _sealed,
    "own_evaluation": _own_evaluation,
    "reproduction": _reproduction,
    "blind": _blind,
}
