"""How long it takes to begin many verifications in one call.

``python -m tests.bench.beginning --entries 2000`` fixes the plans of so many entries, no two alike,
in one directory. Each is looked for among all that were begun before. ``--anew`` reads all of their
plans again for each, as a call for each entry would.
"""

import argparse
import tempfile
import time
from pathlib import Path

from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.data.build.demo import build_demo
from harness.evidence.earlier import Earlier
from harness.evidence.plan import Tries
from harness.run.launcher.local import LocalLauncher
from harness.run.plan import Wishes
from harness.run.progress import Progress
from harness.run.referee import Referee
from harness.run.verify import begin
from harness.sandbox.registry import choose
from tests.factories.playground import write_submission


def main() -> None:
    """Print how long it took, a line for each quarter of the entries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=2_000)
    parser.add_argument("--anew", action="store_true")
    options = parser.parse_args()
    data, track, progress = Path("data"), load_track("smoke"), Progress()
    build_demo(data)
    sandbox = choose("process", track=track, note=progress.note)
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name) / "runs"
        referee = Referee(runs, data, sandbox, LocalLauncher(data, progress), progress)
        one = Earlier(runs)
        began = time.monotonic()
        for number in range(options.entries):
            folder = write_submission(Path(name) / "entry", train=f"entry = {number}")
            submission = load_submission(folder)
            begin(
                submission.entry(track.settings),
                submission.contents,
                track,
                referee,
                bar=None,
                tries=Tries(),
                wishes=Wishes(),
                earlier=Earlier(runs) if options.anew else one,
            )
            if (number + 1) % max(1, options.entries // 4) == 0:
                spent = time.monotonic() - began
                print(f"{number + 1:>6,} begun after {spent:.1f} s", flush=True)


if __name__ == "__main__":
    main()
