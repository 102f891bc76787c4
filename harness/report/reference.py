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
from harness.package import REPOSITORY
from harness.report.hidden import charges_text, gains_text
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
_WAYS: tuple[Way, ...] = ("read back", "inside", "outside")
_BETTER = {"lower": "at most the limit", "higher": "at least the limit", "equal": "the limit"}
_RULES_HEAD = """\
# Rules

What the referee asks of every verification, in the order of its verdicts. Generated from
`harness/judge/rules/` by `make docs`.

A rule answers `pass`, `fail` or `unknown`. One `fail`: REJECTED. No `fail` and one `unknown`:
INCONCLUSIVE, because our side could not tell. All `pass`: VERIFIED. A question that does not arise
(a bar, where a track sets none) is not answered.

- **the measured figure**: what it is then, beside the limit that the verdict names.
- **ends it**: once one run fails the rule, no further run can mend that, and none is made.
- **open in rehearsal**: a rehearsal may leave it unknown, and is REHEARSED all the same.
- **decidable**: an unknown may be settled by a recorded decision, which names who decided and why.
  A `fail` never is.
- **since**: the first version of the harness that asked it.

"""


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
    return _RULES_HEAD + "\n".join(rows) + "\n"


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


def main() -> None:
    """Write every schema and every page."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        write_atomically(DIRECTORY / name, schema_text(model).encode())
    write_atomically(RULES_PAGE, rules_text().encode())
    write_atomically(SANDBOX_PAGE, with_properties(SANDBOX_PAGE.read_text()).encode())
    write_atomically(PROBES_PAGE, with_gains(PROBES_PAGE.read_text()).encode())
    write_atomically(DOUBTS_PAGE, with_charges(DOUBTS_PAGE.read_text()).encode())
    write_atomically(CHANNELS_PAGE, with_channels(CHANNELS_PAGE.read_text()).encode())


if __name__ == "__main__":
    main()
