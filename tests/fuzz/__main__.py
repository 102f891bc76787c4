"""A long campaign against every parser: ``python -m tests.fuzz --seconds 60``.

Exits 1 when a parser hung, crashed, ate memory or raised what is not fit for a user; the input is
kept in the directory that is named.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.campaign import run
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run the campaign; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="for each parser (default: 20)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--only", default="", help="parsers whose name contains this")
    options = parser.parse_args()
    console = Console()
    table = Table(title=f"hostile bytes, seed {options.seed}")
    for heading in ("parser", "inputs", "refused", "slowest", "memory", "problem"):
        table.add_column(heading, justify="left" if heading in ("parser", "problem") else "right")
    failed = False
    for target in TARGETS:
        if options.only not in target.name:
            continue
        found = run(target, inputs=10**9, seconds=options.seconds, seed=options.seed)
        last = found.problem.strip().splitlines()[-1:] or ["none"]
        table.add_row(
            target.name,
            f"{found.inputs:,}",
            f"{found.refused / max(1, found.inputs):.0%}",
            f"{found.slowest_seconds * 1000:.0f} ms",
            f"+{found.grown_bytes >> 20} MiB",
            last[0][:100],
        )
        if found.problem:
            failed = True
            place = Path(tempfile.mkdtemp(prefix="fuzz-")) / "input"
            place.write_bytes(found.culprit)
            console.print(f"{target.name}: {place}\n{found.problem}", markup=False)
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
