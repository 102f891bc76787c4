"""A real browser, and what it has to say of a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (360, 900, 1600)
Scheme = Literal["light", "dark"]
_TRAP = "window.ran = []; window.alert = (said) => { window.ran.push(String(said)); };"


def launched(playwright: Playwright) -> Browser:
    """Chromium, as it is installed; nothing is downloaded."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is needed: on Debian, apt-get install --no-install-recommends chromium"
    return playwright.chromium.launch(executable_path=found)


@dataclass
class Opened:
    """A page that is open, what it asked for, and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def overflow(self) -> int:
        """CSS pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    @property
    def ran(self) -> list[str]:
        """What scripts that are not ours said."""
        return list(self.page.evaluate("window.ran ?? []"))

    def violations(self) -> str:
        """What axe-core has against the page; empty when nothing."""
        found = Axe().run(self.page)
        return str(found.generate_report()) if found.violations_count else ""


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    *,
    width: int = 900,
    scheme: Scheme = "light",
    scripts: bool = True,
) -> Iterator[Opened]:
    """Open a file without a network; any request but that for the file itself is kept."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=scripts,
        offline=True,
    )
    if scripts:
        context.add_init_script(_TRAP)
    page = context.new_page()
    seen = Opened(page)
    page.on("console", lambda said: seen.complaints.append(said.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    seen.requests.remove(path.as_uri())
    try:
        yield seen
    finally:
        context.close()
