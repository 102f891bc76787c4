"""Which system calls a sandbox may make: our own profile, read from ``seccomp.toml``.

The file is an allow-list with a reason on every line, because the engine's own profile leaves
open what no training needs (io_uring, AF_VSOCK, ptrace, 32-bit calls) and changes with the
engine's version. The engine gets it inline, as JSON in its own format, and is asked back.
"""

import hashlib
import json
from functools import cache
from typing import Any

from pydantic import Field, model_validator

from harness.models import Fact
from harness.sandbox.docker.shipped import shipped

OPTION = "seccomp="
"""What the engine calls a profile among a container's security options."""

_ENOSYS = 38
_FILE = "seccomp.toml"
_WATCHING = ("inotify_init1", "inotify_add_watch", "inotify_rm_watch")


class Condition(Fact):
    """One argument, by number from 0, equals ``value``, after ``masked`` when that is given."""

    argument: int = Field(ge=0, le=5, strict=True)
    value: int = Field(ge=0, lt=1 << 63, strict=True)
    masked: int | None = Field(default=None, gt=0, lt=1 << 63, strict=True)


class AllowWhen(Fact):
    """A call that is allowed when all conditions hold."""

    call: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")
    when: tuple[Condition, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _each_argument_once(self) -> "AllowWhen":
        # The runtime turns two conditions on one argument into alternatives.
        if len({condition.argument for condition in self.when}) != len(self.when):
            raise ValueError(f"{self.call}: two conditions on one argument")
        return self


class Profile(Fact):
    """The profile as data: lines map calls, separated by spaces, to the reason."""

    architectures: tuple[str, ...] = Field(min_length=1)
    allow: dict[str, str]
    allow_when: tuple[AllowWhen, ...]
    absent: dict[str, str]
    refused: dict[str, str]

    @model_validator(mode="after")
    def _each_call_on_one_line(self) -> "Profile":
        calls = [*_calls(self.allow), *_calls(self.absent), *_calls(self.refused)]
        calls += {rule.call for rule in self.allow_when}
        twice = sorted({call for call in calls if calls.count(call) > 1})
        if twice:
            raise ValueError(f"on two lines: {', '.join(twice)}")
        lines = [*self.allow.items(), *self.absent.items(), *self.refused.items()]
        bare = [names for names, reason in lines if not names.split() or not reason.strip()]
        if bare:
            raise ValueError(f"calls or reason missing: {bare}")
        return self

    @property
    def allowed(self) -> tuple[str, ...]:
        """Calls that are allowed whatever their arguments."""
        return tuple(_calls(self.allow))

    @property
    def named_refusals(self) -> tuple[str, ...]:
        """Calls whose refusal has a reason of its own in the file."""
        return (*_calls(self.absent), *_calls(self.refused))

    def as_json(self, also: tuple[str, ...] = ()) -> str:
        """The profile in the engine's format, always the same text for the same data.

        ``also`` are calls that it allows beyond those of the file.
        """
        allowed = sorted({*self.allowed, *also})
        rules: list[dict[str, Any]] = [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
        for rule in self.allow_when:
            arguments = [_argument(condition) for condition in rule.when]
            rules.append({"names": [rule.call], "action": "SCMP_ACT_ALLOW", "args": arguments})
        rules.append(
            {
                "names": sorted(_calls(self.absent)),
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": _ENOSYS,
            }
        )
        profile = {
            "defaultAction": "SCMP_ACT_ERRNO",
            # No sub-architectures: whoever makes a 32-bit or an x32 call is killed.
            "archMap": [{"architecture": name} for name in self.architectures],
            "syscalls": rules,
        }
        return json.dumps(profile, separators=(",", ":"))


def _calls(lines: dict[str, str]) -> list[str]:
    return [call for names in lines for call in names.split()]


def _argument(condition: Condition) -> dict[str, Any]:
    if condition.masked is None:
        return {"index": condition.argument, "value": condition.value, "op": "SCMP_CMP_EQ"}
    return {
        "index": condition.argument,
        "value": condition.masked,
        "valueTwo": condition.value,
        "op": "SCMP_CMP_MASKED_EQ",
    }


@cache
def profile() -> Profile:
    """Our profile.

    Raises:
        InfrastructureError: the file that came with the harness is damaged.
    """
    return shipped(_FILE, Profile)


def security_option() -> str:
    """The profile as one of the engine's security options."""
    return OPTION + profile().as_json()


def watching_option() -> str:
    """The same for a container of ours that watches files: no phase may, it could count by it."""
    return OPTION + profile().as_json(also=_WATCHING)


def digest_of(option: str) -> str:
    """SHA-256 of a profile, by its security option: names it in evidence."""
    return hashlib.sha256(option.removeprefix(OPTION).encode()).hexdigest()
