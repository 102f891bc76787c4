"""What the repository keeps in writing of our own tables and models: schemas, and a table in docs.

``python -m harness.report.reference`` writes them again.
"""

import json

from pydantic import BaseModel

from harness import REPOSITORY
from harness.errors import UsageError
from harness.evidence.facts import SeedRun, Verification
from harness.evidence.isolation import PROPERTIES, REQUIRED, Way
from harness.judge.verdict import Verdict
from harness.safeio.files import write_atomically

DIRECTORY = REPOSITORY / "schema"
MODELS: dict[str, type[BaseModel]] = {
    "verdict.schema.json": Verdict,
    "evidence.schema.json": SeedRun,
    "verification.schema.json": Verification,
}
SANDBOX_PAGE = REPOSITORY / "docs" / "sandbox.md"
_BEGIN, _END = "<!-- properties: begin -->", "<!-- properties: end -->"
_WAYS: tuple[Way, ...] = ("read back", "inside", "outside")


def schema_text(model: type[BaseModel]) -> str:
    """A model's schema as it is kept."""
    return json.dumps(model.model_json_schema(mode="serialization"), indent=2) + "\n"


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
    """Write every schema, and the table."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        write_atomically(DIRECTORY / name, schema_text(model).encode())
    write_atomically(SANDBOX_PAGE, with_properties(SANDBOX_PAGE.read_text()).encode())


if __name__ == "__main__":
    main()
