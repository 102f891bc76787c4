"""The page's tables are those of the code, and the goals hold as far as few entries can tell."""

import pytest

from harness.contest.significance import Significance
from harness.contest.track import load_track
from harness.errors import UsageError
from harness.report.operating_characteristics import (
    FIGURE,
    PAGE,
    characteristics_text,
    figure,
    rules_text,
    with_characteristics,
)
from harness.simulation.chances import new_bar
from harness.simulation.characteristics import Characteristics, Grid, characteristics, told
from harness.simulation.power import Size
from harness.simulation.study import Share
from harness.simulation.worlds import HOST_SHARE, World
from tests.simulation.rules import MARGIN, OFFICIAL, PLAIN, SD, procedure

ASKED = Significance.model_validate(OFFICIAL)
FIELD = Size(targets=62_021_845, text_bytes=151_080_891, source="the field's text")


@pytest.fixture(scope="module")
def found() -> Characteristics:
    return characteristics(ASKED, FIELD, entries=1_500)


def grid(found: Characteristics, title: str) -> Grid:
    return next(each for each in found.grids if each.title.startswith(title))


def rows_of(markdown: str) -> list[str]:
    """The tables without their figures: headings, and the first cell of each row."""
    lines = [line for line in markdown.splitlines() if line.startswith(("|", "#"))]
    return [line if "---" in line or line[0] == "#" else line.split("|")[1] for line in lines]


def test_the_page_has_the_tables_of_the_code(found: Characteristics) -> None:
    page = PAGE.read_text()
    begin, end = "<!-- characteristics: begin -->", "<!-- characteristics: end -->"
    kept = page.partition(begin)[2].partition(end)[0]
    assert rows_of(kept) == rows_of(characteristics_text(ASKED, found)), (
        "run `make operating-characteristics` and commit the result"
    )
    assert with_characteristics(page, ASKED, found).replace("\r", "").count(begin) == 1


def test_the_page_was_measured_under_the_rules_of_the_official_track(
    found: Characteristics,
) -> None:
    asked = load_track("10min_16mb").significance
    if asked.test != "moderated":
        pytest.skip("the official track has no moderated test yet")
    page = PAGE.read_text()
    for line in rules_text(asked, found):
        assert line in page, "run `make operating-characteristics` and commit the result"


def test_without_gain_nothing_passes_whatever_its_deviation(found: Characteristics) -> None:
    gains = grid(found, "By gain")
    for column in gains.columns[1:5]:
        cell = gains.share("0", column)
        assert cell.value <= 0.01 + 3 * cell.error


def test_at_the_margin_the_worst_is_near_its_goal_and_a_good_one_is_seen(
    found: Characteristics,
) -> None:
    gains = grid(found, "By gain")
    at_margin = gains.share("0.005", "the worst")
    assert at_margin.value <= 0.014 + 4 * at_margin.error
    good = gains.share("0.0075", "drawn as the field's")
    assert good.value >= 0.8 - 4 * good.error


def test_the_rules_beat_the_simpler_ones_they_are_compared_with(found: Characteristics) -> None:
    table = grid(found, "Beside simpler")
    shares = [table.share(name, "0.0075").value for name, _ in table.rows]
    assert shares[0] + 0.1 < shares[1] < shares[2] - 0.1
    assert shares[3] > shares[1] + 0.1
    runs = [float(str(cells[-1])) for _, cells in table.rows]
    assert runs[:2] == [3, 3] and max(runs[2:]) < 1.5


def test_more_private_seeds_pass_more_often_and_what_is_imposed_helps(
    found: Characteristics,
) -> None:
    table = grid(found, "Decorators with a true gain of 0.005")
    for column in table.columns[1:]:
        shares = [table.share(f"best of {tried}", column).value for tried in (1, 10, 100)]
        assert shares == sorted(shares)
    for name, _ in table.rows:
        shares = [table.share(name, f"x 1, {share} anew").value for share in ("0", "0.61", "0.8")]
        assert shares == sorted(shares, reverse=True)


def test_a_mean_that_was_selected_is_a_harder_bar_than_a_fresh_one() -> None:
    world = World(1.2 * MARGIN, SD, degrees=4, host_sd=HOST_SHARE * SD)
    found = new_bar(procedure(), world, entries=4_000)
    assert found.selected is not None and found.fresh is not None
    assert found.selected > found.fresh > 0
    # Hardly any luck is needed by who is far better.
    far = new_bar(procedure(), World(3 * MARGIN, SD), entries=2_000)
    assert far.selected is not None and abs(far.selected) < 1e-4
    assert new_bar(procedure(), World(0.0, SD), entries=100).fresh is None


def test_levels_that_are_spent_bound_all_tries(found: Characteristics) -> None:
    table = grid(found, "Tries")
    spent, unspent = (
        [table.share(name, column).value for column in table.columns[1:]]
        for name in ("0.005, levels spent", "0.005")
    )
    assert spent[-1] < unspent[-1]
    assert unspent == sorted(unspent) and spent == sorted(spent)


def test_a_goal_is_told_as_missed_where_it_is(found: Characteristics) -> None:
    assert [goal.met for goal in found.goals][2]
    assert not found.goals[-1].met  # the best of a hundred starts, at three times the deviation
    text = characteristics_text(ASKED, found)
    assert "| **missed** |" in text and "| met |" in text


def test_a_share_is_told_to_the_digits_that_its_error_allows() -> None:
    assert told(Share(0.00974, 0.0002)) == "0.97"
    assert told(Share(0.8318, 0.001, "x 2")) == "83.2 (x 2)"
    assert told(Share(0.0, 1 / 1000)) == "< 0.3"
    assert told(Share(1.0, 1 / 200_000)) == "100.0"
    assert told(Share(0.012, 0.0002), error=True) == "1.20 ± 0.02"


def test_the_figure_stands_alone_and_has_a_line_for_each_set_of_rules(
    found: Characteristics,
) -> None:
    import xml.etree.ElementTree as ElementTree

    for text in (figure(found), FIGURE.read_text()):
        drawing = ElementTree.fromstring(text)
        paths = drawing.iter("{http://www.w3.org/2000/svg}path")
        lines = [path for path in paths if path.get("d", "").count("L") > 30]
        assert len({path.get("stroke") for path in lines}) == 4
        assert "href" not in text and "url(" not in text


def test_rules_that_know_no_deviation_are_refused() -> None:
    with pytest.raises(UsageError, match="field_sd_bpb"):
        characteristics(Significance.model_validate(PLAIN), FIELD, entries=10)
