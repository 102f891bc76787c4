"""Several verifications side by side: what is compared, what is not, and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.judge.side_by_side import SideBySide, side_by_side
from harness.report.html.comparison import render_comparison
from harness.report.recipes import answer_of, comparison_markdown, comparison_table
from tests.factories.plans import entry, plan, strict_track, texts
from tests.factories.playground import harness
from tests.factories.results import failure
from tests.factories.runs import good_runs, seed_run
from tests.factories.stored import store
from tests.judge.test_recipes import KNOWN, A, B, verified
from tests.report.test_power import drawn


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    alike = [score + 0.0001 for score in A]
    return [
        verified(tmp_path / "a", A),
        verified(tmp_path / "b", B, nonce="b"),
        verified(tmp_path / "c", alike, nonce="c"),
    ]


def each(paths: list[Path], **more: Any) -> SideBySide:
    return side_by_side([[path] for path in paths], **more)


def test_each_is_compared_with_the_first(three: list[Path]) -> None:
    found = each(three)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("A", "B"), ("A", "C")]
    compared = found.pairs[0].compared
    assert compared is not None and compared.t == pytest.approx(-7.845803128)
    assert found.best == ("B", "A", "C")
    assert answer_of(found.pairs[0]).startswith("B is better than A by 0.004484 BPB = 0.00746")
    assert answer_of(found.pairs[1]).startswith("No difference is shown")
    assert [recipe.mean_bpb for recipe in found.recipes] == pytest.approx(
        [sum(A) / 3, sum(B) / 3, sum(A) / 3 + 0.0001]
    )


def test_swapping_turns_the_sign_and_the_interval(three: list[Path]) -> None:
    there, back = each(three[:2]).pairs[0].compared, each(three[1::-1]).pairs[0].compared
    assert there is not None and back is not None
    for name in ("difference_bpb", "difference_nats_per_token", "t"):
        assert getattr(back, name) == pytest.approx(-getattr(there, name))
    for name in ("ci99_bpb", "ci99_nats_per_token"):
        low, high = getattr(there, name)
        assert getattr(back, name) == pytest.approx((-high, -low))
    assert back.p == pytest.approx(there.p)
    assert there.documents is not None and back.documents is not None
    assert back.documents.won == 1 - there.documents.won


def test_other_texts_are_not_compared_and_the_rest_is_shown(
    tmp_path: Path, three: list[Path]
) -> None:
    other = verified(tmp_path / "o", B, nonce="o", texts=texts(KNOWN, digest="f" * 64))
    found = each([three[0], other])
    assert found.pairs[0].compared is None
    assert "different texts" in found.pairs[0].why_not
    assert found.best == ("A",)
    text = " ".join(drawn(comparison_table(found), 80).split())
    assert "A and B cannot be compared by their scores" in text
    assert "Time and bytes" in text and "1.056967" in text


def test_without_a_score_it_is_said(tmp_path: Path, three: list[Path]) -> None:
    made = plan(KNOWN, nonce="n")
    nothing = [seed_run(draw, failure=failure("submission", "scoring")) for draw in made.draws]
    lost = store(tmp_path / "none", made, nothing).path
    found = each([three[0], lost])
    assert found.pairs[0].compared is None and "no seed run" in found.pairs[0].why_not
    assert found.recipes[1].mean_bpb is None and found.recipes[1].without_score == len(nothing)
    assert drawn(comparison_table(found), 40)


def test_other_rules_and_budgets_are_named(tmp_path: Path, three: list[Path]) -> None:
    budgets = KNOWN.budget.model_copy(update={"train_seconds": 77})
    track = KNOWN.model_copy(update={"budget": budgets, "edition": "2031-01"})
    other = verified(tmp_path / "o", B, nonce="o", track=track)
    compared = each([three[0], other]).pairs[0].compared
    assert compared is not None
    told = " ".join(compared.remarks)
    assert "2031-01" in told and "77 seconds to train" in told


def test_checks_that_differ_are_told_with_their_figures(tmp_path: Path, three: list[Path]) -> None:
    made = plan(KNOWN, nonce="bad")
    worse = store(tmp_path / "worse", made, good_runs(made, [score + 3 for score in A])).path
    found = each([three[1], worse])
    rules = {row.rule: row.answers for row in found.checks}
    assert [one.status for one in rules["significance"]] == ["pass", "fail"]
    assert all(len({one.status for one in row.answers}) > 1 for row in found.checks)
    assert "fail" in drawn(comparison_table(found), 120)
    same = each(three[:1] + three[2:])
    assert not [row for row in same.checks if row.rule == "artifact_size"]


def test_a_doubt_larger_than_the_difference_is_told(three: list[Path]) -> None:
    compared = each(three).pairs[1].compared
    assert compared is not None and any("no check excludes" in said for said in compared.remarks)


def test_bad_input_is_refused_in_a_sentence(tmp_path: Path, three: list[Path]) -> None:
    with pytest.raises(UsageError, match="at least two"):
        each(three[:1])
    with pytest.raises(UsageError, match="at most 26"):
        each(three * 9)
    with pytest.raises(UsageError, match="count twice"):
        each([three[0], three[1], three[0]])
    for name, content in (("not.json", b"{"), ("empty.json", b""), ("list.json", b"[]")):
        bad = tmp_path / name
        bad.write_bytes(content)
        with pytest.raises(UsageError, match=name):
            each([three[0], bad])
    with pytest.raises(UsageError, match="missing"):
        each([three[0], tmp_path / "missing"])


@pytest.mark.parametrize("width", [40, 80, 140])
def test_it_fits_every_width(three: list[Path], width: int) -> None:
    text = drawn(comparison_table(each(three)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "1.056967" in text


def test_a_margin_is_only_reached_by_what_is_shown(three: list[Path]) -> None:
    text = " ".join(drawn(comparison_table(each(three)), 120).split())
    assert "0.007460 nats a token is more than the 0.005 that a record is asked for" in text
    assert "0.005 nats a token, but no difference is shown at all" in text


def test_names_of_strangers_are_text_in_markdown(tmp_path: Path, three: list[Path]) -> None:
    hostile = entry(name="<img src=x onerror=alert(1)> @everyone \u202e|#1\x1b[2J")
    other = verified(tmp_path / "h", B, nonce="h", entry=hostile)
    text = comparison_markdown(each([three[0], other]))
    assert "`<img src=x onerror=alert(1)> @everyone" in text
    assert "\u202e" not in text and "\x1b" not in text


def test_a_page_holds_answer_pictures_and_names_as_text(tmp_path: Path, three: list[Path]) -> None:
    hostile = entry(name="</title><script>alert(1)</script>\u202e")
    other = verified(tmp_path / "h", B, nonce="h", entry=hostile)
    text = render_comparison(each([*three, other]))
    assert "<script" not in text and "\u202e" not in text
    assert "B is better than A by 0.004484 BPB" in text
    assert 'id="picture-differences"' in text and 'id="picture-recipe-seeds"' in text
    assert "default-src &#39;none&#39;" in text
    assert render_comparison(each([*three, other])) == text


def test_the_command_takes_two_or_more(tmp_path: Path, three: list[Path]) -> None:
    card = tmp_path / "card.md"
    done = harness("compare", *three, "--markdown", card, "--json", "-")
    assert done.code == 0
    assert SideBySide.model_validate(json.loads(done.out)) == each(three)
    assert card.read_text().startswith("B is better than A")
    page = tmp_path / "page.html"
    assert harness("compare", *three, "-o", page).code == 0
    assert "<svg" in page.read_text()
    grouped = harness("compare", three[0], three[2], "--with", three[1], "--json", "-")
    assert len(json.loads(grouped.out)["recipes"]) == 2
    refused = harness("compare", three[0])
    assert refused.code == 2 and "at least two" in refused.err
    assert harness("compare", three[0], three[1], "--markdown", tmp_path).code == 2


def test_a_track_without_knowledge_of_the_field_still_compares(tmp_path: Path) -> None:
    first = verified(tmp_path / "a", A, track=strict_track())
    second = verified(tmp_path / "b", B, track=strict_track(), nonce="b")
    compared = each([first, second]).pairs[0].compared
    assert compared is not None and compared.test == "welch"
