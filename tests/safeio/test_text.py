"""Strings of strangers come out as one bounded line of plain text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.safeio.text import folded, has_unseen, is_plain, plain, plain_line, storable

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


@given(st.text(st.characters(), max_size=300) | st.binary(max_size=300), st.integers(0, 120))
def test_a_line_is_bounded_printable_and_stable(text: str | bytes, limit: int) -> None:
    result = plain_line(text, limit)
    assert len(result) <= limit
    assert result.isprintable()
    assert plain_line(result, limit) == result
    result.encode()


@given(st.text(st.characters(), max_size=200) | st.binary(max_size=200), st.integers(0, 120))
def test_no_cleaner_lets_marks_pile_up(text: str | bytes, limit: int) -> None:
    piled = text + ("\u0301" * 5).encode() if isinstance(text, bytes) else text + "\u0301" * 5
    for cleaner in (plain, plain_line):
        marks = [unicodedata.category(c).startswith("M") for c in cleaner(piled, limit)]
        assert not any(all(marks[i : i + 3]) for i in range(len(marks) - 2))


@given(st.text(st.characters(), max_size=100))
def test_bytes_are_read_as_utf8(text: str) -> None:
    sound = storable(text)
    assert plain(sound.encode(), 50) == plain(sound, 50)
    assert plain_line(sound.encode(), 50) == plain_line(sound, 50)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_a_line_of_ordinary_text_is_left_alone(text: str) -> None:
    assert plain_line(text.encode(), 4000) == text


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("  a\t b", "  a     b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x07\u202eb", "a\ufffd\ufffdb"),
        ("a\u00a0b\u2028c", "a\ufffdb\ufffdc"),
        ("e" + "\u0301" * 50, "e\u0301\u0301"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_a_line_keeps_its_columns_and_shows_its_gaps(hostile: str | bytes, expected: str) -> None:
    assert plain_line(hostile, 100) == expected


def test_a_long_line_is_cut_and_says_so() -> None:
    assert plain_line("x" * 100, 20) == "x" * 9 + " [line cut]"
    assert plain_line("\x1b[0m" * 10_000 + "x", 20).endswith("[line cut]")
    assert len(plain_line("x" * 100, 5)) == 5


@pytest.mark.parametrize(
    "name", ["a\n", " a", "a ", "a  b", "a\u200b", "\ud800", "e\u0301\u0301\u0301", "xxxxx"]
)
def test_what_is_not_shown_as_it_is_is_not_plain(name: str) -> None:
    assert not is_plain(name, 4)


@given(st.text(st.characters(), max_size=60))
def test_what_is_made_plain_is_plain(text: str) -> None:
    assert is_plain(plain(text, 40), 40)
    assert not has_unseen(plain(text, 40))


@given(st.text(st.characters(), max_size=60))
def test_what_is_storable_is_stored(text: str) -> None:
    assert storable(text).encode().decode() == storable(text)
    assert (storable(text) == text) == (not any("\ud800" <= c <= "\udfff" for c in text))


def test_names_that_some_systems_hold_for_one() -> None:
    assert folded("\u00c9t\u00e9.PY") == folded("E\u0301te\u0301.py")
    assert folded("a") != folded("b")
    assert has_unseen("a\u200bb") and has_unseen("a\u2028b") and not has_unseen("a b\u0301")


@pytest.mark.parametrize("blank", ["\u115f", "\u2800", "\u3164", "\uffa0", "\ufe0f", "\U000e0100"])
def test_a_letter_that_is_drawn_as_nothing_is_not_shown(blank: str) -> None:
    assert blank.isprintable()
    assert plain(f"base{blank * 40}line", 80) == "baseline"
    assert has_unseen(f"baseline{blank}") and not is_plain(f"baseline{blank}", 80)


@given(st.text(st.sampled_from(" abZ09.-<"), max_size=30), st.integers(0, 40))
def test_ordinary_letters_take_a_short_way_to_the_same_end(text: str, limit: int) -> None:
    """A letter of another kind at the end sends the same text the long way."""
    longer = plain(f"{text} \u00e9", limit + 2)
    if len(text.strip()) <= limit and "..." not in longer:
        assert plain(text, limit) == longer.removesuffix("\u00e9").strip()
