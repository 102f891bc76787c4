"""What a sandbox shows of the accelerators, and whether kernels can be compiled in it.

Prints one line of JSON; everything that fails is told with its reason.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """Look, try, tell."""
    told: dict[str, Any] = {"python": platform.python_version()}
    for name, look in (
        ("devices", lambda: sorted(str(path) for path in Path("/dev").glob("nvidia*"))),
        ("compiler", lambda: next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), "none")),
        ("shared_memory_mib", lambda: shutil.disk_usage("/dev/shm").total >> 20),
        ("scratch_mib", lambda: shutil.disk_usage("/tmp").total >> 20),
        ("torch", _torch),
        ("compiled", _compiled),
    ):
        told[name] = _tried(look)
    print(json.dumps(told), flush=True)


def _tried(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - told as such
        return f"failed: {type(error).__name__}: {str(error)[-500:]}"


def _torch() -> dict[str, Any]:
    began = time.monotonic()
    import torch

    told: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda}
    told["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    device = "cuda" if told["gpus"] else "cpu"
    told["product"] = float(
        (torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device))[0, 0]
    )
    if told["gpus"]:
        # Pinned memory, and the little that a kernel by Triton needs of the machine.
        told["pinned"] = torch.empty(1 << 20, pin_memory=True).is_pinned()
    told["seconds"] = round(time.monotonic() - began, 2)
    return told


def _compiled() -> Any:
    import torch

    if not torch.cuda.is_available():
        return "not tried: no GPU"
    began = time.monotonic()
    compiled = torch.compile(lambda x: (x * 2).tanh().sum())
    value = float(compiled(torch.ones(1 << 16, device="cuda")))
    return {
        "value": value,
        "seconds": round(time.monotonic() - began, 2),
        "cache": os.environ.get("TRITON_CACHE_DIR", ""),
    }


if __name__ == "__main__":
    main()
