"""Reports in a real browser: nothing runs, nothing is asked for, nothing is cut off."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.judge.verdict import Verdict
from harness.report.exhibits.model import Exhibits, Tensor, Weights
from harness.report.html.pictures import as_csv
from harness.report.html.report import render_report
from harness.report.sections import parts
from harness.report.shown import Shown
from tests.factories import verdicts as samples
from tests.factories.exhibits import exhibits
from tests.report.html.browser import WIDTHS, Scheme, opened
from tests.report.html.test_page import HOSTILE

pytestmark = pytest.mark.browser

REPORTS: dict[str, Callable[[], Shown]] = {
    "whole": lambda: Shown(samples.complete(), exhibits()),
    "rejected": lambda: Shown(samples.rejected()),
    "script": lambda: Shown(samples.script()),
    "bare": lambda: Shown(samples.SAMPLES["bare"]()),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    made = {}
    for name, shown in REPORTS.items():
        made[name] = place / f"{name}.html"
        made[name].write_text(render_report(shown()), encoding="utf-8")
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_fits_asks_for_nothing_and_complains_of_nothing(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: Scheme
) -> None:
    with opened(browser, pages[name], width=width, scheme=scheme) as seen:
        assert seen.overflow <= 0
        seen.page.evaluate(
            "for (const each of document.querySelectorAll('details')) each.open = true"
        )
        assert seen.overflow <= 0
        assert (seen.complaints, seen.requests) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_accessible(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Scheme
) -> None:
    with opened(browser, pages[name], scheme=scheme) as seen:
        seen.page.evaluate(
            "for (const each of document.querySelectorAll('details')) each.open = true"
        )
        assert seen.violations() == ""


def test_the_checks_of_accessibility_would_find_something(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["bare"]) as seen:
        seen.page.evaluate("document.documentElement.removeAttribute('lang')")
        assert "html-has-lang" in seen.violations()


def test_the_policy_stops_what_is_not_ours(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["bare"]) as seen:
        stopped: list[str | None] = []
        seen.page.on("requestfailed", lambda request: stopped.append(request.failure))
        seen.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "alert(1)";
                document.body.append(script);
                const picture = document.createElement("img");
                picture.src = "https://example.org/x.png";
                document.body.append(picture);
                document.body.setAttribute("style", "color: red");
            }"""
        )
        seen.page.wait_for_timeout(100)
        assert seen.ran == []
        assert stopped == ["csp"]
        assert len([said for said in seen.complaints if "Content Security Policy" in said]) == 3


def test_a_report_is_read_without_scripts(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["whole"], scripts=False) as seen:
        assert seen.page.locator("h1").inner_text().startswith("VERIFIED")
        first = seen.page.locator(".picture details").first
        assert not first.locator("table").is_visible()
        first.locator("summary").click()
        assert first.locator("table").is_visible()


def test_the_way_through_a_page_is_open_where_there_is_room(
    browser: Browser, pages: dict[str, Path]
) -> None:
    for width, there in ((360, False), (1600, True)):
        with opened(browser, pages["whole"], width=width) as seen:
            way = seen.page.locator("nav.contents")
            link = way.get_by_role("link", name="Checks")
            assert link.is_visible() == there
            if not there:
                way.locator("summary").click()
                assert link.is_visible()


def test_labels_can_be_read_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["whole"], width=360) as seen:
        sizes = seen.page.evaluate(
            """[...document.querySelectorAll("svg.plot")].map((svg) =>
                Math.min(...[...svg.querySelectorAll("text")].map((text) =>
                    parseFloat(getComputedStyle(text).fontSize)))
                * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
        )
        assert len(sizes) > 10
        assert min(sizes) >= 10, "pixels of the smallest label of each picture"


def test_what_passes_is_told_on_paper_too(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["whole"]) as seen:
        seen.page.emulate_media(media="print")
        assert seen.page.get_by_text("14 checks pass: hardware").is_visible()


def test_pictures_are_as_wide_as_there_is_room(browser: Browser, pages: dict[str, Path]) -> None:
    for width in WIDTHS:
        with opened(browser, pages["whole"], width=width) as seen:
            sizes = [each.bounding_box() for each in seen.page.locator("svg.plot").all()]
            assert len(sizes) > 10
            for size in sizes:
                assert size is not None
                assert 280 <= size["width"] <= width
                assert size["height"] > 60


def test_a_report_prints(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["whole"]) as seen:
        printed = seen.page.pdf(format="A4", print_background=True)
        assert printed.startswith(b"%PDF")
        assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 30
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("nav.contents").is_visible()
        assert seen.page.locator("svg.plot").first.is_visible()


def test_figures_are_kept_as_a_file(browser: Browser, pages: dict[str, Path]) -> None:
    pictures = [each for part in parts(REPORTS["whole"](), "html") for each in part.pictures]
    with opened(browser, pages["whole"]) as seen:
        for picture in pictures:
            figure = seen.page.locator(f"#picture-{picture.id}")
            figure.locator("summary").click()
            with seen.page.expect_download() as download:
                figure.locator("a[download]").click()
            assert download.value.suggested_filename == f"{picture.id}.csv"
            kept = Path(download.value.path()).read_text(encoding="utf-8")
            assert kept == as_csv(picture.figures)


def hostile_exhibits(text: str) -> Exhibits:
    tensors = tuple(
        Tensor(name=text[:80], kind=text[:80], stored_bytes=size) for size in (9_999, 999)
    )
    return exhibits(
        weights=Weights(format=text[:80], compressed=True, tensors=tensors), weights_why=text
    )


BIDI = "\u202egnp.exe\u2066 \u05d0\u05d1"
HOSTILE_VERDICTS: dict[str, Callable[[str], Verdict]] = {
    "everywhere": lambda text: samples.longest(text, seeds=3),
    "name": lambda text: samples.complete(submission=text, author=text),
}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        *(("everywhere", text) for text in (*HOSTILE[:8], BIDI, "W" * 100_000)),
        *(("name", text) for text in (HOSTILE[0], BIDI)),
    ],
)
def test_hostile_text_runs_nothing_and_looks_like_text(
    browser: Browser, tmp_path: Path, where: str, text: str
) -> None:
    page = tmp_path / "page.html"
    shown = Shown(HOSTILE_VERDICTS[where](text), hostile_exhibits(text))
    page.write_text(render_report(shown), encoding="utf-8")
    for width in (360, 1600):
        with opened(browser, page, width=width) as seen:
            seen.page.mouse.move(width // 2, 300)
            seen.page.keyboard.press("Tab")
            assert seen.ran == []
            assert (seen.complaints, seen.requests) == ([], [])
            assert seen.overflow <= 0
            assert seen.page.locator("script, img, iframe, style + style").count() == 0
            said = seen.page.locator("main").inner_text()
            if text in HOSTILE:
                assert text in said, json.dumps(said[:2_000])
            assert "\u202e" not in said
