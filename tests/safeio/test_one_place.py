"""Strangers' files and strings are opened, parsed and cleaned in safeio, and nowhere else."""

import re
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent
# What runs in a sandbox imports nothing of ours.
OTHERS = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in ("safeio", "inside")
)
PRIMITIVES = {
    "a file is opened with open_inside or open_named": re.compile(r"\bO_(NOFOLLOW|NONBLOCK)\b"),
    "what is shown goes through plain or plain_line": re.compile(
        r"\bunicodedata\b|\bisprintable\b"
    ),
    "TOML is read with parse_toml": re.compile(r"\btomllib\b"),
    "JSON is read with parse_json or parse_model": re.compile(r"\bjson\.loads?\("),
    "models share Fact or Exact": re.compile(r"ConfigDict\([^)]*extra=\"forbid\""),
}
# Exceptions where a primitive is allowed, and why.
ALLOWED = {
    ("models.py", "models share Fact or Exact"),  # they are made there
    # A line a document, millions of them, of which one key is looked at.
    ("data/format/documents.py", "JSON is read with parse_json or parse_model"),
    # A line of a program that runs in the helper's container, of what we tell it ourselves.
    ("sandbox/docker/settling.py", "JSON is read with parse_json or parse_model"),
    # One line of our own program's, cut to 300 characters.
    ("sandbox/docker/base_image.py", "JSON is read with parse_json or parse_model"),
    ("sandbox/selfcheck/probes.py", "JSON is read with parse_json or parse_model"),
    ("sandbox/channels/tally.py", "JSON is read with parse_json or parse_model"),
    # A line of our own watcher in the keeper, which runs nothing of a stranger's.
    ("sandbox/docker/watching.py", "JSON is read with parse_json or parse_model"),
    # Names of modules that scripts import, in a table; none of them is used.
    ("source_code/outer_calls.py", "what is shown goes through plain or plain_line"),
    ("source_code/file_calls.py", "TOML is read with parse_toml"),
}


def uses(source: str) -> set[str]:
    return {rule for rule, primitive in PRIMITIVES.items() if primitive.search(source)}


def test_no_other_room_has_its_own() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), rule)
        for path in OTHERS
        for rule in uses(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "os.open(path, os.O_RDONLY | os.O_NOFOLLOW)",
        "import unicodedata",
        "''.join(c if c.isprintable() else '?' for c in text)",
        "tomllib.loads(text)",
        "json.loads(text)",
        "json.load(file)",
        'model_config = ConfigDict(extra="forbid", frozen=True)',
    ],
)
def test_the_search_finds_them(source: str) -> None:
    assert len(uses(source)) == 1
