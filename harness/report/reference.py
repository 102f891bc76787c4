"""Generates files from our own models and tables: schemas, and pages of the docs.

``python -m harness.report.reference`` writes them again.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from harness.errors import UsageError
from harness.evidence.decisions import Decision
from harness.evidence.isolation import PROPERTIES, REQUIRED, Way
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.judge.rules import CHECKS
from harness.judge.verdict import Verdict
from harness.package import REPOSITORY, require_checkout
from harness.report.hidden import charges_text, gains_text
from harness.report.imports import imports_text
from harness.report.key_pages import evidence_text, manifest_text, tracks_text
from harness.safeio.files import write_atomically
from harness.sandbox.channels.table import CHANNELS

DIRECTORY = REPOSITORY / "schema"
MODELS: dict[str, type[BaseModel]] = {
    "verdict.schema.json": Verdict,
    "evidence.schema.json": Run,
    "plan.schema.json": Plan,
    "decision.schema.json": Decision,
}
RULES_PAGE = REPOSITORY / "docs" / "rules.md"
SANDBOX_PAGE = REPOSITORY / "docs" / "sandbox.md"
PROBES_PAGE = REPOSITORY / "docs" / "probes.md"
CHANNELS_PAGE = REPOSITORY / "docs" / "channels.md"
DOUBTS_PAGE = REPOSITORY / "docs" / "doubts.md"
EVIDENCE_PAGE = REPOSITORY / "docs" / "evidence.md"
TRACKS_PAGE = REPOSITORY / "docs" / "tracks.md"
CONTRACT_PAGE = REPOSITORY / "docs" / "contract.md"
IMPORTS_PAGE = REPOSITORY / "docs" / "imports.md"
_WAYS: tuple[Way, ...] = ("read back", "inside", "outside")
_BETTER = {"lower": "at most the limit", "higher": "at least the limit", "equal": "the limit"}
_RULES_HEAD = """\
# Rules

What the referee asks of every verification, in the order of its verdicts. Generated from
`harness/judge/rules/` by `make docs`.

A rule answers `pass`, `fail` or `unknown`. One `fail`: REJECTED. No `fail` and one `unknown`:
INCONCLUSIVE, because our side could not tell. All `pass`: VERIFIED, or REPRODUCED where a score is
only printed again and none of ours is at stake. A question that does not arise (a bar, where a
track sets none) is not answered.

- **the measured figure**: what it is then, beside the limit that the verdict names.
- **ends it**: once one run fails the rule, no further run can mend that, and none is made.
- **open in rehearsal**: a rehearsal may leave it unknown, and is REHEARSED all the same.
- **decidable**: an unknown may be settled by a recorded decision (`harness decide`), which names
  who decided and why. A `fail` never is.
- **since**: the first version of the harness that asked it.

"""
_DECIDABLE = """\
## What a person may decide

An unknown of these rules is a question that a reader can answer and a rule cannot. Every other
unknown is settled by evidence alone: run what is missing, or run it where it can be measured."""


def schema_text(model: type[BaseModel]) -> str:
    """A model's schema as it is stored; the checks of a verdict have the ids of today's rules."""
    schema = model.model_json_schema(mode="serialization")
    if model is Verdict:
        ids = {"properties": {"id": {"enum": [rule.id for rule in CHECKS]}}}
        checks = schema["properties"]["checks"]
        checks["items"] = {"allOf": [checks["items"], ids]}
    return json.dumps(schema, indent=2) + "\n"


def rules_text() -> str:
    """The page of docs about the rules: a table of them all."""
    rows = [
        "| rule | passes when | the measured figure is | ends it | open in rehearsal | decidable "
        "| since |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in CHECKS:
        flags = (rule.per_seed, rule.open_in_rehearsal, rule.decidable)
        marks = " | ".join("x" if flag else "" for flag in flags)
        row = f"| `{rule.id}` | {rule.summary} | {_BETTER[rule.better]} | {marks} | {rule.since} |"
        rows.append(row)
    reasons = [f"- `{rule.id}`: {rule.decidable}." for rule in CHECKS if rule.decidable]
    return _RULES_HEAD + "\n".join((*rows, "", _DECIDABLE, "", *reasons)) + "\n"


def properties_text() -> str:
    """The properties that isolate a sandbox, as a Markdown table and a sentence on them."""
    rows = [
        "| id | property | " + " | ".join(_WAYS) + " |",
        "|---|---|" + "---|" * len(_WAYS),
    ]
    for each in PROPERTIES:
        phrase = each.phrase if each.of == "every phase" else f"{each.phrase} ({each.of} only)"
        seen = " | ".join("x" if way in each.seen else "" for way in _WAYS)
        rows.append(f"| `{each.id}` | {phrase} | {seen} |")
    counted = (
        f"{len(PROPERTIES)} properties; a verdict needs the {len(REQUIRED)} that are read back."
    )
    return "\n".join((counted, "", *rows)) + "\n"


def channels_text() -> str:
    """The channels that are measured, as a Markdown table and a sentence on them."""
    rows = ["| id | what | kind | bits a round | closed by |", "|---|---|---|---|---|"]
    for each in CHANNELS:
        what = each.what if each.scoring else f"{each.what} (train phases only)"
        bits = f"{each.bits:,}" if each.bits else ""
        rows.append(f"| `{each.id}` | {what} | {each.kind} | {bits} | {each.closes} |")
    known = sum(each.control == "open" for each in CHANNELS)
    counted = f"{len(CHANNELS)} channels; a default container must show {known} of them open."
    return "\n".join((counted, "", *rows)) + "\n"


def between(page: str, name: str, text: str, *, path: Path) -> str:
    """Replace the text of a page between the markers ``name: begin`` and ``name: end``.

    Raises:
        UsageError: it lacks a marker, or has them in the wrong order.
    """
    opening, closing = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begin, rest = page.partition(opening)
    _, end, after = rest.partition(closing)
    if not (begin and end):
        raise UsageError(f"{path}: expected the lines {opening} and {closing}")
    return f"{before}{opening}\n{text}{closing}{after}"


def with_properties(page: str) -> str:
    """The page on sandboxes, with the table of properties from the code."""
    return between(page, "properties", properties_text(), path=SANDBOX_PAGE)


def with_gains(page: str) -> str:
    """The page on probes, with the table of gains from the tracks."""
    return between(page, "gains", gains_text(), path=PROBES_PAGE)


def with_charges(page: str) -> str:
    """The page on doubts, with what honest entries pay on each track."""
    return between(page, "charges", charges_text(), path=DOUBTS_PAGE)


def with_channels(page: str) -> str:
    """The page on channels, with the table from the code."""
    return between(page, "channels", channels_text(), path=CHANNELS_PAGE)


def with_track_keys(page: str) -> str:
    """The page on tracks, with every key from the models."""
    return between(page, "keys", tracks_text(), path=TRACKS_PAGE)


def with_manifest_keys(page: str) -> str:
    """The page on the contract, with every key of ``submission.toml`` from the models."""
    return between(page, "keys", manifest_text(), path=CONTRACT_PAGE)


def with_imports(page: str) -> str:
    """The page on imports, with the packages of each image from its lock."""
    return between(page, "imports", imports_text(), path=IMPORTS_PAGE)


PARTLY = {
    SANDBOX_PAGE: with_properties,
    PROBES_PAGE: with_gains,
    DOUBTS_PAGE: with_charges,
    CHANNELS_PAGE: with_channels,
    TRACKS_PAGE: with_track_keys,
    CONTRACT_PAGE: with_manifest_keys,
    IMPORTS_PAGE: with_imports,
}
"""Pages that people write but for what stands between two markers."""


def main() -> None:
    """Write every schema and every page."""
    require_checkout()
    DIRECTORY.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        write_atomically(DIRECTORY / name, schema_text(model).encode())
    write_atomically(RULES_PAGE, rules_text().encode())
    write_atomically(EVIDENCE_PAGE, evidence_text().encode())
    for page, filled in PARTLY.items():
        write_atomically(page, filled(page.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
