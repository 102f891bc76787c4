"""The host of a run, measured for each run: runs of one plan may be made on different hosts."""

from typing import Annotated

from pydantic import Field

from harness.evidence.escapes import MOST, KnownEscape
from harness.evidence.isolation import REQUIRED, BackendName, PropertyId
from harness.models import Fact, Later


class Accelerator(Fact):
    """One GPU, as its driver names it."""

    name: str
    uuid: str
    memory_bytes: int = Field(ge=0)


class MachineFacts(Fact):
    """The machine that a run was made on."""

    processor: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    accelerators: tuple[Accelerator, ...] = ()
    driver: str = ""


class Packages(Fact):
    """What entries can import and start in a sandbox, as found there before any ran.

    ``distributions`` maps the names of packages, as indexes compare them, to their versions.
    ``modules`` are the names that can be imported, without the standard library's; ``programs``
    those on the path, of all that are looked for.
    """

    python: str
    distributions: dict[str, str] = Field(default_factory=dict)
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class SandboxFacts(Fact):
    """Where untrusted code ran: a backend, and what it says of itself.

    ``kind`` is the backend's name; ``proves`` the ids of :mod:`harness.evidence.isolation` that it
    reads back in every phase, none for a rehearsal. The other fields are empty where the backend
    has no such thing: ``runtime`` is the engine's runtime (``runc``, ``runsc``); ``seccomp_digest``
    the SHA-256 of the profile of system calls; ``versions`` those of the engine's components.
    ``packages`` is null where it was not looked for; so is ``known_escapes``, what these versions
    are known to let out.
    """

    kind: BackendName
    proves: tuple[PropertyId, ...] = ()
    engine: str = ""
    image: str = ""
    image_digest: str = ""
    runtime: str = ""
    seccomp_digest: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    packages: Later[Packages] = None
    known_escapes: Later[Annotated[tuple[KnownEscape, ...], Field(max_length=MOST)]] = None

    @property
    def isolated(self) -> bool:
        """Whether it proves all that a verdict needs; if not, it can only rehearse."""
        return set(self.proves) >= REQUIRED


class TelemetryFacts(Fact):
    """What telemetry saw of the accelerators while a step ran, or while they were calibrated.

    ``file_sha256`` is the digest of ``<step>.telemetry.npz`` beside the evidence, which holds what
    was seen at each moment. ``missing`` says why nothing was seen.
    """

    samples: int = 0
    slowdowns: tuple[str, ...] = ()
    lowest_sm_clock_mhz: int | None = None
    foreign_processes: int = 0
    file_sha256: Later[str] = None
    missing: Later[Annotated[str, Field(min_length=1, max_length=500)]] = None


class Calibration(Fact):
    """The speed of a host before its run: figures by name, each name with its unit.

    ``telemetry`` is what was seen of its accelerators meanwhile.
    """

    figures: dict[str, float] = Field(default_factory=dict)
    seconds: float = Field(ge=0)
    telemetry: Later[TelemetryFacts] = None


class HostFacts(Fact):
    """The host of one run.

    ``node`` is its name among the referee's machines, empty for the only one. ``measured_by`` is
    the digest of the harness's measuring code there. ``alone`` says whether the node ran nothing
    else, where that is known.
    """

    node: str = Field(default="", max_length=200)
    machine: MachineFacts
    sandbox: SandboxFacts
    harness_version: str
    measured_by: str
    calibration: Calibration | None = None
    alone: bool | None = None
