"""Strings of strangers come out as one bounded line of plain text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.safeio.text import plain

UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(), max_size=300), st.integers(0, 120))
def test_is_bounded_printable_and_stable(text: str, limit: int) -> None:
    result = plain(text, limit)
    assert len(result) <= limit
    assert not {unicodedata.category(character) for character in result} & UNPRINTABLE
    assert result == result.strip()
    assert plain(result, limit) == result
    result.encode()  # no lone surrogate is left


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert plain(text, 80) == text


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("a\nb\r\n\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x9b2Jcleared", "2Jcleared"),
        ("\x1b]0;title\x07x", "]0;titlex"),
        ("abc\u202edef\u2066", "abcdef"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("e" + "\u0301" * 50, "e\u0301\u0301"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("\ud800lone", "lone"),
        ("", ""),
    ],
)
def test_what_a_terminal_would_obey_is_removed(hostile: str, expected: str) -> None:
    assert plain(hostile, 100) == expected


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 10_000, 10) == "x" * 7 + "..."
    assert plain("\x00" * 10_000 + "y", 10).endswith("...")
    assert plain("x" * 10, 10) == "x" * 10
