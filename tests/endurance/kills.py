"""A harness killed at random moments: what was measured stays, and nothing is measured twice."""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.run.shown import PREFIX
from harness.safeio import ownership
from harness.safeio.files import sha256_of
from tests.factories.playground import ROOT
from tests.sandbox.conftest import leftovers

# Longer than a verification takes; a kill that comes too late hits nothing.
_PATIENCE_SECONDS = 280


@dataclass(frozen=True)
class Killed:
    """What became of one verification that was killed again and again.

    Attributes:
        kills: how often it was killed before it could end.
        moments: what its directory held when it was killed, for the record.
        code: the exit code of the run that ended by itself.
        lost: evidence that was there before a resume and was not, or not the same, after it.
        left: processes, containers, volumes and directories of the killed ones, at the end.
    """

    kills: int
    moments: tuple[str, ...]
    code: int
    lost: tuple[str, ...]
    left: tuple[str, ...]


def kill_and_resume(
    arguments: list[str], runs: Path, *, kills: int, longest_seconds: float, chance: random.Random
) -> Killed:
    """Verify with ``arguments``, killed ``kills`` times (SIGKILL), then left to end.

    Args:
        arguments: of ``harness verify``, without ``--runs`` and ``--resume``.
        runs: an empty directory.
        kills: how often.
        longest_seconds: a kill comes at a random moment up to this.
        chance: chooses the moments.
    """
    lost: list[str] = []
    moments: list[str] = []
    names: list[str] = []
    done = 0
    while True:
        command = [sys.executable, "-m", "harness", "verify", *arguments, "--runs", str(runs)]
        before = _evidence(runs)
        if any(runs.glob("*/plan.json")):
            command.append("--resume")
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        names.append(_name_of(process.pid))
        try:
            wait = chance.uniform(0, longest_seconds) if done < kills else _PATIENCE_SECONDS
            code = process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
        after = _evidence(runs)
        lost += [name for name, digest in before.items() if after.get(name) != digest]
        if code is not None:
            break
        done += 1
        moments.append(_moment(runs))
    left = leftovers(of=lambda mark: mark.startswith(tuple(name for name in names if name)))
    left += map(str, runs.glob(f"{PREFIX}*"))
    return Killed(kills=done, moments=tuple(moments), code=code, lost=tuple(lost), left=tuple(left))


def _evidence(runs: Path) -> dict[str, str]:
    """Digest of every plan and of every run that has ended; all must be whole at any moment."""
    ended = [
        path
        for path in runs.glob("*/seed-*/try-*/evidence.json")
        if json.loads(path.read_bytes())["ended"]
    ]
    return {
        str(path.relative_to(runs)): sha256_of(path) for path in (*runs.glob("*/plan.json"), *ended)
    }


def _moment(runs: Path) -> str:
    seeds = sum(1 for _ in runs.glob("*/seed-*/try-*/evidence.json"))
    begun = sorted(path.name for path in runs.glob("*/seed-*/try-*/*.log"))
    return f"{seeds} seeds measured, logs: {', '.join(sorted(set(begun))) or 'none'}"


def _name_of(process: int) -> str:
    """As the killed harness would call itself; it may have ended already."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if (started := ownership._start_of(process)) is not None:
            return f"{ownership._namespace()}-{process}-{started}"
    return ""
