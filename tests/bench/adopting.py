"""How long ``harness adopt`` takes for as many records as the contest has pull requests.

``python -m tests.bench.adopting [--records 1700] [--workers 2] [DIR...]`` puts so many folders
together, no two alike, and reads them by the command. They are made of the honest entries that are
kept here and of the folders in each ``DIR``; folders of the same name are put together, so that
scripts can stand in one directory and their logs in another. In every copy the script gets another
constant and another comment, so that no digest of a file or function is there twice.

Printed are seconds of the clock, and those of all cores together that the reading and its workers
used: on a machine that others share, what they used over the workers is the honest figure.
"""

import argparse
import ast
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.upstream_entries.entries import honest

_TARGET_SECONDS = 120


def sources(place: Path, directories: Sequence[Path]) -> list[Path]:
    """The folders that copies are made of, in ``place``."""
    for entry in honest():
        entry.assemble(place)
    for directory in directories:
        for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
            shutil.copytree(folder, place / folder.name, dirs_exist_ok=True)
    found = sorted(path for path in place.iterdir() if any(path.glob("*.py")))
    return [folder for folder in found if all(map(_parses, folder.glob("*.py")))]


def _parses(path: Path) -> bool:
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    return True


def copies(folders: Sequence[Path], place: Path, count: int) -> int:
    """Make so many copies, no two alike, in turn of each; the bytes of their scripts."""
    written = 0
    for number in range(count):
        source = folders[number % len(folders)]
        target = place / f"{number:05d}_{source.name}"
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        for path in target.glob("*.py"):
            changed = f"\n# copy {number}\n_COPY = {number}\n".encode()
            path.write_bytes(path.read_bytes() + changed)
            written += path.stat().st_size
    return written


def main(words: Sequence[str] | None = None) -> int:
    """Make the folders, read them, and print what it took; 1 where that is too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--records", type=int, default=1700)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="pgolf-adopting-") as name:
        top = Path(name)
        (top / "sources").mkdir()
        found = sources(top / "sources", options.directories)
        size = copies(found, top / "records", options.records)
        command = [sys.executable, "-m", "harness", "adopt", str(top / "records")]
        command += ["--workers", str(options.workers), "--json", str(top / "told.json")]
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    share = used / options.workers
    print(
        f"{options.records:,} records of {len(found)} scripts, {size / options.records / 1e3:.0f} "
        f"kB each: {seconds:.1f} s by the clock, {used:.1f} s of cores, {share:.1f} s for each of "
        f"{options.workers} workers ({1e3 * used / options.records:.0f} ms a record)"
    )
    print("\n".join(line for line in done.stdout.splitlines()[-30:] if " %" in line))
    return int(share > _TARGET_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
