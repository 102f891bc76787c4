"""What a scorecard says of looks, of the test that was asked, and of fresh seeds."""

import pytest

from harness.judge.verdict import Verdict
from harness.report import sentences
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text
from tests.factories import verdicts as samples
from tests.report.test_scorecard import flat


def said(verdict: Verdict) -> str:
    return flat(render_text(verdict, width=200))


def test_the_seeds_own_spread_is_said_to_count_as_the_fields() -> None:
    found = samples.looked_at(samples.TRIPLE)
    assert sentences.asked_in_words(found.statistics) == (
        "p = 0.0047: three seeds 0.00152 below the line; their spread (0.00055) is counted as the "
        "field's 0.0007 and never as less"
    )
    text = said(found)
    assert sentences.asked_in_words(found.statistics) in text
    assert "moderated t-test t = -3.766, df = 6, p = 0.0047 (one-sided, required: below" in text
    own = "upstream's own rule (below 0.01) would have said not shown to be beaten"
    assert f"plain t-test p = 0.02, df = 2: {own}" in text
    assert "0.0007 BPB, worth 4 degrees of freedom: 34 merged records" in text


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        (
            (1.0570, 1.0550, 1.0535),
            "is more than twice the field's 0.0007, so the plain t-test counts",
        ),
        ((1.0560, 1.0550, 1.0573), "and the field's 0.0007 together count as 0.000877"),
        ((1.0570, 1.057, 1.0570), "their spread (0.00000) is counted as the field's"),
        ((1.0570, 1.057000001, 1.0570), "their spread (6e-10) is counted as the field's"),
    ],
)
def test_so_is_any_other_spread(looks: tuple[float, ...], words: str) -> None:
    found = samples.looked_at(looks).statistics
    assert words in sentences.asked_in_words(found)


def test_identical_seeds_have_no_plain_test() -> None:
    found = samples.looked_at((1.0570, 1.0570, 1.0570)).statistics
    assert sentences.plain_in_words(found).startswith("not defined")


def test_every_look_stands_in_a_table_with_what_it_decided() -> None:
    text = said(samples.looked_at(samples.TRIPLE))
    for row in (
        "1 seed 1.057000 1.060589 - - went on",
        "2 seeds 1.056700 1.059539 - - went on",
        "3 seeds 1.056967 1.058839 0.0047 0.005 accepted",
        "5 seeds - 1.058489 - - not reached",
        "8 seeds - - - 0.005 not reached",
    ):
        assert row in text
    assert "Looks" not in render_text(samples.verdict())


def test_hopeless_is_told_in_words_that_need_no_statistics() -> None:
    text = said(samples.hopeless())
    assert (
        "One seed scored 1.061200 BPB, which is 0.002711 BPB above the 1.058489 BPB needed. Above "
        "1.060589 BPB more seeds would hardly help, so it was stopped after 1 of 8: it is not "
        "shown to beat the bar."
    ) in text
    two = samples.looked_at((1.0600, 1.0605))
    assert "2 seeds average 1.060250 BPB" in said(two)


def test_what_has_still_to_be_looked_at_is_said() -> None:
    text = said(samples.looked_at((1.0587, 1.0585, 1.0583)))
    assert "5 seeds are looked at next" not in text  # the mean is above: there is nothing to hint
    below = said(samples.looked_at((1.0580, 1.0585, 1.0581)))
    assert "may be luck: the bar is not shown to be beaten. 5 seeds are looked at next." in below
    assert "2 seeds are looked at next" in said(samples.looked_at((1.0580,)))


def test_of_what_was_rejected_nothing_is_looked_at_next_and_its_score_counts_for_nothing() -> None:
    for scores in ((1.0580,), (1.0580, 1.0585, 1.0581)):
        found = samples.looked_at(scores)
        failed = tuple(
            check.model_copy(update={"status": "fail"}) if check.id == "bytes" else check
            for check in found.checks
        )
        text = said(found.model_copy(update={"verdict": "REJECTED", "checks": failed}))
        assert "looked at next" not in text
        assert "The score counts for nothing: bytes failed." in text


@pytest.mark.parametrize("draw", [said, render_markdown])
def test_the_fresh_mean_is_the_score_to_publish(draw: object) -> None:
    assert callable(draw)
    found = samples.looked_at(samples.TRIPLE, (1.0573, 1.0568, 1.0577))
    text = " ".join(str(draw(found)).split())
    assert "1.057267 BPB (mean of 3 fresh seeds): the score to publish" in text
    assert "3 fresh seeds average 1.057267 BPB, 0.001222 below the threshold" in text
    assert "fresh seed 200" in text and "1.056967 BPB of the looks" in text
    assert "Fresh seeds say whether it holds." in text


def test_what_was_run_beyond_the_look_is_marked() -> None:
    text = said(samples.SAMPLES["run beyond the look"]())
    assert text.count("run beyond the look that decided: shown, not tested") == 2
