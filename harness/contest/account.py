"""Whose an entry is: the account that its tries are counted under.

It is what the entry itself says: ``@`` and the GitHub id, or else the author's name. Spellings that
a machine can see to be one are one: case, white space, characters that nobody sees, and full-width
and other forms of the same letter. It proves nothing about the person: whoever has two accounts,
or writes another's id, is found by people, who look at who sent the entry and join accounts.
"""

from harness.contest.entry import Entry
from harness.errors import UsageError
from harness.safeio.text import has_unseen, letters_of, plain

LONGEST_ACCOUNT = 200
NOBODY = "nobody"


def account_of(entry: Entry) -> str:
    """The account of an entry."""
    return account(entry.github_id, entry.author)


def account(github_id: str, author: str) -> str:
    """``@`` and the GitHub id, cleaned; without one, the author's name, cleaned.

    A name never begins with ``@``, so that it is no other's GitHub id.
    """
    github, name = _cleaned(github_id), _cleaned(author)
    return (f"@{github}" if github else name or NOBODY)[:LONGEST_ACCOUNT]


def account_from(text: str) -> str:
    """The account that somebody means who writes ``@octocat``, or the name of an author.

    Raises:
        UsageError: nothing is left of it that can be read, so that it names nobody.
    """
    if not _cleaned(text):
        raise UsageError(
            f"{plain(text, 80)!r} names no account; expected @ and a GitHub id, or an author's name"
        )
    return account(text, "") if text.strip().startswith("@") else account("", text)


def _cleaned(text: str) -> str:
    """The same for all spellings of a name that differ in nothing that can be read."""
    text = text[: 4 * LONGEST_ACCOUNT]
    while (again := _once(text)) != text:  # what was between two letters may have kept them apart
        text = again
    return text


def _once(text: str) -> str:
    kept = (
        letter for letter in letters_of(text) if not letter.isspace() and not has_unseen(letter)
    )
    return "".join(kept).lstrip("@")
