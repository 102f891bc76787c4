"""Policies as data: which rules an audit applies, and how strictly."""

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from harness.audit.findings import CheckName, ClaimKind
from harness.errors import UsageError
from harness.models import Fact, Spelled
from harness.safeio.parsing import LARGEST_BYTES, ParseError, parse_toml, problems_of
from harness.safeio.reading import read_named

DEFAULT_POLICY = "strict"
# judge: a broken rule fails the folder; note: it is reported as unknown; skip: it is left out.
Strictness = Literal["judge", "note", "skip"]


class Claims(Fact):
    """How a claimed score may relate to the runs behind it."""

    accepted: tuple[ClaimKind, ...]


class Time(Fact):
    """How many seconds past the training budget the last step of a loop may end.

    A loop that checks its clock between steps stops at the first step past its cap.
    """

    last_step_seconds: float = Field(ge=0, le=5)


class Significance(Fact):
    """The test that a gain must pass; null means the track's figure."""

    margin_nats_per_token: float | None = Field(default=None, ge=0, lt=10)
    p_below: float | None = Field(default=None, gt=0, lt=0.5)
    welch_p_below: float = Field(gt=0, lt=0.5)


class Policy(Fact):
    """One policy. ``checks`` names every rule once; a rule that is left out is skipped."""

    name: Annotated[
        str,
        Spelled(
            r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
            'a name of letters, digits, "_" and "-", such as "strict"',
        ),
    ]
    description: str = Field(min_length=1)
    claims: Claims
    time: Time
    significance: Significance
    checks: dict[CheckName, Strictness]

    def strictness(self, check: CheckName) -> Strictness:
        """How strictly a rule is applied."""
        return self.checks.get(check, "skip")


def policy_names() -> list[str]:
    """The names of the policies that come with the harness."""
    folder = resources.files("harness") / "audit" / "policies"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_policy(name: str = DEFAULT_POLICY) -> Policy:
    """A policy by name, or by the path of a TOML file (anything that ends in ``.toml``).

    Raises:
        UsageError: no such policy, or a key is unknown, missing or makes no sense.
    """
    if name.endswith(".toml"):
        path = Path(name)
    elif re.fullmatch(r"[A-Za-z0-9_-]+", name) and name in policy_names():
        path = Path(str(resources.files("harness") / "audit" / "policies" / f"{name}.toml"))
    else:
        raise UsageError(
            f"policy {name!r}: no such policy; known are {', '.join(policy_names())}, "
            "or give the path of a .toml file"
        )
    content = b""
    try:
        content = read_named(path, limit_bytes=LARGEST_BYTES)
        return Policy.model_validate(parse_toml(content))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", file=path) from error
    except ValidationError as error:
        raise UsageError(file=path, problems=problems_of(error, toml=content)) from error
    except ParseError as error:
        raise UsageError(str(error), file=path, line=error.line) from error
