"""What is there: GPUs, driver, torch, packages, a compiler, an engine, memory."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.accelerator.desk import Desk, usable_cores

_PACKAGES = {
    "numpy": "all but what is found here",
    "pydantic": "everything of the harness: sandbox, scorer, probes",
    "psutil": "the process sandbox",
    "scipy": "the statistics of seeds",
    "sentencepiece": "the demo corpus in its own tokens; bytes take their place",
    "zstandard": "training and scoring the recipes that compress with it",
    "triton": "torch.compile on CUDA",
    "docker": "the Docker sandbox",
    "pynvml": "sampling by NVML; nvidia-smi takes its place",
}
_SECONDS = 10.0


def run(desk: Desk) -> None:
    """Look at everything, the driver last: it is what may hang."""
    desk.tell("python", platform.python_version())
    desk.tell("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    desk.tell("cores", usable_cores())
    desk.tell("memory_gib", round(_memory_bytes() / 2**30, 1))
    desk.tell("free_disk_gib", round(shutil.disk_usage(desk.folder).free / 2**30, 1))
    desk.tell("shared_memory_gib", _shared_memory_gib())
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), "")
    desk.tell("compiler", compiler or "none")
    packages = {}
    for name, needed_for in _PACKAGES.items():
        try:
            there = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:
            there = False
        packages[name] = _version(name) if there else "missing"
        if not there and (desk.cuda or name not in ("triton", "pynvml")):
            desk.cannot(f"package {name}", f"is missing; it is needed for {needed_for}")
    desk.tell("packages", packages)
    _engine(desk)
    _driver(desk)
    _torch(desk)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version({"pynvml": "nvidia-ml-py"}.get(name, name))
    except importlib.metadata.PackageNotFoundError:
        return "there"


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _shared_memory_gib() -> float:
    place = Path("/dev/shm")
    return round(shutil.disk_usage(place).free / 2**30, 2) if place.is_dir() else 0.0


def _said(*command: str) -> str:
    """What a program prints; empty where it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _engine(desk: Desk) -> None:
    version = _said("docker", "version", "--format", "{{.Server.Version}}")
    runtimes = _said("docker", "info", "--format", "{{range $k, $v := .Runtimes}}{{$k}} {{end}}")
    toolkit = _said("nvidia-ctk", "--version") or _said("nvidia-container-cli", "--version")
    desk.tell("engine", version or "none")
    desk.tell("runtimes", runtimes)
    desk.tell("nvidia_toolkit", toolkit.splitlines()[0] if toolkit else "none")


def _driver(desk: Desk) -> None:
    fields = "name,uuid,memory.total,driver_version,persistence_mode,clocks.max.sm,power.limit"
    began = time.monotonic()
    lines = _said("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader")
    if not lines:
        desk.cannot("nvidia-smi", "is missing, fails, or shows no device")
        return
    desk.tell("nvidia_smi_seconds", round(time.monotonic() - began, 3))
    names = fields.split(",")
    rows = [dict(zip(names, map(str.strip, line.split(",")), strict=False))
            for line in lines.splitlines()]  # fmt: skip
    desk.tell("driver", rows[0].get("driver_version", ""))
    desk.tell("nvidia_smi", rows)


def _torch(desk: Desk) -> None:
    began = time.monotonic()
    import torch

    desk.tell("torch", torch.__version__)
    desk.tell("torch_import_seconds", round(time.monotonic() - began, 2))
    desk.tell("torch_cuda", torch.version.cuda or "none")
    began = time.monotonic()
    if not torch.cuda.is_available():
        if desk.figures.is_file() and '"nvidia_smi"' in desk.figures.read_text():
            why = f"torch {torch.__version__} cannot use them: see the driver and torch_cuda"
            desk.cannot("the GPUs that nvidia-smi shows", why)
        desk.tell("gpus", [])
        return
    gpus: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        its = torch.cuda.get_device_properties(index)
        gpus.append(
            {
                "name": its.name,
                "uuid": f"GPU-{str(getattr(its, 'uuid', '')).removeprefix('GPU-')}",
                "memory_gib": round(its.total_memory / 2**30, 1),
                "processors": its.multi_processor_count,
                "capability": f"{its.major}.{its.minor}",
            }
        )
    desk.tell("bf16", torch.cuda.is_bf16_supported())
    desk.tell("nccl", ".".join(map(str, torch.cuda.nccl.version())))  # type: ignore[no-untyped-call]
    torch.ones(1, device="cuda").item()
    desk.tell("cuda_start_seconds", round(time.monotonic() - began, 2))
    desk.tell("gpus", gpus)
