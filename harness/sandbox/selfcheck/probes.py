"""The probes as a phase: the job that runs them, and what they tell while it runs."""

import json
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from harness.contest.track import Limits
from harness.errors import InfrastructureError
from harness.package import PACKAGE
from harness.safeio.text import plain
from harness.sandbox.limits import OPEN_FILES, OUTPUT_FILES
from harness.sandbox.protocol import Job, Mount, Running, Sandbox

INSIDE = PACKAGE / "inside" / "selfcheck"
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")

_CODE = PurePosixPath("/submission")
_MIB = 1 << 20
_SECONDS = 120.0
_BEAT_SECONDS = 0.05
_LOG_SECONDS = 20.0
_LOG_CUT = "[log cut"
_STAMP = len("    0.000 ")

LIMITS = Limits(
    memory_bytes=192 * _MIB,
    shm_bytes=24 * _MIB,
    scratch_bytes=20 * _MIB,
    output_bytes=12 * _MIB,
    log_bytes=64 << 10,
    processes=96,
)
"""Small, and unlike what engines give by themselves."""


def probe_job(
    sandbox: Sandbox, folder: Path, abstract: str, *, hidden: Sequence[str], briefly: bool
) -> Job:
    """A phase that runs the probes; ``folder`` holds them, ``abstract`` is a socket of ours.

    ``hidden`` are places that must not be readable in it.
    """
    told = {
        "briefly": briefly,
        "abstract": abstract,
        "namespaces": {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in NAMESPACES},
        "open_files": OPEN_FILES,
        "output_files": OUTPUT_FILES,
        "hidden": list(hidden),
        **LIMITS.model_dump(),
    }
    python = sandbox.worker_command[0]
    return Job(
        label="selfcheck",
        output=True,
        command=(python, "-B", "-m", f"{INSIDE.name}.tell", json.dumps(told)),
        environment={"OUTPUT_DIR": sandbox.output},
        code=Mount(folder / "code", _CODE),
        mounts=(),
        limits=LIMITS,
        wallclock_seconds=_SECONDS,
        log=folder / "log",
    )


def told_by(phase: Running, job: Job) -> dict[str, Any]:
    """What the probes have told when they are done; the phase still runs.

    Raises:
        InfrastructureError: they ended early, or not in time.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        over = phase.wait(0) is not None
        lines = [line[_STAMP:] for line in job.log.read_text().splitlines()]
        if "done" in lines:
            told = lines[: lines.index("done")]
            return dict(json.loads(line) for line in told if line.startswith("["))
        if over:
            said = plain(" ".join(lines[-3:]), 300) or "nothing"
            raise InfrastructureError(
                f"the probe container ended before it was done; it said: {said}",
                remedy="run it again; if it stays, build the image anew with harness image --force",
            )
        time.sleep(_BEAT_SECONDS)
    raise InfrastructureError(
        f"the probe container was not done after {_SECONDS:.0f} s",
        remedy="see whether the machine is overloaded, then run it again",
    )


def flood_log(phase: Running) -> None:
    """Wait until the probes have printed more than a log may hold."""
    deadline = time.monotonic() + _LOG_SECONDS
    while not phase.last_line.startswith(_LOG_CUT) and time.monotonic() < deadline:
        time.sleep(_BEAT_SECONDS)


@contextmanager
def abstract_socket() -> Iterator[str]:
    """A Unix socket of ours without a file, by its name."""
    name = f"parameter-golf-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        yield name
