"""The section on an entry in upstream's own layout: how far it got, and by which lines of ours."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.judge.only_reproduced import rests_on_in_words
from harness.judge.verdict import Stage, UpstreamResult, Verdict
from harness.report.blocks import Block, Pairs, Paragraph, Row, Stack, Style, Table, Words
from harness.report.sentences import DETAIL_LIMIT, NAME_LIMIT
from harness.safeio.parsing import ParseError, parse_toml
from harness.safeio.text import plain

_STYLES: dict[str, Style] = {
    "yes": "pass",
    "no": "fail",
    "open": "unknown",
    "not reached": "dim",
    "not possible": "dim",
}
_LINES = 60
REASON_LIMIT = 120


def stages(verdict: Verdict) -> Block | None:
    """Each stage with its word, and what was and was not proven."""
    found = verdict.upstream
    if found is None:
        return None
    table = Table(("stage", "reached"), 2, [_row(stage) for stage in found.stages], notes="why")
    return Stack((Paragraph(Words(_limits(found), "dim")), table))


def _limits(found: UpstreamResult) -> str:
    """What the stages are of, and what none of them says."""
    said = ["The script was run as it was sent, unchanged."]
    if found.scaled_down:
        said.append(
            "It was made small by its own settings, and run by a stand-in for CUDA with a clock "
            "that only goes on when it is asked: a rehearsal proves the bridge, not the entry."
        )
    if found.rests_on is not None:
        said.append(f"Its claim rests on {rests_on_in_words(found.rests_on)}.")
    if found.only_reproduced:
        said.append("What it prints is a claim, whoever runs it.")
    return " ".join(said)


def _row(stage: Stage) -> Row:
    style = _STYLES[stage.word]
    note = plain(stage.detail, DETAIL_LIMIT)
    return Row(
        (Words(stage.name), Words(stage.word, style)),
        Words(note, "dim" if stage.word == "yes" else "plain"),
    )


def bridge(verdict: Verdict) -> Block | None:
    """The referee's own lines about the script, each with its reason, for whoever reviews them."""
    found = verdict.upstream
    if found is None or not found.bridge:
        return None
    rows: list[tuple[str, str | Words]] = [("script", plain(found.script, NAME_LIMIT))]
    if found.evaluation:
        rows.append(("taken over at", plain(found.evaluation, NAME_LIMIT)))
    words = "Written by the referee, not by the entry's author; not counted. Where each comes from:"
    try:
        keys = parse_toml(found.bridge.encode("utf-8", "replace"))
    except ParseError:
        return Stack((Paragraph(Words("It is no TOML that can be read.", "unknown")), Pairs(rows)))
    reasons = keys.pop("why", {})
    lines = list(_flat(keys))
    for name, value in lines[:_LINES]:
        why = reasons.get(name, "") if isinstance(reasons, dict) else ""
        because = f"  ({plain(str(why), REASON_LIMIT)})" if why else ""
        rows.append((plain(name, NAME_LIMIT), f"{plain(str(value), NAME_LIMIT)}{because}"))
    if len(lines) > _LINES:
        rows.append(("...", f"{len(lines) - _LINES:,} more are not shown"))
    return Stack((Paragraph(Words(words, "dim")), Pairs(rows)))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
