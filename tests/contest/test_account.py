"""Whose an entry is: spellings that a machine can see to be one are one account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contest.account import LONGEST_ACCOUNT, NOBODY, account, account_from, account_of
from harness.errors import UsageError
from tests.factories.plans import entry


@pytest.mark.parametrize(
    "spelling",
    [
        "octocat",
        "Octocat",
        " octo cat\n",
        "@OCTOCAT",
        "@ octocat",
        "\u200boct\u2060ocat",
        "\uff4f\uff23tocat",  # full-width
        "\uff20octocat",
    ],
)
def test_case_white_space_and_what_nobody_sees_make_no_other_account(spelling: str) -> None:
    assert account_of(entry(github_id=spelling, author="whoever")) == "@octocat"


def test_without_a_github_id_it_is_the_authors_name() -> None:
    assert account("", "Ä. Author") == account(" \u200b", "a\u0308.AUTHOR") == "ä.author"
    assert account("", "") == account("@", "\u200b") == NOBODY


@pytest.mark.parametrize("text", ["", " ", "@", " @ ", "\u200b", "@\u2060@"])
def test_who_writes_nothing_means_nobody(text: str) -> None:
    with pytest.raises(UsageError, match="names no account; expected @ and a GitHub id"):
        account_from(text)


def test_a_name_is_never_anothers_github_id() -> None:
    assert account("", "@octocat") == "octocat" != account("octocat", "")


@given(st.text(max_size=40), st.text(max_size=40))
def test_an_account_is_one_word_that_can_be_typed_again(github_id: str, author: str) -> None:
    found = account(github_id, author)
    assert 1 <= len(found) <= LONGEST_ACCOUNT
    assert account_from(found) == found


@given(st.text(max_size=30), st.sampled_from([str.upper, str.title, str.casefold]))
def test_no_spelling_of_a_name_has_another_account(name: str, write: object) -> None:
    assert account(f"  {name}\u200b ", "") == account(name, "")
    ascii_name = "".join(letter for letter in name if letter.isascii())
    assert callable(write)
    assert account(write(ascii_name), "") == account(ascii_name, "")


def test_however_long_it_is() -> None:
    assert len(account("\ufdfa" * 100_000, "")) == LONGEST_ACCOUNT
