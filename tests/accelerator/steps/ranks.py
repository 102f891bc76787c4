"""Several ranks under torchrun, as the official train command has them: NCCL, gloo beside it."""

import json
import subprocess
import sys
import time

from tests.accelerator.desk import REPOSITORY, Desk

_PROGRAM = REPOSITORY / "tests/accelerator/extra/reduce.py"
_SECONDS = 35.0


def run(desk: Desk) -> None:
    """Add up a tensor over all devices; with one device NCCL at least starts."""
    mib = 256 if desk.cuda else 4
    ways = [("gloo", 2, 4)]
    if desk.cuda:
        ways.insert(0, ("nccl", max(1, len(desk.devices)), mib))
        if len(desk.devices) < 2:
            desk.cannot("NCCL between devices", "there is one GPU: it starts, and talks to itself")
    else:
        desk.cannot("NCCL", "there is no GPU")
    for backend, ranks, size in ways:
        desk.tell(backend, _reduced(backend, ranks, size))


def _reduced(backend: str, ranks: int, mib: int) -> dict[str, object]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc_per_node={ranks}", str(_PROGRAM), backend, str(mib)]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:  # its ranks are ended with the step
        return {"failed": f"not done after {_SECONDS:.0f} s"}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            told: dict[str, object] = json.loads(line)
            return {**told, "whole_seconds": round(time.monotonic() - began, 2)}
    return {"failed": (done.stderr or done.stdout)[-800:], "exit_code": done.returncode}
