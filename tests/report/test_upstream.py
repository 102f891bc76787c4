"""Scorecards of scripts in upstream's layout: what was only printed never looks like a record."""

from typing import Any

import pytest
from rich.console import Console

from harness.judge.only_reproduced import NOBODY_CHECKED
from harness.judge.verdict import Verdict
from harness.report.markdown import render_markdown
from harness.report.terminal import render_text, scorecard
from tests.factories.verdicts import script

WIDTHS = (40, 60, 80, 100, 140)
PRINTED: dict[str, dict[str, Any]] = {
    "rests on a cache": {"rests_on": "cache"},
    "cannot be asked": {"whole": True},
}


def reproduced(kind: str) -> Verdict:
    verdict = script(**PRINTED[kind])
    assert verdict.verdict == "REPRODUCED"
    return verdict


def flat(text: str) -> str:
    return " ".join(text.replace("┃", " ").split())


@pytest.mark.parametrize("kind", PRINTED)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_sentence_is_in_the_banner_and_in_the_last_line(kind: str, width: int) -> None:
    text = flat(render_text(reproduced(kind), width=width))
    banner, _, _ = text.partition("How far the script got")
    assert NOBODY_CHECKED in banner
    assert text.rstrip().endswith(NOBODY_CHECKED)
    assert "never a record" in banner
    assert "VERIFIED" not in text and "no bar to beat" not in text


@pytest.mark.parametrize("kind", PRINTED)
def test_the_sentence_is_in_markdown_and_there_is_no_green_mark_on_it(kind: str) -> None:
    text = render_markdown(reproduced(kind))
    head, _, _ = text.partition("### How far the script got")
    assert NOBODY_CHECKED in head
    assert "✅" not in head


def test_its_banner_and_its_last_line_are_not_green() -> None:
    """Those of a record are, so that this test sees what it looks for."""

    def styles(verdict: Verdict) -> list[str]:
        console = Console(width=100, color_system="standard", force_terminal=True, _environ={})
        lines = console.render_lines(scorecard(verdict), pad=False)
        whole = [
            *(lines[:3]),
            next(line for line in reversed(lines) if "".join(s.text for s in line).strip()),
        ]
        return [str(segment.style) for line in whole for segment in line if segment.style]

    assert any("green" in style for style in styles(script()))
    assert not any("green" in style for style in styles(reproduced("rests on a cache")))


def test_what_the_network_alone_scores_stands_beside_what_was_printed() -> None:
    text = flat(render_text(reproduced("rests on a cache"), width=100))
    assert "printed 2.610100 BPB (claimed: 2.610100); the network alone scores 2.610000" in text
    assert "Its claim rests on a cache that mixes the probability of the target alone." in text
    assert "Did the bar fall?" not in text and "Doubts, charged" not in text
    other = flat(render_text(reproduced("cannot be asked"), width=100))
    assert "network alone" not in other
    assert "not possible nothing of it can be asked for logits" in other


def test_a_record_of_a_script_says_that_the_score_is_ours() -> None:
    verdict = script()
    text = flat(render_text(verdict, width=100))
    assert verdict.verdict == "VERIFIED"
    assert "VERIFIED: a new record" in text
    assert NOBODY_CHECKED not in text.lower()
    assert "the score is the one above" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_each_stage_has_its_word_at_every_width(width: int) -> None:
    text = flat(render_text(script(printed=None), width=width))
    for said in ("proven yes our loss", "trained blind yes every", "scored by us yes 2.6100 BPB"):
        assert said in text
    assert "reproduced not reached" in text


def test_the_bridge_is_shown_with_its_reasons() -> None:
    text = flat(render_text(script(), width=100))
    assert "launch.env.NUM_LAYERS 9 (README.md, its command)" in text
    assert "README.md, its command" in render_markdown(script())


@pytest.mark.parametrize(
    "text",
    ["[", "a = " + "[" * 9000, "x" * 40_000, "\x1b[31m = 1", "[why]\nwhy = [1]\n", "why = 3"],
)
def test_a_bridge_that_nobody_can_read_is_no_reason_to_fail(text: str) -> None:
    """A verdict's file may come from anybody."""
    verdict = script()
    assert verdict.upstream is not None
    found = verdict.upstream.model_copy(update={"bridge": text})
    drawn = verdict.model_copy(update={"upstream": found})
    assert "The bridge" in render_text(drawn, width=100)
    assert "\x1b" not in render_text(drawn, width=100)
    render_markdown(drawn)


def test_a_long_bridge_is_cut_and_says_so() -> None:
    verdict = script()
    assert verdict.upstream is not None
    long = "[launch.env]\n" + "".join(f"X{number} = '1'\n" for number in range(200))
    found = verdict.upstream.model_copy(update={"bridge": long})
    text = render_text(verdict.model_copy(update={"upstream": found}), width=100)
    assert "140 more are not shown" in text
