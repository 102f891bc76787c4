"""What is entered, as data that evidence keeps: the counted files, their digest, and the claim."""

from pydantic import Field, model_validator

from harness.models import Fact


class FileFact(Fact):
    """A counted file of a submission."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str


class Claim(Fact):
    """What the submission says of itself in ``submission.json``; shown, judged by nothing."""

    val_bpb: float | None = None
    bytes_total: int | None = None


class SubmissionFacts(Fact):
    """Which submission was run: its counted files and their digest."""

    name: str
    author: str
    github_id: str
    folder: str
    digest: str
    files: tuple[FileFact, ...]
    code_bytes: int = Field(ge=0)
    claim: Claim = Claim()

    @model_validator(mode="after")
    def _adds_up(self) -> "SubmissionFacts":
        if self.code_bytes != sum(file.bytes for file in self.files):
            raise ValueError("code_bytes: expected the sum of the bytes of files")
        return self
