"""What both sandboxes agree on: the environment, the bounds, and the names of places."""

import time
from collections.abc import Mapping
from pathlib import PurePosixPath

from harness.contest.track import Limits
from harness.errors import SubmissionError
from harness.sandbox.protocol import Job

USER_ID = 10001
OUTPUT = PurePosixPath("/output")
SCRATCH = PurePosixPath("/tmp")  # noqa: S108 - a file system of the container's own
VENV = PurePosixPath("/opt/venv")
WORKER = PurePosixPath("/opt/harness/worker.py")
PACKAGES = PurePosixPath("/opt/harness/packages.json")

MARKER = "HARNESS_SANDBOX"
"""Names the phase in the environment of its processes, so that orphans can be found."""

OUTPUT_FILES = 16_384
OPEN_FILES = 16_384  # an engine that is confined itself cannot grant more than its own limit
KEEPER_MEMORY_BYTES = 64 << 20
ENVIRONMENT_BYTES = 96 << 10  # Linux refuses a single variable of 128 KiB or more

CONTAINER_PATH = f"{VENV}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(job: Job, *, path: str, scratch: str, token: str) -> dict[str, str]:
    """The whole environment of a phase: what is fixed for every phase, then the job's own.

    Args:
        job: its variables win over the fixed ones, but for the reserved names.
        path: the value of PATH.
        scratch: the private directory under which home and caches lie.
        token: the value of :data:`MARKER`.

    Raises:
        SubmissionError: a name that is reserved, or that cannot be a variable.
    """
    cache = f"{scratch}/cache"
    fixed = {
        "PATH": path,
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "HOSTNAME": "localhost",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "XDG_CACHE_HOME": cache,
        "TORCH_HOME": f"{cache}/torch",
        "TORCH_EXTENSIONS_DIR": f"{cache}/torch_extensions",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        "TRITON_CACHE_DIR": f"{cache}/triton",
        "CUDA_CACHE_PATH": f"{cache}/cuda",
        # There is no index in a sandbox, and our own Python is not theirs to install into.
        "PIP_NO_INDEX": "1",
        "PIP_PREFIX": f"{scratch}/pip",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        MARKER: token,
        # A CUDA base image asks for every GPU by this name where NVIDIA's runtime is the default.
        "NVIDIA_VISIBLE_DEVICES": ",".join(job.accelerators) or "void",
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
    for name, value in job.environment.items():
        if name == MARKER or name.startswith("NVIDIA_"):
            raise SubmissionError(f"environment variable {name}: set by the harness; remove it")
        if name.startswith("LD_"):
            # A runtime's helpers (NVIDIA's hooks) run as root outside and may inherit these.
            raise SubmissionError(
                f"environment variable {name}: steers the loader of programs outside the sandbox "
                f'too; set it in the command instead: ["env", "{name}=...", ...]'
            )
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise SubmissionError(f"environment variable {name!r}: not a valid name or value")
        if len(name.encode()) + len(value.encode()) > ENVIRONMENT_BYTES:
            raise SubmissionError(
                f"environment variable {name[:60]}: at most {ENVIRONMENT_BYTES:,} bytes"
            )
    # NCCL would share memory of the host in a way that needs calls for NUMA, which no sandbox has:
    # some versions fail then, newer ones warn and take /dev/shm. With this they take it at once.
    ranks = {"NCCL_CUMEM_HOST_ENABLE": "0"} if job.accelerators else {}
    started = {job.start_variable: f"{time.time():.3f}"} if job.start_variable else {}
    return fixed | ranks | dict(job.environment) | started


def volume_options(limits: Limits) -> dict[str, str]:
    """Options of the engine's ``local`` volume driver for the output directory.

    A tmpfs of its own: bounded in bytes and files, whatever is written and however.
    """
    options = (
        f"size={limits.output_bytes},nr_inodes={OUTPUT_FILES},uid={USER_ID},gid={USER_ID},"
        "mode=0700,nosuid,nodev,noexec"
    )
    return {"type": "tmpfs", "device": "tmpfs", "o": options}


def scratch_options(limits: Limits) -> str:
    """Mount options of the container's /tmp; exec, because compiled kernels are loaded from it."""
    return f"rw,nosuid,nodev,exec,size={limits.scratch_bytes},mode=1777"


def as_entries(variables: Mapping[str, str]) -> list[str]:
    """An environment in the engine's form."""
    return [f"{name}={value}" for name, value in variables.items()]
