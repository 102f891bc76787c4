"""What a verdict says, in sentences; every scorecard uses the same ones."""

import math

from harness.judge.verdict import SeedResult, StatisticsResult, Verdict, VerdictName
from harness.report.figures import against, number, odds
from harness.safeio.text import plain

NAME_LIMIT = 80
DETAIL_LIMIT = 380
PATH_LIMIT = 1024

TAGLINES: dict[VerdictName, str] = {
    "VERIFIED": "a new record",
    "REJECTED": "not a record",
    "INCONCLUSIVE": "no judgment, and nothing counts against the submission",
    "REHEARSED": "success",
    "REPRODUCED": "it printed this again, and nobody has checked that it is true",
}


def qualifiers(verdict: Verdict) -> list[str]:
    """What limits this verdict, one sentence each; empty for an ordinary one."""
    lines = []
    if not verdict.isolated:
        lines.append(f"rehearsal: not isolated ({verdict.sandbox} sandbox)")
    if verdict.rehearsal:
        lines.append("rehearsal: never a verified record")
    if not verdict.seeds_drawn:
        lines.append("seeds chosen by hand: these runs cannot verify a record")
    if verdict.segment is not None:
        lines.append(f"adaptive (segment {verdict.segment:,}): learns from what was scored")
    if verdict.rescored_from:
        lines.append(f"scored again, not trained again, from {plain(verdict.rescored_from, 200)}")
    return lines


def sandbox(verdict: Verdict) -> str:
    """Where it ran: the kind of sandbox, and the engine's runtime where there is one."""
    runtime = verdict.sandbox_runtime
    return f"{verdict.sandbox}, runtime {runtime}" if runtime else verdict.sandbox


def headline(statistics: StatisticsResult) -> str:
    """The mean against what is needed; empty when there is no mean."""
    mean = statistics.mean_bpb
    if mean is None:
        return ""
    shown, needed = against(mean, statistics.threshold_bpb, "BPB")
    seeds = "1 seed" if statistics.n == 1 else f"mean of {statistics.n} seeds"
    if statistics.threshold_bpb is None:
        return f"{shown} BPB ({seeds}); this track has no bar to beat"
    return f"{shown} BPB ({seeds}); needed: below {needed} BPB"


def _distance(threshold: float, mean: float) -> str:
    """Where the mean lies, as ``X BPB below the T BPB needed``."""
    _, needed = against(mean, threshold, "BPB")
    if mean == threshold:
        return f"exactly at the {needed} BPB needed"
    distance, _ = against(abs(threshold - mean), 0, "BPB")
    return f"{distance} BPB {'below' if mean < threshold else 'above'} the {needed} BPB needed"


def _tested(statistics: StatisticsResult, mean: float, threshold: float) -> str:
    shown, _ = against(mean, threshold, "BPB")
    lead = f"The {statistics.n} seeds average {shown} BPB, which is {_distance(threshold, mean)}."
    if mean >= threshold:
        beats_bar = statistics.bar_bpb is not None and mean < statistics.bar_bpb
        return f"{lead} " + (
            "That is better than the bar, but not by the margin."
            if beats_bar
            else "The bar is not beaten."
        )
    if statistics.p is None:
        return lead
    p, p_below = against(statistics.p, statistics.p_below, "p")
    chance = (
        f"If the model were no better than that, seeds this good would come up "
        f"{odds(statistics.p)} (p = {p}; required: below {p_below})."
    )
    if statistics.significant:
        return f"{lead} {chance} The bar is beaten."
    hint = f"{lead} {chance} That may be luck: the bar is not shown to be beaten."
    if statistics.seeds_for_power_90 is not None:
        hint += (
            f" At this distance and spread, {statistics.seeds_for_power_90:,} seeds would show "
            "it nine times in ten."
        )
    return hint


def ttest_in_words(statistics: StatisticsResult) -> str:
    """The t-test in words that need no statistics."""
    mean = statistics.mean_bpb
    if statistics.case == "no seeds":
        return "No seed run produced a score, so there is nothing to test."
    if statistics.case == "not finite" or mean is None or not math.isfinite(mean):
        return "The score of a seed is not a finite number, so nothing can be tested."
    threshold = statistics.threshold_bpb
    shown, _ = against(mean, threshold, "BPB")
    if threshold is None:
        return f"The mean is {shown} BPB. This track has no bar, so nothing is tested."
    if statistics.case == "tested":
        return _tested(statistics, mean, threshold)
    if statistics.case == "one seed":
        return (
            f"One seed run produced a score, {shown} BPB, which is {_distance(threshold, mean)}. "
            "A t-test needs at least two, so luck cannot be ruled out."
        )
    return (
        f"All {statistics.n} seeds scored exactly {shown} BPB, "
        f"which is {_distance(threshold, mean)}. Without any spread a t-test is not defined; "
        f"this {'counts' if statistics.significant else 'does not count'} as beating the bar."
    )


def spending_in_words(verdict: Verdict) -> list[tuple[str, str]]:
    """Which try of its author it is, and the level that this leaves; empty where none is charged.

    The level is the test's own, as it was fixed when the verification began.
    """
    found, level = verdict.spending, verdict.statistics.p_below
    if found is None or level is None:
        return []
    said = f"try {found.earlier + 1:,} of this author since the bar fell: tested at {level:.3g}"
    return [("tries", f"{said}; all his tries share {found.level:g}")]


def baselines_in_words(verdict: Verdict) -> list[tuple[str, str]]:
    """Each baseline of the dataset as label and comparison with the mean, hardest last."""
    mean = verdict.statistics.mean_bpb
    rows = []
    next_found = False
    for name, bpb in sorted(verdict.baselines.items(), key=lambda item: (-item[1], item[0])):
        text = f"{plain(name, NAME_LIMIT)}, {number(bpb, 'BPB')} BPB"
        if mean is None or not math.isfinite(mean):
            rows.append(("baseline", text))
            continue
        distance, _ = against(abs(bpb - mean), 0, "BPB")
        if mean < bpb:
            rows.append(("baseline", f"{text}: beaten by {distance}"))
        else:
            rows.append(("baseline" if next_found else "next to beat", f"{text}: {distance} to go"))
            next_found = True
    return rows


def counted_bytes(seed: SeedResult) -> int | None:
    """Bytes of code and artifact together; None when there is no artifact."""
    return None if seed.artifact_bytes is None else seed.artifact_bytes + seed.code_bytes


def claim_in_words(verdict: Verdict) -> list[tuple[str, str]]:
    """What the submission claims beside what was measured; empty when it claims nothing."""
    rows = []
    claim, mean = verdict.claim, verdict.statistics.mean_bpb
    if claim.val_bpb is not None:
        text = f"claimed {number(claim.val_bpb, 'BPB')} BPB"
        if mean is not None:
            text += f", measured {number(mean, 'BPB')} BPB ({mean - claim.val_bpb:+.6f})"
        rows.append(("score", text))
    if claim.bytes_total is not None:
        text = f"claimed {number(claim.bytes_total)}"
        totals = [total for seed in verdict.seeds if (total := counted_bytes(seed)) is not None]
        if totals:
            text += f", measured {max(totals):,} ({max(totals) - claim.bytes_total:+,})"
        rows.append(("bytes", text))
    return rows
