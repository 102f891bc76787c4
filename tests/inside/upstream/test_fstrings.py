"""F-strings of Python 3.12 say under 3.11 what they say under 3.12."""

import sys

import pytest

from harness.inside.upstream.fstrings import TooNewError, is_newer, readable_by_311

VALUES = {"d": {"k": 7, "f": 2.5}, "x": 3, "w": 6, "s": "abc", "L": [1, 2], "xs": ["p", "q"]}
# What Python 3.12 gives for them.
NEWER = [
    ('f"{d["k"]}"', "7"),
    ("f'{d['k']}'", "7"),
    ('f"a{d["k"]:>{w}}b"', "a     7b"),
    ('f"{d["f"]:.2f}|{d["k"]!r}"', "2.50|7"),
    ("f\"{'\\n'.join(xs)}\"", "p\nq"),
    ("f'{x:{'>'}{w}}'", "     3"),
    ('f"{f"{f"{x}"}"}"', "3"),
    ('f"{d["k"]=}"', 'd["k"]=7'),
    ('f"{ d["k"] = }"', ' d["k"] = 7'),
    ('f"{d["f"]=:.1f}"', 'd["f"]=2.5'),
    ('f"{{{d["k"]}}}"', "{7}"),
    ('f"a{d["k"]}" "b{c}" f"{x}"', "a7b{c}3"),
    ('"a" f"{d["k"]}".upper()', "A7"),
    ('f"{x # three\n}"', "3"),
    ('f"{\nx\n+1}"', "4"),
    ('rf"\\d{d["k"]}"', "\\d7"),
    ('f"\\N{BULLET}{d["k"]}\\x41"', "\u20227A"),
    ('f"{(lambda q: q["k"])(d)}"', "7"),
    ('f"{d["k"] if x != 3 or s == "abc" else 0}"', "7"),
    ('f"{L[0], d["k"]}"', "(1, 7)"),
    ('f"{x:{w}}{d["k"]:{"<"}{w}}|"', "     37     |"),
    ("f'''{d['''k''']}'''", "7"),
    ('f"""{d["""k"""]}\n{x}"""', "7\n3"),
    ('f"{s!r:>{d["k"]}}"', "  'abc'"),
    ('f"{ {"a": d["k"]}["a"] }"', "7"),
    ('f"{"{}"}{x}"', "{}3"),
    ('(f"{d["k"]}"\n# why\n"b")', "7b"),
]
OLDER = [
    'f"{x}"', "f'{d[\"k\"]}'", 'f"{x!r:>{w}}"', 'f"{{}}"', "f'''{s}'''", "'{' + \"}\"", 'b"{x}"',
    '"# no comment" # "a comment', 'f"{x:>3}"', 'rf"\\{x}"',
    'f"\\{x}"', "'it' 's'", 'r"\\\\"', '"\\\\"', '"""a"b""c"""', 'f"{x!s}"', 'f"{x==3}"', 'f"{x=}"',
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), NEWER)
def test_the_same_value(source: str, value: str) -> None:
    rewritten = readable_by_311(source)
    assert eval(f"({rewritten}\n)", {}, dict(VALUES)) == value
    assert rewritten.count("\n") == source.count("\n")
    assert is_newer(source)
    assert readable_by_311(rewritten) == rewritten
    if sys.version_info >= (3, 12):
        assert eval(f"({source}\n)", {}, dict(VALUES)) == value


@pytest.mark.parametrize("source", OLDER)
def test_what_311_reads_stays_as_it_is(source: str) -> None:
    assert readable_by_311(source) == source


def test_two_statements_are_not_joined() -> None:
    source = 'f"{d["k"]}"\n"text"\nx = f"{d["k"]}"\n'
    names = dict(VALUES)
    exec(readable_by_311(source), names)
    assert names["x"] == "7"


def test_types_that_only_annotate_are_blanked() -> None:
    source = (
        "class A[T: int]:\n    def f[U](self, x: int) -> int:\n        return x\n"
        "type B = list[int]\ntype = 3\ntext = '''\ntype C = int\n'''\n"
    )
    rewritten = readable_by_311(source)
    names: dict[str, object] = {}
    exec(rewritten, names)
    assert names["type"] == 3 and "type C" in str(names["text"]) and names["B"] == list[int]
    assert rewritten.count("\n") == source.count("\n")


@pytest.mark.parametrize("source", ['"abc', 'f"{', 'f"{x', 'f"{x:', "'''a", "f'" + "{f'" * 40])
def test_a_string_that_does_not_end_is_refused(source: str) -> None:
    with pytest.raises(TooNewError):
        readable_by_311(source)
