"""What a page says to somebody who has never seen the contest."""

import re

import pytest

from harness.report.html.explained import words_of
from harness.report.html.one_piece import in_pieces
from harness.report.html.report import render_report
from harness.report.shown import Shown
from tests.factories import verdicts as samples
from tests.report.html.test_page import HOSTILE


@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_a_report_names_the_entry_first_and_explains_its_words_last(sample: str) -> None:
    verdict = samples.SAMPLES[sample]()
    page = render_report(Shown(verdict), drawn=False)
    places = [page.index(f'"{name}"') for name in ("subject", "about", "words")]
    assert places == sorted(places)
    assert re.findall(r'<h2 id="title-([a-z_]+)"', page)[-1] == "words"
    assert dict(words_of(verdict).rows)[verdict.verdict]


def test_only_words_that_stand_in_a_report_are_explained() -> None:
    untested = {label for label, _ in words_of(samples.rejected()).rows}
    tested = {label for label, _ in words_of(samples.complete()).rows}
    assert "p, t" in tested - untested
    assert {"train_wallclock", "bytes"} <= untested - tested, "what failed says what it asks"


def test_options_equations_and_seeds_stay_on_one_line() -> None:
    said = in_pieces("run --slow 4 of seed 12 on 2026-11-30, p = 0.01, 99 % sure")
    for piece in ("--slow", "seed 12", "2026-11-30", "p = 0.01", "99 %"):
        assert f'<span class="one">{piece}</span>' in said
    assert in_pieces("sub--word and seeds").count("<span") == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_pieces_are_escaped(text: str) -> None:
    assert in_pieces(f"{text} --slow").count("<") == len(["<span>", "</span>"])
