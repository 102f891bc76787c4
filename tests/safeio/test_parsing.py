"""TOML and JSON of strangers: a value within bounds, or a ValueError that says why."""

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from harness.models import Fact, Spelled
from harness.safeio.parsing import (
    DEEPEST,
    LARGEST_BYTES,
    JsonSyntaxError,
    ParseError,
    TomlError,
    check_shape,
    parse_json,
    parse_model,
    parse_toml,
    problems_of,
)

LIMIT = 1 << 20
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


class Point(Fact):
    x: float
    name: str = Field(default="", max_length=5)
    inner: "Point | None" = None


def nested(depth: int) -> Any:
    """A text inside of lists, ``depth`` levels in all."""
    value: Any = "text"
    for _ in range(depth - 1):
        value = [value]
    return value


@given(json_values)
def test_json_comes_back_unless_a_number_is_none(value: Any) -> None:
    content = json.dumps(value).encode()
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        with pytest.raises(ValueError, match="is not a JSON number"):
            parse_json(content, limit_bytes=LIMIT)
    else:
        assert parse_json(content, limit_bytes=LIMIT) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(content: bytes) -> None:
    for parse in (lambda: parse_json(content, limit_bytes=LIMIT), lambda: parse_toml(content)):
        try:
            parse()
        except ValueError as error:
            assert str(error)


@given(st.integers(1, 2 * DEEPEST))
def test_one_depth_for_all_of_them(depth: int) -> None:
    value = nested(depth)
    toml = f"a = {json.dumps(nested(depth - 1))}".encode() if depth > 1 else b""
    if depth <= DEEPEST:
        check_shape(value)
        assert parse_json(json.dumps(value).encode(), limit_bytes=LIMIT) == value
        parse_toml(toml)
        return
    for parse in (
        lambda: check_shape(value),
        lambda: parse_json(json.dumps(value).encode(), limit_bytes=LIMIT),
        lambda: parse_toml(toml),
    ):
        with pytest.raises(ValueError, match=f"nested more than {DEEPEST} levels deep"):
            parse()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 30_000, "nested too deep"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b"{", "not valid JSON: "),
        (b"", "not valid JSON: "),
        (b"NaN", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"1e999", "1e999 is too large a number"),
        (b"1" * 31, "an integer of 31 digits"),
        (b"1" * 5000, "an integer of 5,000 digits"),
        (b'"' + b"x" * 101 + b'"', "a text of more than 100 characters"),
        (b'{"' + b"x" * 101 + b'": 1}', "a text of more than 100 characters"),
        (b" " * 200_001, "larger than 200,000 bytes"),
    ],
)
def test_json_beyond_the_bounds_is_named(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_json(content, limit_bytes=200_000, longest_text=100)


def test_a_syntax_error_knows_its_line() -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        parse_json(b'{\n"a": 1,\n}', limit_bytes=LIMIT)
    assert isinstance(caught.value, ParseError) and caught.value.line == 3
    assert caught.value.problem in str(caught.value)


def test_the_mark_of_utf8_is_no_error() -> None:
    """Editors on Windows put it before what they save, and lines are counted as without it."""
    mark = b"\xef\xbb\xbf"
    assert parse_json(mark + b"[1]", limit_bytes=LIMIT) == [1]
    assert parse_model(Point, mark + b'{"x": 1}', limit_bytes=LIMIT).x == 1
    toml = mark + b'[inner]\r\nx = "far"\r\n'
    with pytest.raises(ValidationError) as caught:
        Point.model_validate(parse_toml(toml))
    assert {problem.field: problem.line for problem in problems_of(caught.value, toml=toml)} == {
        "x": None,
        "inner.x": 2,
    }


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_the_mark_of_another_encoding_is_named(encoding: str) -> None:
    name = encoding[:6].upper()
    content = "\ufeff[a]\nb = 1\n".encode(encoding)
    with pytest.raises(ParseError, match=f"the byte order mark of {name}; save it as UTF-8"):
        parse_toml(content)
    with pytest.raises(ParseError, match=f"the byte order mark of {name}; save it as UTF-8"):
        parse_json(content, limit_bytes=LIMIT)


class Written(Fact):
    """A value of each kind that people write."""

    words: tuple[str, ...] = Field(default=(), min_length=1, max_length=2)
    texts: dict[str, str] = Field(default_factory=dict)
    whole: int = Field(default=2, ge=1, le=9)
    part: float = Field(default=0.5, gt=0, lt=1)
    truth: bool = Field(default=True, strict=True)
    kind: Literal["one", "two"] = "one"
    name: Annotated[str, Spelled(r"^[a-z]+$", 'a name of small letters, such as "ada"')] = "ada"
    inner: Point = Point(x=1)


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("words = \"python a.py --x '1 2'\"", 'a list, such as ["python", "a.py", "--x", "1 2"]'),
        ("words = []", "a list of at least 1"),
        ('words = ["a", "b", "c"]', "a list of at most 2"),
        ('words = ["a", 1]', 'a text in quotes, such as "1"'),
        ("texts = { A = 1.5 }", 'a text in quotes, such as "1.5"'),
        ("texts = 3", "a table of keys"),
        ('whole = "x"', "a whole number without quotes"),
        ("whole = 1.5", "a whole number without quotes"),
        ("whole = 0", "a number of at least 1"),
        ("whole = 10", "a number of at most 9"),
        ("part = 0", "a number above 0"),
        ("part = 1", "a number below 1"),
        ("part = nan", "a number"),
        ('truth = "yes"', "true or false, without quotes"),
        ('kind = "three"', "'one' or 'two'"),
        ('name = "Ada 1"', 'a name of small letters, such as "ada"'),
        ('inner = "x"', "a table of keys"),
        ("inner = { x = [] }", "a number without quotes"),
    ],
)
def test_what_was_expected_is_said_as_people_write_it(toml: str, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Written.model_validate(parse_toml(toml.encode()))
    (problem,) = problems_of(caught.value)
    assert problem.detail.startswith(f"expected {expected}")
    assert "(found " in problem.detail
    for foreign in ("tuple", "dictionary", "pattern", "Input", "instance", "^"):
        assert foreign not in problem.detail


def test_toml_is_bounded() -> None:
    with pytest.raises(ValueError, match=r"larger than 32,768 bytes"):
        parse_toml(b"#" * (LARGEST_BYTES + 1))
    with pytest.raises(ValueError, match="not valid TOML"):
        parse_toml(b"a = " + b"[" * 10_000)


@pytest.mark.parametrize(
    ("content", "kind", "line"),
    [
        (b"a = 1\n\nb = = 2\n", TomlError, 3),
        (b"a = 1\nb = '\xff'\n", ParseError, 2),
        (b"a = " + b"[" * 33 + b"]" * 33, ParseError, None),
    ],
)
def test_a_broken_toml_file_knows_its_line(
    content: bytes, kind: type[ParseError], line: int | None
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_toml(content)
    assert type(caught.value) is kind and caught.value.line == line


def test_a_model_is_read_within_the_same_bounds() -> None:
    assert parse_model(Point, b'{"x": 1, "name": "a"}', limit_bytes=LIMIT) == Point(x=1, name="a")
    deep = b'{"x": 1, "inner": ' * 5 + b"null" + b"}" * 5
    assert parse_model(Point, deep, limit_bytes=LIMIT, deepest=6).x == 1
    with pytest.raises(ValueError, match="nested more than 5 levels deep"):
        parse_model(Point, deep, limit_bytes=LIMIT, deepest=5)
    with pytest.raises(ValueError, match="a text of more than 3 characters"):
        parse_model(Point, b'{"x": 1, "name": "abcd"}', limit_bytes=LIMIT, longest_text=3)
    with pytest.raises(ValidationError):
        parse_model(Point, b'{"x": NaN}', limit_bytes=LIMIT)


@given(st.dictionaries(st.text(max_size=20), json_values, max_size=4))
def test_problems_are_short_plain_lines(value: dict[str, Any]) -> None:
    value["\x1b[31m\n" * 100] = "\u202e" * 10_000
    with pytest.raises(ValidationError) as caught:
        Point.model_validate(value)
    problems = problems_of(caught.value)
    assert len(problems) == len(caught.value.errors())
    for field, detail, line in problems:
        assert field.isprintable() and len(field) <= 200
        assert detail.isprintable() and len(detail) <= 1000
        assert line is None


def test_problems_name_field_and_expectation() -> None:
    with pytest.raises(ValidationError) as caught:
        Point.model_validate({"name": "longer", "y": 1, "inner": {"x": [1] * 100}})
    assert problems_of(caught.value) == [
        ("x", "missing; it must be given", None),
        ("name", "expected a text of at most 5 characters (found 'longer')", None),
        (
            "inner.x",
            "expected a number without quotes (found [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
            "1, 1, 1, 1, 1,...)",
            None,
        ),
        ("y", "unknown key; remove it or correct its spelling", None),
    ]


def test_problems_of_toml_know_their_lines() -> None:
    content = b'# a point\nx = "far"\n\n[inner]\ny = 1\n'
    with pytest.raises(ValidationError) as caught:
        Point.model_validate(parse_toml(content))
    problems = problems_of(caught.value, toml=content)
    assert [(problem.field, problem.line) for problem in problems] == [
        ("x", 2),
        ("inner.x", 4),
        ("inner.y", 5),
    ]
    first, *_ = problems_of(caught.value, within="part")
    assert first.field == "part.x"


def test_a_whole_file_is_not_told_in_its_own_problem() -> None:
    with pytest.raises(ValidationError) as caught:
        Point.model_validate_json("[" + "'" * 100_000)
    (problem,) = problems_of(caught.value)
    assert problem.field == "" and len(problem.detail) < 300
