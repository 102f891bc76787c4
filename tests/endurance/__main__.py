"""A soak and a series of kills: ``python -m tests.endurance --seed-runs 100 --kills 20``.

``--beside 4`` keeps four processes computing during the soak: verdicts must not hang on that.

Exits 1 when something was lost, measured twice, or left behind.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.endurance.kills import kill_and_resume
from tests.endurance.soak import beside, soak
from tests.factories.playground import BIGRAM, write_track

_SEEDS = 2


def main() -> int:
    """Run both; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("--seed-runs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--beside", type=int, default=0, help="processes that compute meanwhile")
    parser.add_argument("--sandbox", choices=("docker", "process"), default="docker")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    options = parser.parse_args()
    if options.sandbox == "docker":
        os.environ["HARNESS_DOCKER_TESTS"] = "1"  # leftovers are looked for at the engine too
    console, failed = Console(), False
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        track = write_track(place / "track.toml", seeds=str(_SEEDS))
        common = [str(BIGRAM), "--track", str(track), "--data", str(options.data)]
        common += ["--sandbox", options.sandbox]
        began = time.monotonic()
        with beside(options.beside):
            codes, piled = soak(common, place / "soak", verifications=options.seed_runs // _SEEDS)
        each = (time.monotonic() - began) / len(codes)
        counts = ", ".join(f"{codes.count(code)} x {code}" for code in sorted(set(codes)))
        console.print(
            f"soak: {len(codes) * _SEEDS} seed runs, {each:.0f} s each two; codes {counts}"
        )
        console.print(f"left behind: {piled or 'nothing'}", markup=False)
        failed |= bool(piled) or set(codes) != {0}
        table = Table(title=f"{options.kills} kills, seed {options.seed}")
        for heading in ("kills", "code", "lost", "left", "killed when there were"):
            table.add_column(heading)
        chance = random.Random(options.seed)
        left = options.kills
        while left > 0:
            done = kill_and_resume(
                common,
                place / f"kills-{left}",
                kills=min(left, 4),
                longest_seconds=1.2 * each,
                chance=chance,
            )
            left -= max(1, done.kills)
            failed |= bool(done.lost or done.left) or done.code != 0
            table.add_row(
                str(done.kills), str(done.code), "\n".join(done.lost) or "nothing",
                "\n".join(done.left) or "nothing", "\n".join(done.moments),
            )  # fmt: skip
        console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
