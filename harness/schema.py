"""The JSON schemas of what the harness writes, generated from the models and kept in ``schema/``.

``python -m harness.schema`` writes them again.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from harness.evidence import SeedRun, Verification
from harness.storage import write_atomically
from harness.verdict import Verdict

DIRECTORY = Path(__file__).parents[1] / "schema"
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
