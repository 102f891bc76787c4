"""Lines of keys: found where a parser tells none, and never a reason to fail."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from harness.safeio.key_lines import TomlLines, line_of_json_key

TOML = """\
# comment = 1
top = 1
words = [
  "a",  # [not.a.table]
]

[table] # said = 1
"quoted" = "x = 1"
in.side = 2
[table.'deep']
key = "\u2028"
last = 3
[[rows]]
cell = 1
"""


def test_keys_and_tables_have_their_lines() -> None:
    tomllib.loads(TOML)
    lines = TomlLines(TOML.encode())
    found = {
        "top": 2,
        "words": 3,
        "table": 7,
        "table.quoted": 8,
        "table.in.side": 9,
        "table.deep": 10,
        "table.deep.key": 11,
        "table.deep.last": 12,
        "rows": 13,
        "rows.cell": 14,
    }
    assert {key: lines.of(key) for key in found} == found
    assert lines.of("comment") is None and lines.of("") is None and lines.of() is None


def test_what_is_not_there_is_shown_where_it_is_missing() -> None:
    lines = TomlLines(TOML.encode())
    assert lines.of("table.absent") == 7
    assert lines.of("words.0.more") == 3
    assert lines.of("absent.key") is None
    assert lines.of("absent.key", "top") == 2
    assert lines.of("table.absent", "table.in.side") == 9


def test_the_first_line_of_a_claim() -> None:
    assert line_of_json_key(b'{\n "a": 1,\n "b": {"a": 2}}', "a") == 2
    assert line_of_json_key(b'{"a": "b"}', "c") is None


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_have_lines_or_none(content: bytes, key: str) -> None:
    for found in (TomlLines(content).of(key), line_of_json_key(content, key)):
        assert found is None or 1 <= found <= content.count(b"\n") + 1
