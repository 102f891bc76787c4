"""Whether a host is what the plan requires: looked at before each run, where it is to be made."""

from harness.errors import InfrastructureError
from harness.evidence.digests import measured_by
from harness.evidence.escapes import in_words, unvouched, vouching_line
from harness.evidence.host import SandboxFacts
from harness.evidence.plan import Plan

_NEW = "or start a new verification without --resume"


def check_host(plan: Plan, sandbox: SandboxFacts) -> None:
    """Check that this host is the one that the plan requires.

    Raises:
        InfrastructureError: harness, sandbox, image, runtime or profile differ, the sandbox
            proves less, or its plan refuses an engine from which code is known to get out.
    """
    required = plan.required
    for what, before, now, remedy in (
        ("harness", required.measured_by, measured_by(), "install the same version on every host"),
        ("sandbox", required.sandbox, sandbox.kind, "name the one that it was begun with"),
        (
            "image",
            required.image_digest,
            sandbox.image_digest,
            "carry it there with harness image --save and --load",
        ),
        ("runtime", required.runtime, sandbox.runtime, "give the engine the same runtime"),
        (
            "profile of system calls",
            required.seccomp_digest,
            sandbox.seccomp_digest,
            "install the same version on every host",
        ),
    ):
        if before != now:
            raise InfrastructureError(
                f"the {what} is not the one that the verification was begun with "
                f"({before.removeprefix('sha256:')[:12]}, here {now.removeprefix('sha256:')[:12]})",
                remedy=f"{remedy}, {_NEW}",
            )
    if lacking := set(required.isolation) - set(sandbox.proves):
        raise InfrastructureError(
            f"the sandbox does not prove here what the plan asks for: {', '.join(sorted(lacking))}",
            remedy=f"harness doctor --sandbox says what is missing, {_NEW}",
        )
    check_escapes(plan, sandbox)


def check_escapes(plan: Plan, sandbox: SandboxFacts) -> None:
    """Refuse an engine from which code is known to get out, where the plan asks for that.

    Raises:
        InfrastructureError: by the number of its version a part of it has a known escape, and the
            referee does not vouch for it.
    """
    found = unvouched(sandbox.known_escapes)
    if plan.required.refuse_known_escapes and found:
        raise InfrastructureError(
            "code is known to get out of containers of such an engine, and the plan refuses it: "
            f"{in_words(found)}",
            remedy="install a repaired version; where the distribution repaired this one under the "
            f"same number, say so on this host with {vouching_line(sandbox.known_escapes or ())}, "
            "which the evidence tells",
        )
