"""A sketch of code tells how many lines two entries have in common."""

import base64
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger.sketch import KEPT, Sketch, share_of_its_own, sketch_of


def code(*numbers: int) -> dict[str, bytes]:
    return {"train.py": b"".join(b"x%d = %d\n" % (number, number) for number in numbers)}


LINES = st.sets(st.integers(0, 200), min_size=1, max_size=KEPT)


@given(LINES, LINES)
def test_of_few_lines_the_share_is_exact(one: set[int], other: set[int]) -> None:
    found = share_of_its_own(sketch_of(code(*one)), sketch_of(code(*other)))
    assert found == pytest.approx(len(one - other) / len(one), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(200, 3000), st.floats(0, 1), st.integers(0, 10**6))
def test_of_many_it_is_estimated(count: int, share: float, first: int) -> None:
    """Six standard errors of so many hashes."""
    kept = round(count * (1 - share))
    one = code(*range(first, first + count))
    other = code(*range(first, first + kept), *range(10**7, 10**7 + count - kept))
    found = share_of_its_own(sketch_of(one), sketch_of(other))
    assert found == pytest.approx(1 - kept / count, abs=6 * 0.5 / KEPT**0.5)
    assert kept < count or found == 0


def test_a_copy_is_one_in_whatever_order_and_files() -> None:
    whole = code(*range(1000))["train.py"].splitlines(keepends=True)
    parts = {"b.py": b"".join(whole[:300]), "a.txt": b"".join(reversed(whole[300:]))}
    assert sketch_of(parts) == sketch_of(code(*range(1000)))


def test_white_space_comments_and_settings_do_not_count() -> None:
    plain = {"train.py": b"import torch\nfor i in x:\n    go(i)\n"}
    edited = {
        "train.py": b"# mine\r\nimport  torch\r\n\r\nfor i in x:\r\n\tgo(i)  \r\n",
        "submission.toml": b'author = "somebody else"\n',
        "weights.bin": b"\0\xff",
    }
    assert sketch_of(edited) == sketch_of(plain)


def test_what_is_packed_is_unpacked() -> None:
    inner = code(*range(500))["train.py"]
    packed = base64.b85encode(zlib.compress(inner)).decode()
    script = f"import base64, zlib\nexec(zlib.decompress(base64.b85decode({packed!r})))\n"
    found = sketch_of({"train.py": script.encode()})
    assert found.lines == 502
    assert share_of_its_own(found, sketch_of(code(*range(500)))) < 0.02


@pytest.mark.parametrize(
    "content", [b"", b"exec(", b"(" * 100_000 + b"exec", b"\0exec", b"\xffexec", b"exec(x)\n" * 9]
)
def test_hostile_code_has_a_sketch_too(content: bytes) -> None:
    found = sketch_of({"train.py": content})
    assert len(found.smallest) <= 8 * KEPT
    assert share_of_its_own(found, Sketch(lines=0, smallest="")) == 1


def test_it_is_bounded() -> None:
    found = sketch_of(code(*range(100_000)))
    assert (found.lines, len(found.hashes)) == (100_000, KEPT)
    assert len(found.model_dump_json()) < 1200
