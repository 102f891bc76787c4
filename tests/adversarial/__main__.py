"""``python -m tests.adversarial``: verify every cheater and print what became of it.

In Docker when an engine answers; else in the process sandbox, those that make sense there.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.adversarial.gallery import (
    GALLERY,
    SEED,
    Cheater,
    Kind,
    Result,
    Twin,
    cheaters,
    honest,
    readme,
    run,
    verify,
)
from tests.factories.playground import Outcome, build_small_dataset


def main() -> int:
    """Exit code 0 when every cheater ended as its shelf says, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversarial", description=__doc__)
    parser.add_argument("--sandbox", choices=("auto", "docker", "process"), default="auto")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="parts of names")
    parser.add_argument("--jobs", type=int, default=2, help="verifications at a time (default 2)")
    parser.add_argument("--readme", action="store_true", help="write README.md again, run nothing")
    options = parser.parse_args()
    if options.readme:
        (GALLERY / "README.md").write_text(readme())
        return 0
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 150)
    sandbox = _sandbox(options.sandbox, console)
    wanted = [
        cheater for cheater in cheaters() if any(text in cheater.name for text in options.only)
    ]
    here = [cheater for cheater in wanted if sandbox in cheater.card.sandboxes]
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="rogues-") as folder,
        ProcessPoolExecutor(options.jobs, context) as pool,
    ):
        place = Path(folder)
        data = build_small_dataset(place / "data", place / "whole")
        twins: set[Twin] = {"bigram", *(cheater.card.twin for cheater in here)}
        controls = {
            (twin, seeds): pool.submit(
                verify,
                honest(twin, place / "twins"),
                place / f"{twin}-{seeds}",
                data,
                sandbox,
                seeds=seeds,
            )
            for twin in twins
            for seeds in ("auto", SEED)
        }
        done = {control: future.result() for control, future in controls.items()}
        rows: list[tuple[Cheater, Future[Result]]] = []
        for c in here:
            control = done[c.card.twin, SEED]
            where = place / c.name.replace("/", "-")
            rows.append((c, pool.submit(run, c, where, data, sandbox, control)))
        bad = _print(console, sandbox, {twin: done[twin, "auto"] for twin in twins}, rows)
    if left := len(wanted) - len(here):
        other = "Docker" if sandbox == "process" else "the process sandbox"
        console.print(f"{left} more make sense in {other} alone.")
    seconds = time.monotonic() - began
    wrong = f"{bad} not as expected"
    console.print(f"{len(here)} cheaters, {wrong}, {seconds:.0f} s, {sandbox} sandbox")
    return 1 if bad else 0


def _sandbox(asked: str, console: Console) -> Kind:
    from harness.errors import InfrastructureError
    from harness.sandbox.docker.engine import usable

    if asked == "auto":
        try:
            usable()
        except InfrastructureError:
            console.print("No Docker engine answers: the process sandbox, which isolates nothing.")
            return "process"
    return "process" if asked == "process" else "docker"


def _print(
    console: Console,
    sandbox: Kind,
    honest: dict[Twin, Outcome],
    rows: list[tuple[Cheater, Future[Result]]],
) -> int:
    """Print the table; how many rows are wrong."""
    table = Table(title=f"The rogues' gallery, {sandbox} sandbox", title_justify="left")
    for heading in ("cheater", "trick", "expected", "actual", "s", ""):
        table.add_column(heading, overflow="fold", justify="right" if heading == "s" else "left")
    # What may pass between two sandboxes is charged where they are isolated, and of so short a text
    # it is most.
    tolerated = {"isolation"} if sandbox == "process" else {"doubts"}
    bad = 0
    for twin, outcome in honest.items():
        not_passed = [
            f"{check['id']}: {check['detail']}"
            for check in outcome.verdict.get("checks", [])
            if check["status"] != "pass" and check["id"] not in tolerated
        ] or ([] if outcome.verdict else [outcome.err])
        sound = not not_passed and outcome.verdict["verdict"] == "REHEARSED"
        bad += not sound
        said = "every check passes" if sound else "; ".join(not_passed)
        status = "ok" if sound else "WRONG"
        table.add_row(f"honest/{twin}", "none", "every check passes", said, "", status)
    for cheater, future in track(rows, console=Console(stderr=True), transient=True):
        cells = [cheater.name, cheater.card.trick]
        if error := future.exception():
            bad += 1
            table.add_row(*cells, "", f"{type(error).__name__}: {error}", "", "WRONG")
            continue
        result = future.result()
        bad += bool(result.problems)
        cells += [result.expected, "; ".join(result.problems)[:400] or result.actual]
        table.add_row(*cells, f"{result.seconds:.0f}", "WRONG" if result.problems else "ok")
    console.print(table)
    return bad


if __name__ == "__main__":
    sys.exit(main())
