"""What an entry in upstream's layout needs of its sandbox, and what of that is not there."""

import sys
from collections.abc import Collection, Sequence

from harness.contest.bridge import Bridge
from harness.errors import InfrastructureError
from harness.evidence.host import SandboxFacts
from harness.package import install_command
from harness.sandbox.docker.build_files import told_path

STOOD_IN = ("flash_attn", "flash_attn_interface", "nvidia-smi", "pyminify")
"""Modules and programs that a rehearsal's stand-in for CUDA brings (harness/inside/upstream)."""

_DISTRIBUTIONS = {
    "flash_attn_interface": "flash-attn-3",
    "fla": "flash-linear-attention",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""What indexes call a module whose name is another."""


def missing_packages(
    wanted: Sequence[str],
    programs: Sequence[str],
    facts: SandboxFacts,
    *,
    stood_in: Collection[str] = (),
) -> list[str]:
    """The modules and programs that a sandbox does not have, by name, in order.

    Empty where the sandbox was not looked at.

    Args:
        wanted: names of modules as they are imported, at the top level.
        programs: names of programs on the path.
        facts: of the sandbox, prepared.
        stood_in: names of either kind that are brought along in another way.
    """
    there = facts.packages
    if there is None:
        return []
    return [
        *(
            name
            for name in wanted
            if name not in stood_in
            and name not in sys.stdlib_module_names
            and name not in there.modules
        ),
        *(name for name in programs if name not in stood_in and name not in there.programs),
    ]


def check_needs(bridge: Bridge, facts: SandboxFacts, *, rehearsal: bool) -> None:
    """Check, before anything runs, that a sandbox has what a bridge says its script needs.

    Args:
        bridge: of the entry.
        facts: of the sandbox, prepared.
        rehearsal: whether the stand-in for CUDA is loaded.

    Raises:
        InfrastructureError: what is missing, by name, and what to do.
    """
    needs, there = bridge.rehearsal, facts.packages
    missing = missing_packages(
        needs.packages, needs.programs, facts, stood_in=STOOD_IN if rehearsal else ()
    )
    oldest = tuple(int(part) for part in needs.python.split("."))
    found = tuple(int(part) for part in there.python.split(".")[:2]) if there else oldest
    if found < oldest and not rehearsal:
        missing.insert(0, f"Python {needs.python}")
    if not missing:
        return
    said = ", ".join(map(_shown, missing))
    raise InfrastructureError(
        f"{bridge.launch.script} needs {said}: not in the {facts.kind} sandbox",
        remedy=_remedy(missing, facts),
    )


def _shown(name: str) -> str:
    return f"{name} (package {_DISTRIBUTIONS[name]})" if name in _DISTRIBUTIONS else name


def _remedy(missing: Sequence[str], facts: SandboxFacts) -> str:
    if "flash_attn_interface" in missing:
        return f"no package index has a wheel of it: {told_path('README.md')} says how to add one"
    if facts.kind == "process":
        return f"install it beside the harness ({install_command('upstream')} has what most need)"
    return (
        f"add it to {told_path('upstream.in')}, or a program to {told_path('make-base.sh')}, "
        f"remove the lock, and build the image again; see {told_path('README.md')}"
    )
