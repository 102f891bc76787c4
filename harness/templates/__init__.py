"""Small entries to begin with, as data; ``begin.py`` writes one.

A template is a folder. Each of an entry's files is the template's own, else that of ``gpt``: so a
template holds what is special about it. Nothing of it is in a digest of the code that measures.
"""

TEMPLATES = {
    "gpt": "a small transformer over the dataset's tokens",
    "bytes": "the same over bytes, without a tokenizer",
    "count": "counts of pairs that go on learning while they are scored; no network",
}
FILES = ("README.md", "submission.json", "submission.toml", "train.py")
"""What an entry consists of; ``train.py`` trains and loads."""
MARK = "DECIDE"
"""Stands in a comment wherever whoever enters must choose."""
