"""What the repository keeps in writing of our own models and tables: schemas, and pages of docs.

``python -m harness.report.reference`` writes them again.
"""

import json

from pydantic import BaseModel

from harness import REPOSITORY
from harness.errors import UsageError
from harness.evidence.decisions import Decision
from harness.evidence.isolation import PROPERTIES, REQUIRED, Way
from harness.evidence.plan import Plan
from harness.evidence.run import Run
from harness.judge.rules import CHECKS
from harness.judge.verdict import Verdict
from harness.safeio.files import write_atomically

DIRECTORY = REPOSITORY / "schema"
MODELS: dict[str, type[BaseModel]] = {
    "verdict.schema.json": Verdict,
    "evidence.schema.json": Run,
    "plan.schema.json": Plan,
    "decision.schema.json": Decision,
}
RULES_PAGE = REPOSITORY / "docs" / "rules.md"
SANDBOX_PAGE = REPOSITORY / "docs" / "sandbox.md"
_BEGIN, _END = "<!-- properties: begin -->", "<!-- properties: end -->"
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
    """A model's schema as it is kept; the checks of a verdict have the ids of today's rules."""
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


def with_properties(page: str) -> str:
    """A page whose text between the two markers is :func:`properties_text`.

    Raises:
        UsageError: it lacks a marker, or has them in another order.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise UsageError(f"{SANDBOX_PAGE}: expected the lines {_BEGIN} and {_END}")
    return f"{before}{_BEGIN}\n{properties_text()}{_END}{after}"


def main() -> None:
    """Write every schema and every page."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        write_atomically(DIRECTORY / name, schema_text(model).encode())
    write_atomically(RULES_PAGE, rules_text().encode())
    write_atomically(SANDBOX_PAGE, with_properties(SANDBOX_PAGE.read_text()).encode())


if __name__ == "__main__":
    main()
