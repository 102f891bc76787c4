"""What was made already of a dataset that is being made: kept on disk, for whoever resumes.

The parts of one dataset lie in a directory beside its later place. A part is there once its facts
are, which are written last.
"""

import hashlib
from pathlib import Path

from pydantic import Field, ValidationError

from harness.evidence.phase import PhaseFacts
from harness.models import Exact, Fact
from harness.run.codec.documents import Stated
from harness.safeio.files import disk_errors, sha256_of_bytes, write_atomically

_LARGEST_FACTS_BYTES = 16 << 20


class PartFacts(Fact):
    """A sandbox that did its work, and the tokens that it left, where it left some."""

    phase: PhaseFacts
    documents: int = Field(ge=0)
    text_bytes: int = Field(ge=0)
    tokens: int = Field(default=0, ge=0)
    sha256: str = ""
    vocabulary_size: int = Field(ge=2, le=1 << 16)
    bos_id: int = Field(ge=0, lt=1 << 16)

    @property
    def stated(self) -> Stated:
        """What the tokenizer said of itself there."""
        return Stated(self.vocabulary_size, self.bos_id)


class Phases(Exact):
    """The sandboxes in which a dataset was made, kept beside it."""

    phases: tuple[PhaseFacts, ...]


class Parts:
    """A directory of parts, made when the first one is kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def kept(self, name: str) -> PartFacts | None:
        """The facts of a part that is there and whole; None of any other."""
        facts = self.directory / f"{name}.json"
        try:
            found = PartFacts.model_validate_json(facts.read_bytes()[:_LARGEST_FACTS_BYTES])
            if found.sha256 and self._digest(name) != found.sha256:
                return None
        except (OSError, ValidationError):
            return None
        return found

    def keep(self, name: str, facts: PartFacts, tokens: bytes = b"") -> None:
        """Keep a part; raises InfrastructureError where the disk is full."""
        with disk_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        if tokens:
            write_atomically(self.path(name), tokens)
            facts = facts.model_copy(update={"sha256": sha256_of_bytes(tokens)})
        write_atomically(self.directory / f"{name}.json", facts.model_dump_json().encode())

    def path(self, name: str) -> Path:
        """The file of a part's tokens: little-endian uint16."""
        return self.directory / f"{name}.bin"

    def _digest(self, name: str) -> str:
        with self.path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
