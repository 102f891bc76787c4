"""``python -m tests.upstream_entries NAME... [--write]``: run entries whole on the demo dataset.

With ``--write`` the log and the claims of each are written from that run.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from harness.data.build.demo import build_demo
from tests.upstream_entries.entries import Run, UpstreamEntry, entries, run_whole, upstream_data

_CLAIMS = "submission.json"
_LOG = "train.log"
_LOGS = {"plain_inline": "logs/seed1337.txt"}
"""Where the log comes from that is sent; most send what was on the console."""


def main() -> None:
    """Run them, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        data = upstream_data(build_demo(place / "sets"), place / "data")
        for number, entry in enumerate(entries()):
            if options.names and entry.name not in options.names:
                continue
            run = run_whole(entry, place / str(number), data, seconds=3600)
            last = run.figures()[-1] if run.figures() else ("no figures", 0.0, 0.0)
            print(f"{entry.name}: exit {run.code}, {run.seconds:.1f} s, {last}", flush=True)
            if run.code != 0:
                print(run.output[-2000:], file=sys.stderr)
            elif options.write:
                _write(entry, run, place, data)


def _write(entry: UpstreamEntry, run: Run, place: Path, data: Path) -> None:
    source = _LOGS.get(entry.name)
    text = (run.work / source).read_text() if source else run.output
    text = text.replace(str(data), "./data").replace(str(place), ".")
    (entry.folder / _LOG).write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    label, loss, bpb = run.figures()[-1]
    total = re.findall(r"Total submission size.*?: (\d+) bytes", run.output)
    code = re.findall(r"Code size: (\d+) bytes", run.output)
    path = entry.folder / _CLAIMS
    given = path if path.exists() else entry.twin.folder / _CLAIMS
    claims = json.loads(given.read_text())
    claims |= {"val_loss": loss, "val_bpb": bpb}
    if total and code:
        claims |= {"bytes_total": int(total[-1]), "bytes_code": int(code[-1])}
    path.write_text(json.dumps(claims, indent=2, ensure_ascii=False) + "\n")
    readme = entry.folder / "README.md"
    if readme.exists():
        text = re.sub(r"val_bpb: \*\*[\d.]*\*\*", f"val_bpb: **{bpb:.8f}**", readme.read_text())
        readme.write_text(text)
    print(f"  {label}: written")


if __name__ == "__main__":
    main()
