"""What one process leaves in GPUs and their driver for the next, with no sandbox between them.

As two default containers at most keep apart: what arrives here is what driver and sandbox would
have to close, and what nobody could read shows which questions this driver answers. Without a GPU
another channel shows that the step works.
"""

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.accelerator.desk import REPOSITORY, CannotTryError, Desk

_INSIDE = REPOSITORY / "harness" / "inside"
# A process that stayed behind would hold the GPU's memory.
_PROGRAM = "from channels import places, run; places.stay = lambda: None; run.main()"
_BITS = {"gpu_memory": 256, "gpu_figures": 4, "gpu_speed": 1, "gpu_history": 0}
_WITHOUT = {"process_serials": 4}
_ROUNDS = 2  # what a number moves by itself is learned from the other one
_SECONDS = 90.0
_SHOWN = ("said", "rows", "seen", "kept_by_driver")


def run(desk: Desk) -> None:
    """Rounds of a sender and a receiver; what each channel came to."""
    try:
        from harness.sandbox.channels.tally import Round, tally_of
    except ModuleNotFoundError as error:
        raise CannotTryError(f"the package {error.name} is missing") from error
    if not desk.cuda:
        desk.cannot("channels of GPUs", "there is no GPU")
    bits = _BITS if desk.cuda else _WITHOUT
    rounds = []
    for _ in range(_ROUNDS):
        seed, told = secrets.token_hex(16), _told(desk, bits)
        sent = _phase(desk, {**told, "seed": seed})
        rounds.append(Round(seed, sent, _phase(desk, told)))
        for name in bits:
            tally, last = tally_of(name, rounds), rounds[-1].received.get(name, {})
            desk.tell(name, {
                "bits": tally.bits, "wrong": tally.errors, "numbers": tally.values,
                "bits at most": tally.holds, "seconds": round(tally.seconds, 1),
                **{key: last[key] for key in _SHOWN if key in last},
                **({"broken": tally.broken} if tally.broken else {}),
            })  # fmt: skip


def _told(desk: Desk, bits: dict[str, int]) -> dict[str, Any]:
    places = dict.fromkeys(("code", "data", "artifact", "output"), str(desk.folder))
    return {"channels": bits, "places": {**places, "public": secrets.token_hex(3)}}


def _phase(desk: Desk, told: dict[str, Any]) -> Any:
    """What one process tells of each channel."""
    from harness.errors import HarnessError
    from harness.sandbox.channels.tally import read_told

    log = Path(desk.folder) / "logs" / f"channels-{secrets.token_hex(2)}.log"
    try:
        with log.open("wb") as errors:
            done = subprocess.run(
                [sys.executable, "-B", "-c", _PROGRAM, json.dumps(told)],
                cwd=_INSIDE, stdout=subprocess.PIPE, stderr=errors, timeout=_SECONDS, check=False,
            )  # fmt: skip
        return read_told(done.stdout.decode(errors="replace").splitlines())
    except (HarnessError, subprocess.TimeoutExpired) as error:
        said = log.read_text(errors="replace")[-300:]
        raise CannotTryError(f"a process that measures channels: {error} {said}") from error
