"""The frame of pages: one file, one policy, and nothing of a stranger but text."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markupsafe import Markup

from harness.judge.verdict import Verdict
from harness.report.html.page import Link, Page, render_page, stylesheet
from harness.report.html.report import render_report
from harness.report.shown import Shown
from tests.factories import verdicts as samples
from tests.factories.exhibits import exhibits

VOID = {"meta", "br", "hr", "img", "input", "link", "wbr"}
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</text></svg><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "--><svg onload=alert(1)>",
)

# Drawing takes a while; together these have every section and every picture of a verdict.
DRAWN = ("complete", "rejected", "script")


class Elements(HTMLParser):
    """Every element with its attributes, and whether all of them are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def elements_of(page: str) -> Elements:
    found = Elements(page)
    assert (found.wrong, found.open) == ([], [])
    return found


def allowed(page: str) -> dict[str, list[str]]:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    policy = policy.replace("&#39;", "'")
    return {name: rest for name, *rest in (part.split() for part in policy.split("; "))}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    page = render_page(Page("title", Markup("<p>body</p>")))
    assert allowed(page) == {
        "default-src": ["'none'"],
        "style-src": [hash_of(stylesheet())],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert f"<style>{stylesheet()}</style>" in page


def test_text_is_escaped_and_markup_of_ours_is_not() -> None:
    page = render_page(
        Page("a <b> \u202e", Markup("<p>body</p>"), heading="<i>", above=[Link("x.html", "<u>")])
    )
    assert "<title>a &lt;b&gt;</title>" in page
    assert "<p>body</p>" in page
    assert not {"b", "i", "u"} & {tag for tag, _ in elements_of(page).found}
    assert "\u202e" not in page


@pytest.mark.parametrize("sample", DRAWN)
def test_a_report_is_one_file_that_asks_for_nothing(sample: str) -> None:
    page = render_report(Shown(samples.SAMPLES[sample](), exhibits()))
    for tag, attributes in elements_of(page).found:
        assert tag not in {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
        assert "style" not in attributes, "the policy would forbid it"
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "xlink:href", "srcset", "action"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:text/csv;")), address


@pytest.mark.parametrize("sample", DRAWN)
def test_a_report_names_each_place_once_and_leads_to_what_is_there(sample: str) -> None:
    found = elements_of(render_report(Shown(samples.SAMPLES[sample](), exhibits()))).found
    ids = [given["id"] for _, given in found if "id" in given]
    assert len(ids) == len(set(ids))
    links = [given["href"] or "" for tag, given in found if tag == "a"]
    inner = {link[1:] for link in links if link.startswith("#")}
    assert len(inner) > 5
    assert inner <= set(ids)


def hostile_verdicts() -> list[Callable[[str], Verdict]]:
    return [
        lambda text: samples.longest(text, seeds=3),
        lambda text: samples.complete(submission=text, author=text),
        lambda text: samples.rejected(reason=text),
    ]


@pytest.mark.parametrize("made", hostile_verdicts())
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_element(made: Callable[[str], Verdict], text: str) -> None:
    harmless = re.sub(r"[^ ]", "x", text)
    drawn = elements_of(render_report(Shown(made(text)), drawn=False))
    usual = elements_of(render_report(Shown(made(harmless)), drawn=False))
    assert {tag for tag, _ in drawn.found} == {tag for tag, _ in usual.found}
    assert [set(given) for _, given in drawn.found] == [set(given) for _, given in usual.found]


def test_text_is_not_filled_in_twice() -> None:
    page = render_report(Shown(samples.complete(submission="{{ 7 * 7 }}")), drawn=False)
    assert "{{ 7 * 7 }}" in page


def test_a_long_name_is_cut_and_a_lone_surrogate_does_no_harm() -> None:
    page = render_report(Shown(samples.complete(submission="W" * 100_000)), drawn=False)
    assert len(page) < 200_000
    render_report(Shown(samples.complete(submission="a \ud800 b")), drawn=False).encode()


def test_what_only_a_run_directory_holds_is_named_once_where_it_is_missing() -> None:
    alone = render_report(Shown(samples.complete()), drawn=False)
    assert alone.count("only a verdict is at hand") == 1
    assert "Each run in time" in alone
    assert "only a verdict is at hand" not in render_report(
        Shown(samples.complete(), exhibits()), drawn=False
    )


def test_checks_that_pass_are_a_line_that_opens_and_the_others_stand_open() -> None:
    page = render_report(Shown(samples.rejected()), drawn=False)
    checks, _, _ = page.partition('id="checks"')[2].partition("</section>")
    news, _, folded = checks.partition('<details class="folded">')
    verdict = samples.rejected()
    named = re.compile(r'<td role="cell"><bdi class="w-[a-z]+">([a-z_]+)</bdi>')
    assert set(named.findall(news)) == {c.id for c in verdict.checks if c.status != "pass"}
    passing = [check.id for check in verdict.checks if check.status == "pass"]
    assert f"{len(passing)} checks pass: {', '.join(passing)}" in folded
    assert named.findall(folded) == passing


def test_the_same_verdict_is_the_same_page() -> None:
    assert render_report(Shown(samples.complete())) == render_report(Shown(samples.complete()))


def test_pictures_can_be_left_undrawn() -> None:
    drawn = render_report(Shown(samples.complete()))
    undrawn = render_report(Shown(samples.complete()), drawn=False)
    assert drawn.count('class="plot"') == drawn.count("<figure") == undrawn.count("<figure") > 3
    assert 'class="plot"' not in undrawn
    assert undrawn.count("<details open>") == undrawn.count("<figure")
