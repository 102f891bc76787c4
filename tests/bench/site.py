"""How long a site of many verdicts takes, and how large it is.

``python -m tests.bench.site --entries 2000`` makes verdicts by judging runs, gives each a name, an
author and a day of its own, accepts them into a leaderboard, and builds its site.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.report.site.build import PICTURES, Pictures, build_site
from tests.factories.sites import many_verdicts
from tests.judge.test_recipes import KNOWN


@dataclass(frozen=True)
class Measured:
    """One build: seconds on the clock and of processors, bytes, pages."""

    entries: int
    pictures: str
    workers: int
    seconds: float
    processor_seconds: float
    load: float
    pages: int
    files: int
    bytes: int
    start_bytes: int
    largest_page_bytes: int
    problems: int


def measure(entries: int, *, bases: int, pictures: Pictures, workers: int) -> Measured:
    """Make the verdicts, and build their site once."""
    with tempfile.TemporaryDirectory() as folder:
        made = many_verdicts(Path(folder) / "accepted", entries, bases=bases)
        out = Path(folder) / "site"
        before, began = _processor_seconds(), time.perf_counter()
        built = build_site(
            out,
            leaderboard=made.board,
            verdicts=[made.verdicts],
            tracks=[KNOWN],
            pictures=pictures,
            workers=workers,
        )
        seconds = time.perf_counter() - began
        return Measured(
            entries=entries,
            pictures=pictures,
            workers=workers,
            seconds=seconds,
            processor_seconds=_processor_seconds() - before,
            load=os.getloadavg()[0],
            pages=built.pages,
            files=built.files,
            bytes=built.bytes,
            start_bytes=built.start_bytes,
            largest_page_bytes=max(path.stat().st_size for path in out.rglob("*.html")),
            problems=len(built.problems),
        )


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Print one build as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--bases", type=int, default=60, help="how often the record falls")
    parser.add_argument("--pictures", choices=PICTURES, default="records")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    found = measure(
        asked.entries, bases=asked.bases, pictures=asked.pictures, workers=asked.workers
    )
    print(json.dumps(asdict(found), indent=2))


if __name__ == "__main__":
    main()
