"""``python -m tests.screenshots``: verify, draw, and photograph; ``--runs`` photographs kept runs.

It takes as long as the rehearsal of an example and of a cheater: minutes.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from harness.report.exhibits.read import read_shown
from harness.report.html.report import render_report
from harness.safeio.output import say
from tests.adversarial.gallery import cheaters
from tests.factories.playground import ROOT, harness
from tests.report.html.browser import Scheme, launched, opened

DOCS = ROOT / "docs"
EXAMPLE = ROOT / "submissions" / "ngram_cache"
CHEATER = "causality/next_token"
LARGEST_BYTES = 150_000
Run = Literal["example", "cheater"]


@dataclass(frozen=True)
class Shot:
    """A picture: of which run's page, how wide and high, and from where down."""

    file: str
    run: Run
    width: int
    height: int
    scheme: Scheme = "light"
    place: str = ""


SHOTS = (
    Shot("report.png", "example", 900, 760),
    Shot("report_pictures.png", "example", 900, 560, place="#stream .pictures"),
    Shot("report_rejected.png", "cheater", 900, 680, scheme="dark"),
)


def main() -> int:
    """Make every picture again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="(default: %(default)s)")
    parser.add_argument("--slow", default="1", help="as of harness verify (default: %(default)s)")
    for name in ("example", "cheater"):
        parser.add_argument(f"--{name}", type=Path, metavar="RUN_DIR", help="photograph this one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as kept:
        place = Path(kept)
        runs: dict[Run, Path] = {
            "example": options.example or _example(place / "example", options),
            "cheater": options.cheater or _cheater(place / "cheater", options.data),
        }
        pages = {}
        for name, run in runs.items():
            pages[name] = place / f"{name}.html"
            pages[name].write_text(_page_of(run.absolute()), encoding="utf-8")
        return _photograph(pages)


def _page_of(run: Path) -> str:
    """The page, which names the run as who made it below ``runs`` would see it."""
    with contextlib.chdir(run.parent.parent):
        return render_report(read_shown(Path(run.parent.name) / run.name))


def _example(place: Path, options: argparse.Namespace) -> Path:
    words = ["verify", EXAMPLE, "--track", "smoke", "--sandbox", "process"]
    slow = ["--slow", options.slow] if options.slow != "1" else []
    return _verified(place, [*words, *slow, "--data", options.data])


def _cheater(place: Path, data: Path) -> Path:
    (found,) = (each for each in cheaters() if each.name == CHEATER)
    folder = found.assemble(place / "entry")
    words = ["verify", folder, "--track", "smoke", "--sandbox", "process"]
    return _verified(place, [*words, "--seeds", "1", "--data", data])


def _verified(place: Path, words: Sequence[object]) -> Path:
    done = harness(*words, "--runs", place / "runs")
    if done.code not in (0, 1):
        sys.exit(f"the run to be photographed ended with {done.code}:\n{done.err}")
    (run,) = (place / "runs").iterdir()
    return run


def _photograph(pages: dict[Run, Path]) -> int:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        for shot in SHOTS:
            size = {"width": shot.width, "scheme": shot.scheme}
            with opened(browser, pages[shot.run], **size) as seen:  # type: ignore[arg-type]
                seen.page.set_viewport_size({"width": shot.width, "height": shot.height})
                if shot.place:
                    seen.page.locator(shot.place).evaluate("each => each.scrollIntoView()")
                taken = seen.page.screenshot(path=DOCS / shot.file)
            say(f"docs/{shot.file}: {len(taken):,} bytes")
            if len(taken) > LARGEST_BYTES:
                sys.exit(f"docs/{shot.file}: more than {LARGEST_BYTES:,} bytes")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
