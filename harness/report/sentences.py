"""The sentences of a verdict; every scorecard uses the same ones."""

import math
from statistics import fmean

from harness.judge.slowness import is_busy
from harness.judge.tested import LookResult, StatisticsResult
from harness.judge.verdict import SeedResult, StreamsResult, Verdict, VerdictName
from harness.report.figures import against, duration, number, odds
from harness.safeio.text import plain

NAME_LIMIT = 80
DETAIL_LIMIT = 380
PATH_LIMIT = 1024

TAGLINES: dict[VerdictName, str] = {
    "VERIFIED": "a new record",
    "REJECTED": "not a record",
    "INCONCLUSIVE": "no judgment, and nothing counts against the submission",
    "REHEARSED": "success",
    "REPRODUCED": "its own figure, and never a record",
}


def qualifiers(verdict: Verdict) -> list[str]:
    """The limitations of this verdict, one sentence each; empty for an ordinary one."""
    lines = []
    if not verdict.isolated:
        lines.append(f"rehearsal: not isolated ({verdict.sandbox} sandbox)")
    if verdict.rehearsal:
        lines.append("rehearsal: never a verified record")
    for decision in verdict.decisions:
        rule, who = plain(decision.rule, NAME_LIMIT), plain(decision.who, NAME_LIMIT)
        lines.append(
            f"{rule} could not tell, and was decided by hand: {decision.outcome}, by {who}"
        )
    if verdict.time_scale is not None:
        times = f"{verdict.time_scale:g} times the track's time"
        lines.append(f"rehearsal: every budget was {times} (--slow), so its seconds prove nothing")
    if not verdict.seeds_drawn:
        lines.append("seeds chosen by hand: these runs cannot verify a record")
    if verdict.streams is not None:
        lines.append(_by_document(verdict.streams))
    elif verdict.segment is not None:
        lines.append(f"adaptive (segment {verdict.segment:,}): learns from what was scored")
    if verdict.rescored_from:
        lines.append(f"scored again, not trained again, from {plain(verdict.rescored_from, 200)}")
    return lines


def _by_document(streams: StreamsResult) -> str:
    rows = "1 document" if streams.rows == 1 else f"{streams.rows:,} documents"
    line = f"by document ({rows} at once on each device, segment {streams.segment:,})"
    if streams.observes:
        line += ": learns from what was scored"
    if streams.studies:
        times = "once" if streams.studies == 1 else f"{streams.studies:,} times"
        line += f", and {times} from all documents that were finished"
    return line


def effort_in_words(verdict: Verdict) -> list[tuple[str, str]]:
    """How long all of it took, how fast it was scored, and how busy the machine was."""
    rows = []
    if verdict.seconds is not None:
        count = len(verdict.seeds) + len(verdict.reproductions)
        of = f" for {count} run{'' if count == 1 else 's'}" if count else ""
        rows.append(("took", f"{duration(verdict.seconds)}{of}"))
    rates = [seed.tokens_per_second for seed in verdict.seeds if seed.tokens_per_second]
    if rates:
        slowest = f", the slowest seed {min(rates):,.0f}" if min(rates) < max(rates) else ""
        rows.append(("speed", f"{fmean(rates):,.0f} tokens a second while scoring{slowest}"))
    busy = [seed.busy for seed in verdict.seeds if seed.busy is not None]
    if busy:
        most = max(busy, key=lambda each: each.load / each.cores)
        cores = "1 core" if most.cores == 1 else f"{most.cores} cores"
        other = ": busy with other work" if is_busy(most.load, most.cores) else ""
        rows.append(("machine", f"{cores}, load average up to {most.load:.1f}{other}"))
    return rows


def sandbox(verdict: Verdict) -> str:
    """Where it ran: the kind of sandbox, and the engine's runtime if there is one."""
    runtime = verdict.sandbox_runtime
    return f"{verdict.sandbox}, runtime {runtime}" if runtime else verdict.sandbox


def only_reproduced(verdict: Verdict) -> bool:
    """Whether no score of ours is at stake, but one that a script prints."""
    return verdict.upstream is not None and verdict.upstream.only_reproduced


def printed_bpb(verdict: Verdict) -> float | None:
    """The mean of what a script printed when it was run whole, BPB; None where it printed none."""
    printed = [run.printed_bpb for run in verdict.reproductions if run.printed_bpb is not None]
    return fmean(printed) if printed else None


def headline(verdict: Verdict) -> str:
    """The score compared with what is needed; empty when there is none."""
    if only_reproduced(verdict):
        return _printed(verdict)
    statistics = verdict.statistics
    mean = statistics.mean_bpb
    if mean is None:
        return ""
    shown, needed = against(mean, statistics.threshold_bpb, "BPB")
    seeds = "1 seed" if statistics.n == 1 else f"mean of {statistics.n} seeds"
    if verdict.upstream is not None and verdict.upstream.once_blind:
        return f"{shown} BPB ({seeds}); made small, and compared with no bar"
    if statistics.threshold_bpb is None:
        return f"{shown} BPB ({seeds}); this track has no bar to beat"
    return f"{shown} BPB ({seeds}); needed: below {needed} BPB"


def _printed(verdict: Verdict) -> str:
    """What a script printed, its claim, and what its network alone scores."""
    printed, claim = printed_bpb(verdict), verdict.claim.val_bpb
    mean, scaled = verdict.statistics.mean_bpb, verdict.upstream and verdict.upstream.scaled_down
    parts = []
    if printed is not None:
        beside = f" (claimed: {number(claim, 'BPB')})" if claim is not None and not scaled else ""
        parts.append(f"printed {number(printed, 'BPB')} BPB{beside}")
    if mean is not None:
        parts.append(f"the network alone scores {number(mean, 'BPB')} BPB")
    return "; ".join(parts)


def waited_in_words(verdict: Verdict) -> str:
    """How much of the scoring was ours, at worst; empty where nobody measured it."""
    shares = [seed.waited_share for seed in verdict.seeds if seed.waited_share is not None]
    if not shares:
        return ""
    share = f"{100 * max(shares):.1f} %"
    return f"While it was scored, the model waited for the harness for {share} of the time."


def confirmed(verdict: Verdict) -> str:
    """The mean of the seeds that nobody selected; empty where there are none."""
    found = verdict.confirmation
    if found is None or found.mean_bpb is None:
        return ""
    shown, _ = against(found.mean_bpb, verdict.statistics.threshold_bpb, "BPB")
    return f"{shown} BPB (mean of {found.n} fresh seeds): the score to publish"


def _distance(threshold: float, mean: float) -> str:
    """The distance of the mean, as ``X BPB below the T BPB needed``."""
    _, needed = against(mean, threshold, "BPB")
    if mean == threshold:
        return f"exactly at the {needed} BPB needed"
    distance, _ = against(abs(threshold - mean), 0, "BPB")
    return f"{distance} BPB {'below' if mean < threshold else 'above'} the {needed} BPB needed"


def _tested(statistics: StatisticsResult, mean: float, threshold: float, *, over: bool) -> str:
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
    p, p_below = against(statistics.p, statistics.asked_level, "p")
    chance = (
        f"If the model were no better than that, seeds this good would come up "
        f"{odds(statistics.p)} (p = {p}; required: below {p_below})."
    )
    if statistics.significant:
        return f"{lead} {chance} The bar is beaten."
    hint = f"{lead} {chance} That may be luck: the bar is not shown to be beaten."
    if statistics.seen is not None and statistics.seen.outcome == "went on":
        return hint if over else f"{hint} {statistics.runs_needed} seeds are looked at next."
    if statistics.seeds_for_power_90 is not None:
        hint += (
            f" At this distance and spread, {statistics.seeds_for_power_90:,} seeds would show "
            "it nine times in ten."
        )
    return hint


def _stopped(statistics: StatisticsResult, look: LookResult, threshold: float) -> str:
    """Why a look was the last one; ``look`` was found hopeless."""
    mean, line = look.mean_bpb or 0.0, look.hopeless_above_bpb or 0.0
    shown, limit = against(mean, line, "BPB")
    seeds = "One seed" if look.runs == 1 else f"{look.runs} seeds"
    scored = "scored" if look.runs == 1 else "average"
    most = (statistics.looks or (look,))[-1].runs
    return (
        f"{seeds} {scored} {shown} BPB, which is {_distance(threshold, mean)}. Above "
        f"{limit} BPB more seeds would hardly help, so it was stopped after {look.runs} of {most}: "
        "it is not shown to beat the bar."
    )


def ttest_in_words(statistics: StatisticsResult, *, over: bool = False) -> str:
    """The t-test in words for readers who know no statistics.

    ``over``: a check has failed, so no further seed is run.
    """
    mean, look = statistics.mean_bpb, statistics.seen
    if statistics.case == "no seeds":
        return "No seed run produced a score, so there is nothing to test."
    if statistics.case == "not finite" or mean is None or not math.isfinite(mean):
        return "The score of a seed is not a finite number, so nothing can be tested."
    threshold = statistics.threshold_bpb
    shown, _ = against(mean, threshold, "BPB")
    if threshold is None:
        return f"The mean is {shown} BPB. This track has no bar, so nothing is tested."
    if look is not None and look.outcome == "hopeless":
        return _stopped(statistics, look, threshold)
    if statistics.case == "tested":
        return _tested(statistics, mean, threshold, over=over)
    where = f"{shown} BPB, which is {_distance(threshold, mean)}."
    return _untested(statistics, where, over=over)


def _untested(statistics: StatisticsResult, where: str, *, over: bool) -> str:
    """Why there is no p; ``where`` says where the mean lies."""
    if statistics.case == "no record seeds":
        return (
            f"The {statistics.n} seeds average {where} The track asks for a test against the "
            "record's own seeds, and their scores are not known."
        )
    if statistics.case == "one seed":
        needed = statistics.runs_needed
        next_look = needed is not None and needed > 1 and not over
        more = f" {needed} seeds are looked at next." if next_look else ""
        return (
            f"One seed run produced a score, {where} "
            f"A t-test needs at least two, so luck cannot be ruled out.{more}"
        )
    return (
        f"All {statistics.n} seeds scored exactly {where} Without any spread a t-test is not "
        f"defined; this {'counts' if statistics.significant else 'does not count'} as beating the "
        "bar."
    )


_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def asked_in_words(statistics: StatisticsResult) -> str:
    """What p was reckoned from, and how much the seeds' own spread counted in it."""
    n, mean, threshold = statistics.n, statistics.mean_bpb, statistics.threshold_bpb
    if statistics.p is None or mean is None or threshold is None:
        return ""
    p, _ = against(statistics.p, statistics.asked_level, "p")
    count = _COUNTS[n] if n < len(_COUNTS) else f"{n:,}"
    away = f"{abs(threshold - mean):.5f} {'below' if mean < threshold else 'above'} the line"
    return f"p = {p}: {count} seeds {away}{_spread_in_words(statistics)}"


def _spread_in_words(statistics: StatisticsResult) -> str:
    sd, field = statistics.sd_bpb, statistics.field_sd_bpb
    if sd is None or statistics.test == "plain" or statistics.test is None:
        return ""
    spread = f"{sd:.5f}" if sd >= 1e-5 or sd == 0 else f"{sd:.1g}"
    if statistics.test == "welch":
        record = len(statistics.record_bpb or ())
        return f"; their spread ({spread}) is weighed with that of the record's {record} seeds"
    if field is None:
        return ""
    if sd <= field:
        return f"; their spread ({spread}) is counted as the field's {field:g} and never as less"
    if statistics.guarded:
        return (
            f"; their spread ({spread}) is more than twice the field's {field:g}, so the plain "
            "t-test counts, which knows nothing of the field"
        )
    weighed = number(statistics.tested_sd_bpb, "BPB")
    return f"; their spread ({spread}) and the field's {field:g} together count as {weighed}"


def plain_in_words(statistics: StatisticsResult) -> str:
    """What upstream's own rule would have said; empty where it is the rule here too."""
    if statistics.test in (None, "plain") or statistics.p is None:
        return ""
    if statistics.plain_p is None or statistics.p_below is None:
        return "not defined, the seeds do not differ; upstream's own rule would have said nothing"
    p, p_below = against(statistics.plain_p, statistics.p_below, "p")
    said = "beaten" if statistics.plain_p < statistics.p_below else "not shown to be beaten"
    figures = f"p = {p}, df = {statistics.degrees_of_freedom}"
    return f"{figures}: upstream's own rule (below {p_below}) would have said {said}"


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
    """Each baseline of the dataset: a label and a comparison with the mean, the hardest last."""
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
    """The submission's claim next to the measured figure; empty when it claims nothing."""
    rows = []
    claim, mean = verdict.claim, verdict.statistics.mean_bpb
    if claim.val_bpb is not None:
        text = f"claimed {number(claim.val_bpb, 'BPB')} BPB"
        printed = printed_bpb(verdict)
        if printed is not None:
            text += f", printed {number(printed, 'BPB')} BPB ({printed - claim.val_bpb:+.6f})"
        if mean is not None and not only_reproduced(verdict):
            text += f", measured {number(mean, 'BPB')} BPB ({mean - claim.val_bpb:+.6f})"
        rows.append(("score", text))
    if claim.bytes_total is not None:
        text = f"claimed {number(claim.bytes_total)}"
        totals = [total for seed in verdict.seeds if (total := counted_bytes(seed)) is not None]
        if totals:
            text += f", measured {max(totals):,} ({max(totals) - claim.bytes_total:+,})"
        rows.append(("bytes", text))
    return rows
