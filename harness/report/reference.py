"""The JSON schemas of what the harness writes, generated from the models and kept in ``schema/``.

``python -m harness.report.reference`` writes them again.
"""

import json

from pydantic import BaseModel

from harness import REPOSITORY
from harness.evidence.facts import SeedRun, Verification
from harness.judge.verdict import Verdict
from harness.safeio.files import write_atomically

DIRECTORY = REPOSITORY / "schema"
MODELS: dict[str, type[BaseModel]] = {
    "verdict.schema.json": Verdict,
    "evidence.schema.json": SeedRun,
    "verification.schema.json": Verification,
}


def schema_text(model: type[BaseModel]) -> str:
    """A model's schema as it is kept."""
    return json.dumps(model.model_json_schema(mode="serialization"), indent=2) + "\n"


def main() -> None:
    """Write every schema."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, model in MODELS.items():
        write_atomically(DIRECTORY / name, schema_text(model).encode())


if __name__ == "__main__":
    main()
