"""One list of sections: whatever a section says stands in every drawing of it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import get_args

import pytest
from markdown_it import MarkdownIt

from harness.judge.verdict import Verdict
from harness.report import blocks, markdown, sections
from harness.report.blocks import Cell, Curve, Mark, Paragraph, words
from harness.report.figures import sparkline
from harness.report.html.report import render_report
from harness.report.markdown import LONGEST_COMMENT, render_markdown
from harness.report.sections import (
    LEFT_OUT,
    NO_EXHIBITS,
    SECTIONS,
    Medium,
    Part,
    Section,
    parts,
)
from harness.report.shown import Shown
from harness.report.terminal import render_text
from tests.factories import verdicts as samples
from tests.factories.blocks import cells_of, parts_of, wrapped
from tests.factories.exhibits import exhibits

WIDTHS = (40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160)
FRAMES = re.compile("[\u2501-\u257f\u2500]")


def squeezed(text: str) -> str:
    """Text without white space, so that it is found however it was wrapped."""
    return "".join(text.split())


def on_terminal(verdict: Verdict, width: int = 100) -> str:
    return FRAMES.sub(" ", render_text(verdict, width=width))


def in_markdown(verdict: Verdict) -> str:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found = parser.parse(render_markdown(verdict))
    pieces = [piece for token in found for piece in token.children or []]
    return " ".join(piece.content for piece in pieces)


def drawn_in(medium: Medium, verdict: Verdict) -> list[Part]:
    """The sections that a medium draws."""
    return [part for part in built(verdict) if part.id not in LEFT_OUT[medium]]


def on_terminal_said(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return cell.status.upper()
    said = words(cell)
    # Below the scorecard, a label stands in a column of its own.
    return said.text.replace(": ", " ", 1) if said.whole else said.brief or said.text


def in_markdown_said(cell: Cell) -> str:
    return markdown.STATUS_MARKS[cell.status] if isinstance(cell, Mark) else words(cell).text


class TextOf(HTMLParser):
    """What a page says, without its style and its scripts; each piece apart from the next."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unsaid = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unsaid += tag in {"style", "script", "nav"}

    def handle_endtag(self, tag: str) -> None:
        self._unsaid -= tag in {"style", "script", "nav"}

    def handle_data(self, data: str) -> None:
        if not self._unsaid:
            self.pieces.append(data)


def in_html(verdict: Verdict) -> str:
    found = TextOf()
    found.feed(render_report(whole(verdict), drawn=False))
    return " ".join(found.pieces)


def in_html_said(cell: Cell) -> str:
    return cell.status if isinstance(cell, Mark) else words(cell).text


RENDERERS: dict[Medium, tuple[Callable[[Verdict], str], Callable[[Cell], str]]] = {
    "terminal": (on_terminal, on_terminal_said),
    "markdown": (in_markdown, in_markdown_said),
    "html": (in_html, in_html_said),
}


def missing(drawing: str, part: Part, said: Callable[[Cell], str]) -> list[str]:
    """What of a section is not in a drawing."""
    expected = [part.title, *map(said, cells_of(part.block))]
    expected += [sparkline(b.values) for b in parts_of(part.block) if isinstance(b, Curve)]
    squeezed_drawing = squeezed(drawing)
    return [text for text in expected if squeezed(text) not in squeezed_drawing]


def whole(verdict: Verdict) -> Shown:
    """A verdict with everything else that can be shown."""
    return Shown(verdict, exhibits())


def built(verdict: Verdict) -> list[Part]:
    """Every section that has something to say, whatever a medium leaves out."""
    made = [(each, each.build(whole(verdict))) for each in SECTIONS]
    return [Part(each.id, each.title, block) for each, block in made if block is not None]


def test_every_medium_is_tested_and_leaves_out_only_what_it_gives_a_reason_for() -> None:
    assert set(RENDERERS) == set(LEFT_OUT) == set(get_args(Medium))
    ids = [section.id for section in SECTIONS]
    assert len(set(ids)) == len(ids)
    for reasons in LEFT_OUT.values():
        assert set(reasons) <= set(ids)
        assert all(len(reason.split()) > 2 for reason in reasons.values())


def test_the_samples_have_something_to_say_in_every_section() -> None:
    said = {part.id for sample in samples.SAMPLES.values() for part in built(sample())}
    assert said == {section.id for section in SECTIONS}


@pytest.mark.parametrize("sample", samples.SAMPLES)
@pytest.mark.parametrize("medium", RENDERERS)
def test_nothing_that_a_section_says_is_missing(medium: Medium, sample: str) -> None:
    verdict = samples.SAMPLES[sample]()
    draw, said = RENDERERS[medium]
    drawing = draw(verdict)
    for part in drawn_in(medium, verdict):
        assert missing(drawing, part, said) == [], part.id


@pytest.mark.parametrize("sample", samples.SAMPLES)
@pytest.mark.parametrize("medium", RENDERERS)
def test_titles_stand_in_the_order_of_the_list(medium: Medium, sample: str) -> None:
    verdict = samples.SAMPLES[sample]()
    drawing = squeezed(RENDERERS[medium][0](verdict))
    titles = [part.title for part in parts(whole(verdict), medium) if part.title]
    places = [drawing.index(squeezed(title)) for title in titles]
    assert places == sorted(places)


@pytest.mark.parametrize("medium", RENDERERS)
def test_a_missing_section_would_be_seen(medium: Medium, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = samples.complete()
    draw, said = RENDERERS[medium]
    for left_out in built(verdict):
        monkeypatch.setattr(sections, "LEFT_OUT", {medium: {left_out.id: "to see it missed"}})
        assert missing(draw(verdict), left_out, said), left_out.id


def test_without_exhibits_a_section_that_needs_them_says_so() -> None:
    needy = Section("curves", "Loss curves", "exhibits", lambda shown: None)
    (part,) = parts(Shown(samples.verdict()), "terminal", sections=(needy,))
    assert (part.id, part.title) == ("curves", "Loss curves")
    assert isinstance(part.block, Paragraph)
    assert words(part.block.text).text == NO_EXHIBITS


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_no_figure_is_cut_at_any_width(sample: str, width: int) -> None:
    verdict = samples.SAMPLES[sample]()
    drawing = on_terminal(verdict, width)
    assert max(map(len, wrapped(drawing))) <= width
    drawn = set(drawing.split())
    found = drawn_in("terminal", verdict)
    cells = [cell for part in found for cell in cells_of(part.block)]
    said = {word for cell in cells for word in on_terminal_said(cell).split()}
    # A path in the middle of a sentence may be folded; one that is to be copied is not.
    figures = {word for word in said if re.search(r"\d", word) and not word.startswith("runs/")}
    assert len(figures) > 30
    assert figures - drawn == set()


@pytest.mark.parametrize("text", ["@x " * 10_000, "`" * 10_000, "W" * 10_000, "x | y " * 5_000])
def test_a_comment_has_room_for_a_hundred_seeds_and_the_longest_strings(text: str) -> None:
    verdict = samples.longest(text, seeds=100)
    written = render_markdown(verdict)
    assert len(written) <= LONGEST_COMMENT
    assert "left out here" not in written
    shown = squeezed(in_markdown(verdict))
    for part in drawn_in("markdown", verdict):
        assert squeezed(part.title) in shown
    for check in verdict.checks:
        assert check.id in shown
    assert re.search(r"\d+ more are not shown", written)


def test_short_tables_are_never_cut() -> None:
    most_checks = len(samples.complete().checks)
    assert most_checks <= min(room.rows for room in markdown.ROOMS)
    hundred = samples.verdict(seeds=tuple(samples.seed_result(n, 1.05) for n in range(100)))
    assert "more are not shown" not in render_markdown(hundred)


def test_a_column_of_figures_that_is_empty_is_left_out() -> None:
    rows = [blocks.Row(("a", "", "1")), blocks.Row(("", "", "2"))]
    table = blocks.Table(("name", "nothing", "figure"), 1, rows)
    assert table.used == [0, 2]
    assert "nothing" not in markdown.draw(table)
