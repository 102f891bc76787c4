"""Sections on what lies in a run directory beside its verdict: curves, times, weights, answers."""

from collections.abc import Sequence

from harness.evidence.host import TelemetryFacts
from harness.report.blocks import Block, Paragraph, Row, Stack, Table, Words
from harness.report.exhibits.model import RunExhibit, Weights
from harness.report.figures import number
from harness.report.shown import Shown
from harness.safeio.text import plain

_MOST_ROWS = 64


def _runs(shown: Shown) -> tuple[RunExhibit, ...]:
    return shown.exhibits.runs if shown.exhibits is not None else ()


def training(shown: Shown) -> Block | None:
    """Where the curves come from; nothing where no log tells of any."""
    if not any(run.training for run in _runs(shown)):
        return None
    words = (
        "Claims: read from what each training printed. Nothing here was checked, and no rule uses "
        "it; the harness's own clocks are shown further below."
    )
    return Paragraph(Words(words, "dim"))


def course(shown: Shown) -> Block | None:
    """What the times are, and what lies outside of them."""
    if not any(run.stretches for run in _runs(shown)):
        return None
    words = (
        "Each bar is one sandbox, by the engine's own clock. What training did inside is what its "
        "log claims; loading and answering are as they were measured while scoring."
    )
    left = shown.exhibits.left_out if shown.exhibits else 0
    more = f" {left:,} more runs are not shown." if left else ""
    return Paragraph(Words(words + more + _opened(_runs(shown)), "dim"))


def _opened(runs: Sequence[RunExhibit]) -> str:
    """Of the train shards, how many files each training opened; empty where nobody knows."""
    found = [
        f"seed {run.seed} {each.opened:,} of {each.files:,}"
        for run in runs[:_MOST_ROWS]
        if (each := run.opened)
    ]
    if not found:
        return ""
    return (
        f" Files of train shards that each training opened: {', '.join(found)}. To open is not to "
        "learn, so this proves nothing."
    )


def weights(shown: Shown) -> Block | None:
    """Which form each artifact has, or why its parts cannot be told."""
    rows = []
    if shown.exhibits is not None and shown.exhibits.inspected is not None:
        rows.append(_held("the first, inspected", shown.exhibits.inspected))
    for run in _runs(shown)[:_MOST_ROWS]:
        if run.weights is not None:
            rows.append(_held(f"seed {run.seed}", run.weights))
        elif run.weights_why:
            rows.append(
                Row((f"seed {run.seed}", f"unknown: {plain(run.weights_why, 200)}", "", ""))
            )
    if not rows:
        return None
    inspected = shown.exhibits is not None and shown.exhibits.inspected is not None
    words = "What each artifact's own list of its tensors says, which was read and not run: claims."
    if inspected:
        words += " What was inspected, the entry's own code said in a sandbox: a claim too."
    if not inspected and not any(run.weights for run in _runs(shown)):
        words = "What the artifact is made of cannot be told without running the entry's code."
    return Stack((Paragraph(Words(words, "dim")), Table(("", "form", "tensors", "bytes"), 2, rows)))


def _held(name: str, found: Weights) -> Row:
    held = sum(tensor.stored_bytes for tensor in found.tensors) + found.left_out_bytes
    count = len(found.tensors) + found.left_out
    form = f"{found.format}, sizes before compression" if found.compressed else found.format
    return Row((name, form, f"{count:,}", f"{held:,}"))


def asked_again(shown: Shown) -> Block | None:
    """How far answers moved that were asked for twice; nothing where none was."""
    rows = []
    for run in _runs(shown)[:_MOST_ROWS]:
        if run.probes is not None:
            found = run.probes
            gain = f"{found.mean_gain_nats:.3g}"
            rows.append(
                Row(
                    (
                        f"seed {run.seed}, another suffix",
                        number(found.probes),
                        f"{found.largest_change_nats:.3g}",
                        f"{found.mean_change_nats:.3g}",
                        f"{gain} \u00b1 {found.gain_error_nats:.2g}",
                    )
                )
            )
        if run.recall is not None:
            order = run.recall
            rows.append(
                Row(
                    (
                        f"seed {run.seed}, another order",
                        number(order.windows),
                        f"{order.largest_change_nats:.3g}",
                        "",
                        f"{order.changes.mean_nats:.3g}",
                    )
                )
            )
    if not rows:
        return None
    words = (
        "In nats. A model that looks only at its past answers the same, but for rounding, whatever "
        "comes behind and in whatever order it is asked."
    )
    words += _paced(_runs(shown))
    headings = ("", "asked", "largest change", "mean change", "mean gain")
    return Stack((Paragraph(Words(words, "dim")), Table(headings, 1, rows)))


def _paced(runs: Sequence[RunExhibit]) -> str:
    """How many times as long as while scoring requests took; empty where nobody knows."""
    found = [
        f"seed {run.seed}, another {other}, {pace.median_times:.2g} and {pace.highest_times:.2g}"
        for run in runs[:_MOST_ROWS]
        for other, asked in (("suffix", run.probes), ("order", run.recall))
        if asked is not None and (pace := asked.pace)
    ]
    if not found:
        return ""
    return (
        " Times as long as scoring took for their size, the median request and the slowest: "
        f"{'; '.join(found)}. A busy machine is slow, too, so this alone proves nothing."
    )


def telemetry(shown: Shown) -> Block | None:
    """What was seen of the accelerators; nothing where there are none."""
    rows = [
        Row(
            (
                f"seed {run.seed}",
                seen.step,
                number(seen.facts.samples),
                number(seen.facts.lowest_sm_clock_mhz),
                number(seen.facts.foreign_processes),
                _whole(seen.busy_seconds),
                _whole(seen.kilojoules),
            ),
            Words(_slowed_or_missing(seen.facts), "unknown"),
        )
        for run in _runs(shown)
        for seen in run.telemetry
    ]
    if not rows:
        return None
    words = (
        "As the driver tells it. How much an entry computed says nothing of what it brought along: "
        "work can be done for show."
    )
    headings = (
        *("", "step", "samples", "lowest clock MHz", "foreign processes"),
        *("accelerator seconds", "energy kJ"),
    )
    table = Table(headings, 2, rows[:_MOST_ROWS], notes="slowed down by")
    return Stack((Paragraph(Words(words, "dim")), table))


def _whole(amount: float | None) -> str:
    return "" if amount is None else f"{amount:,.0f}"


def _slowed_or_missing(facts: TelemetryFacts) -> str:
    if facts.missing is not None:
        return plain(facts.missing, 300)
    return ", ".join(plain(name, 80) for name in facts.slowdowns)
