"""A site in a real browser: tables sort and filter by keyboard, and do without scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from tests.factories.playground import harness
from tests.factories.sites import accepted_verdicts
from tests.report.html.browser import WIDTHS, Scheme, opened
from tests.report.html.test_browser import BIDI
from tests.report.html.test_page import HOSTILE
from tests.report.site.test_build import ENTRIES, built

pytestmark = pytest.mark.browser

MEANS = (1.25, 1.2, 1.22, 1.1, 1.15)
NAMES = ("beta", "Alpha", "delta", "gamma", "Alpha 2")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    harness("audit", ENTRIES, "--json", place / "audits.json")
    made = accepted_verdicts(place / "accepted", MEANS, names=NAMES)
    built(made, place / "out", audits=[place / "audits.json"], pictures="records")
    return place / "out"


def of_each_kind(site: Path) -> list[Path]:
    """The start, lists, and one page of every kind."""
    kinds = ("verdicts", "compare", "tracks", "rules", "audits")
    firsts = [sorted((site / kind).glob("[!i]*.html"))[0] for kind in kinds]
    indexes = [site / kind / "index.html" for kind in ("tracks", "rules", "audits")]
    return [site / "index.html", site / "entries.html", *indexes, *firsts]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_ask_for_nothing_and_are_accessible(
    browser: Browser, site: Path, scheme: Scheme
) -> None:
    for page in of_each_kind(site):
        for width in WIDTHS:
            with opened(browser, page, width=width, scheme=scheme) as seen:
                assert seen.overflow <= 0, page
                assert (seen.complaints, seen.requests) == ([], []), page
        with opened(browser, page, scheme=scheme) as seen:
            assert seen.violations() == "", page


def test_lists_fit_a_phone_and_say_that_a_wider_window_has_more(
    browser: Browser, site: Path
) -> None:
    wider = (
        "[...document.querySelectorAll('.listed .scroll')]"
        ".filter((each) => each.scrollWidth > each.clientWidth).length"
    )
    for page in of_each_kind(site):
        for width in (360, 800):
            with opened(browser, page, width=width) as seen:
                assert seen.page.evaluate(wider) == 0, (page, width)
    for width, fewer in ((360, True), (1600, False)):
        with opened(browser, site / "entries.html", width=width) as seen:
            assert seen.page.get_by_text("A wider window shows more").is_visible() == fewer
            assert seen.page.locator("th", has_text="deviation").is_visible() != fewer


def column(table: Locator, number: int) -> list[str]:
    cells = table.locator(f"tbody tr:visible td:nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_a_table_is_sorted_and_filtered_by_keyboard(browser: Browser, site: Path) -> None:
    with opened(browser, site / "entries.html") as seen:
        table = seen.page.locator("table.sorts").first
        assert column(table, 2) == ["Alpha 2", "gamma", "delta", "Alpha", "beta"]
        head = table.locator("th", has_text="BPB")
        head.locator("button").focus()
        seen.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert column(table, 5) == sorted(column(table, 5))
        seen.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert column(table, 5) == sorted(column(table, 5), reverse=True)
        field = seen.page.locator("input[type=search]").first
        field.focus()
        seen.page.keyboard.type("ALPHA")
        assert sorted(column(table, 2)) == ["Alpha", "Alpha 2"]
        assert seen.page.locator(".said").first.inner_text() == "2 of 5"
        seen.page.keyboard.press("Enter")  # nothing is sent anywhere
        assert seen.page.url.endswith("entries.html")
        field.fill("")
        assert len(column(table, 2)) == 5
        assert (seen.complaints, seen.requests) == ([], [])


def test_it_is_read_without_scripts(browser: Browser, site: Path) -> None:
    with opened(browser, site / "index.html", scripts=False) as seen:
        tables = seen.page.locator("table.sorts")
        assert tables.first.is_visible() and not tables.locator("button").count()
        assert not seen.page.locator(".filter").first.is_visible()
        seen.page.get_by_role("link", name="gamma").first.click()
        assert seen.page.locator("h1").inner_text().startswith("VERIFIED")
        seen.page.get_by_role("link", name="Leaderboard").click()
        assert seen.page.locator("h1").inner_text() == "Leaderboard"


def test_hostile_names_run_nothing(browser: Browser, tmp_path: Path) -> None:
    names = [*HOSTILE[:4], BIDI, "W" * 200]
    means = [1.3 - 0.01 * place for place in range(len(names))]
    made = accepted_verdicts(tmp_path / "h", means, names=names, author=HOSTILE[0])
    built(made, tmp_path / "out")
    for page in of_each_kind_without_audits(tmp_path / "out"):
        for width in (360, 1600):
            with opened(browser, page, width=width) as seen:
                for head in seen.page.locator("th button").all():
                    if head.is_visible():  # narrow windows leave columns out
                        head.click()
                assert seen.ran == []
                assert (seen.complaints, seen.requests) == ([], [])
                assert seen.overflow <= 0
                assert "\u202e" not in seen.page.locator("main").inner_text()


def of_each_kind_without_audits(site: Path) -> list[Path]:
    compared = sorted((site / "compare").glob("*.html"))
    verdicts = sorted((site / "verdicts").glob("*.html"))
    return [site / "index.html", site / "entries.html", *compared, *verdicts]
