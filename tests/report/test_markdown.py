"""A stranger's string in Markdown is text: read back by a parser, whatever was put in."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.contest.entry import Claim
from harness.judge.verdict import Note
from harness.models import Finding
from harness.report.blocks import Bars, Pairs, Table
from harness.report.finding_lists import MOST_FINDINGS
from harness.report.markdown import (
    LONGEST_COMMENT,
    bullets,
    code,
    findings_table,
    joined,
    leading,
    prose,
    render_markdown,
    table,
)
from harness.report.sections import parts
from harness.report.shown import Shown
from harness.safeio.text import plain
from tests.factories import verdicts as samples
from tests.factories.blocks import parts_of

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HARMLESS = {
    "text",
    "code_inline",
    "softbreak",
    "strong_open",
    "strong_close",
    "em_open",
    "em_close",
}
# What GitHub makes links, mentions, references, footnotes, emoji or formulas of, in text.
LINKED = re.compile(r"@|#\d|://|www\.|\bGH-\d|\[\^|:\w+:|\$|\b[0-9a-f]{7,40}\b|<", re.IGNORECASE)
PAYLOADS = [
    "[click](https://example.org)",
    "![x](https://example.org/x.png)",
    "<img src=x onerror=alert(1)>",
    "<https://example.org>",
    "https://example.org/a_b_c",
    "www.example.org",
    "someone@example.org",
    "@openai/team look",
    "see #123 and GH-7 and owner/repo#1",
    "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f",
    "text[^1] and [^1]: note",
    "a | b \\| c || d",
    "| --- | --- |",
    "`` ` `` ``` ```` `",
    "`` `x`` @you",
    "\\",
    "ends with a backslash \\",
    "*bold* _it_ ~~gone~~ $x^2$ :tada:",
    "line\n\n# heading\n\n- [ ] task",
    "&#64;someone &commat;x &lt;b&gt;",
    "<!-- leaderboard:end -->",
    "--> <script>",
    "ADR-12 JIRA-123",
    "\u202eright to left",
    "[x]: https://example.org",
    "::error::not a command",
    "1. one",
    "2) two",
    "+ plus",
    "- minus",
    "-5 degrees (-6 at night), is it?",
    "===",
    "---",
]
texts = st.one_of(
    st.sampled_from(PAYLOADS),
    st.text(max_size=80),
    st.text(alphabet="|`\\_*[]()<>!@#:/.-a1 $~^&\n", max_size=40),
)


def tokens(markdown: str) -> list[Token]:
    found = []
    for token in PARSER.parse(markdown):
        found += [token, *(token.children or [])]
    return found


def shown(markdown: str) -> str:
    """What a reader sees, code spans included."""
    return "".join(t.content for t in tokens(markdown) if t.type in ("text", "code_inline"))


def assert_inert(markdown: str) -> None:
    """No element but ours, and nothing in the text that GitHub would link."""
    for token in tokens(markdown):
        assert token.type not in ("link_open", "image", "html_inline", "html_block"), token
        if token.type == "text":
            assert not LINKED.search(token.content), token.content


@settings(deadline=None, max_examples=300)
@given(texts)
@pytest.mark.parametrize("write", [code, prose])
def test_a_string_is_shown_as_it_is_and_as_nothing_else(write: Any, text: str) -> None:
    written = write(text, 60)
    assert_inert(f"name: {written}")
    assert {t.type for t in PARSER.parseInline(f"x {written}")[0].children or []} <= HARMLESS
    expected = plain(text, 60)
    assert shown(f"name: {written}").removeprefix("name:").strip() in (
        expected,
        expected.replace("|", "\u00a6"),
    )


@settings(deadline=None, max_examples=300)
@given(texts)
def test_a_line_that_begins_with_a_string_is_a_paragraph(text: str) -> None:
    written = leading(text, 60)
    kinds = {token.type for token in PARSER.parse(written)}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close"}
    (line, *_) = PARSER.parse(f"- {written}: x")[3:4]
    assert line.type == "inline" and line.level == 3
    assert_inert(written)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_a_table_keeps_its_rows_and_columns(rows: list[tuple[str, str]]) -> None:
    written = table(("a", "b"), [(prose(left, 50), code(right, 50)) for left, right in rows])
    kinds = [token.type for token in PARSER.parse(written)]
    assert kinds.count("tr_open") == len(rows) + 1
    assert kinds.count("td_open") == 2 * len(rows)
    assert kinds[0] == "table_open" and kinds[-1] == "table_close"
    assert_inert(written)


def test_the_parser_would_see_what_is_not_escaped() -> None:
    """The tests above can fail."""
    for payload in PAYLOADS[:4]:
        with pytest.raises(AssertionError):
            assert_inert(f"name: {payload}")
    for payload in PAYLOADS[4:10]:
        with pytest.raises(AssertionError):
            assert_inert(f"name: {payload}")


def test_plain_sentences_stay_readable() -> None:
    for text in (
        "15,863,489 of 16,000,000 bytes; 136,511 left",
        "adds submissions/new, 4 files, and nothing else",
        "train_wallclock: 600.0004 s, 0.0004 over",
        "17 claimed in submission.json, of 16",
    ):
        assert prose(text, 200) == text


@settings(deadline=None, max_examples=100)
@given(texts, texts)
def test_a_scorecard_of_hostile_strings_is_still_a_scorecard(one: str, two: str) -> None:
    honest = samples.complete()
    fields = ("submission", "author", "track", "edition", "dataset", "reason", "evidence")
    changes: dict[str, Any] = {name: one if i % 2 else two for i, name in enumerate(fields)}
    changes["checks"] = tuple(
        check.model_copy(update={"detail": one, "measured": two, "unit": one})
        for check in honest.checks
    )
    changes["seeds"] = tuple(s.model_copy(update={"trouble": two}) for s in honest.seeds)
    changes["statistics"] = honest.statistics.model_copy(update={"bar_source": one})
    changes["digests"] = honest.digests.model_copy(update={"image": two})
    changes["baselines"] = {one: 2.0}
    strange = honest.model_copy(update=changes)
    written = render_markdown(strange)
    assert_inert(written)
    kinds = [token.type for token in PARSER.parse(written)]
    shown = list(parts(Shown(strange), "markdown"))
    found = [block for part in shown for block in parts_of(part.block)]
    tables = [block for block in found if isinstance(block, Table)]
    lists = [block for block in found if isinstance(block, Pairs | Bars)]
    assert len(tables) == 8 and len(lists) == 11
    assert kinds.count("table_open") == len(tables)
    assert kinds.count("tr_open") == sum(1 + len(block.rows) for block in tables)
    assert kinds.count("heading_open") == 1 + sum(bool(part.title) for part in shown)
    assert kinds.count("bullet_list_open") == len(lists)
    assert "ordered_list_open" not in kinds


def test_a_scorecard_says_everything() -> None:
    verdict = samples.verdict()
    written = render_markdown(verdict)
    assert written.startswith("## ✅ VERIFIED")
    for check in verdict.checks:
        assert f"| {check.id} |" in written and check.detail in shown(written)
    for seed in verdict.seeds:
        assert f"{seed.val_bpb:.6f}" in written and f"{seed.artifact_bytes:,}" in written
    for words in ("1.055127 BPB", "p = 0.0073", "claimed 1.054900 BPB, measured 1.055127 BPB"):
        assert words in written
    for digest in verdict.digests.model_dump().values():
        assert digest in written
    assert "killed at the limit" in render_markdown(samples.rejected())
    assert "rehearsal: not isolated" in render_markdown(samples.rehearsed())


def test_a_scorecard_never_grows_beyond_what_a_comment_may_have() -> None:
    long = "@x " * 10_000
    seeds = tuple(samples.seed_result(seed, 1.05, trouble=long) for seed in range(1_000))
    verdict = samples.verdict(
        seeds=seeds,
        reason=long,
        submission=long,
        author=long,
        evidence=long,
        claim=Claim(val_bpb=1.0),
        checks=tuple(c.model_copy(update={"detail": long}) for c in samples.checks()),
    )
    written = render_markdown(verdict)
    assert len(written) <= LONGEST_COMMENT
    assert_inert(written)
    shorter = render_markdown(verdict, limit=5_000)
    assert len(shorter) <= 5_000
    assert "left out here" in shorter and shorter.startswith("## ✅ VERIFIED")


def test_blocks_are_left_out_whole() -> None:
    written = joined(["first\n", "x" * 200 + "\n", "third\n"], limit=150)
    assert "first" in written and "third" in written and "xx" not in written
    assert joined(["a\n", "b\n"], limit=100) == "a\n\nb\n"


def test_findings_are_counted_ordered_and_bounded() -> None:
    notes = [Finding(id="a", status="pass", detail="fine")]
    notes += [Finding(id="b", status="fail", detail="bad | @x", file="f|g.py", line=3)] * 600
    written = findings_table(notes)
    assert written.startswith("600 failed, 0 warnings, 1 passed\n")
    kinds = [token.type for token in PARSER.parse(written)]
    assert kinds.count("tr_open") == MOST_FINDINGS + 1
    assert "101 more are not shown" in written
    assert_inert(written)
    assert bullets(["x", "y"]) == "- x\n- y\n"


def test_what_was_seen_besides_is_shown_and_harmless() -> None:
    seen = Note(id="tried_before", status="unknown", detail="3 times | <b>@all</b>")
    drawn = render_markdown(samples.verdict(findings=(seen,)))
    (line,) = [line for line in drawn.splitlines() if line.startswith("- tried before: ")]
    assert "`" in line  # a stranger's markup stands in a code span
    assert "Seen besides" in drawn
    assert "Seen besides" not in render_markdown(samples.verdict())
