"""Whatever form content has, what an entry brings weighs as much as the content, and no less."""

import base64
import lzma
import os
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.contest.brought_along import (
    COMPRESSED_BYTES,
    brought_along,
    compressed_bytes,
    container,
    contradicted,
    counted_bytes,
    in_words,
)
from harness.contest.entry import Entry, Function, Score, Tokenizer, Train
from harness.contest.loading import load_submission
from harness.contest.track import load_track
from harness.gate.precheck import precheck
from tests.factories.plans import entry
from tests.factories.playground import ROOT, write_submission

TRACK = load_track("10min_16mb")
ALLOWED = TRACK.brought_along or pytest.fail("the official track must say what may be brought")
SUBMISSIONS = sorted(path.parent for path in (ROOT / "submissions").glob("*/submission.toml"))
SCRIPT = (ROOT / "submissions/naive_baseline/train_gpt.py").read_bytes()
MODELS = ROOT.parent / "shared/data/tokenizers"
# The container of an entry with nothing in it weighs more than what a compressor may guess.
SMALL = 32

Made = tuple[dict[str, bytes], dict[str, Any]]


def train(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"command": ("python", "train.py"), "artifact": "model.bin"}
    return {"train": Train(**(fields | changes))}


def a_file(content: bytes) -> Made:
    return {"train.py": b"pass\n", "weights.bin": content}, {}


def a_literal(content: bytes) -> Made:
    return {"train.py": f"WEIGHTS = {content!r}\n".encode()}, {}


def a_docstring(content: bytes) -> Made:
    return {"train.py": f'"""{base64.b85encode(content).decode()}"""\n'.encode()}, {}


def numbers(content: bytes) -> Made:
    return {"train.py": f"WEIGHTS = {list(content)}\n".encode()}, {}


def one_number(content: bytes) -> Made:
    return {"train.py": f"WEIGHTS = {int.from_bytes(b'1' + content, 'big'):#x}\n".encode()}, {}


def white_space(content: bytes) -> Made:
    digits = "".join(f"{byte:08b}" for byte in content)
    return {"train.py": b"pass\n" + digits.translate({48: " ", 49: "\t"}).encode()}, {}


def indentation(content: bytes) -> Made:
    return {
        "train.py": "".join(f"if 1:\n{' ' * (byte + 1)}pass\n" for byte in content).encode()
    }, {}


def packed_source(content: bytes) -> Made:
    packed = base64.b85encode(lzma.compress(b"WEIGHTS = " + repr(content).encode()))
    return {
        "train.py": b"import lzma, base64\nexec(lzma.decompress(base64.b85decode(%r)))" % packed
    }, {}


def a_picture(content: bytes) -> Made:
    body = b"IDAT" + zlib.compress(b"\0" + content)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return {"train.py": b"pass\n", "picture.png": b"\x89PNG\r\n\x1a\n" + chunk}, {}


def names_of_files(content: bytes) -> Made:
    text = base64.urlsafe_b64encode(content).decode().rstrip("=")
    parts = [f"w/{at // 150:03}{text[at : at + 150]}" for at in range(0, len(text), 150)]
    return {"train.py": b"pass\n"} | dict.fromkeys(parts, b""), {}


def lengths_of_files(content: bytes) -> Made:
    return {"train.py": b"pass\n"} | {f"{n:05}": b"x" * byte for n, byte in enumerate(content)}, {}


def variables(content: bytes) -> Made:
    text = content.hex()
    named = {f"W{at}": text[at : at + 1000] for at in range(0, len(text), 1000)}
    return {"train.py": b"pass\n"}, train(environment=named)


def names_of_variables(content: bytes) -> Made:
    text = content.hex()
    named = {f"W{at:05}{text[at : at + 100]}": "" for at in range(0, len(text), 100)}
    return {"train.py": b"pass\n"}, train(environment=named)


def arguments(content: bytes) -> Made:
    return {"train.py": b"pass\n"}, train(command=("python", "train.py", content.hex()))


def a_comment_of_the_manifest(content: bytes) -> Made:
    return {"train.py": b"", "submission.toml": b"# " + base64.b85encode(content)}, {}


FORMS: list[Callable[[bytes], Made]] = [
    *(a_file, a_literal, a_docstring, numbers, one_number, white_space, indentation),
    *(packed_source, a_picture, names_of_files, lengths_of_files, variables),
    *(names_of_variables, arguments, a_comment_of_the_manifest),
]


def weighed(files: Mapping[str, bytes], **changes: Any) -> int:
    return compressed_bytes(container(entry(files, **changes), files))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@settings(max_examples=12)
@given(st.integers(0, 1 << 64), st.integers(0, 1500))
def test_nothing_weighs_less_than_what_it_holds(
    form: Callable[[bytes], Made], seed: int, size: int
) -> None:
    files, changes = form(random.Random(seed).randbytes(size))
    assert weighed(files, **changes) >= size - SMALL


@given(st.integers(0, 1 << 64), st.integers(200, 1500))
def test_the_order_of_variables_is_seen_by_the_code_and_so_it_is_weighed(
    seed: int, size: int
) -> None:
    order = list(range(size))
    random.Random(seed).shuffle(order)
    plain, shuffled = (
        weighed({"train.py": b""}, **train(environment={f"W{n}": "" for n in numbers}))
        for numbers in (range(size), order)
    )
    assert shuffled > plain + size / 8  # log2(size!) bits, and more than one for each


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,3}(/[a-z]{1,2})?", fullmatch=True),
        st.binary(max_size=40),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_files_changes_nothing(files: dict[str, bytes], chance: random.Random) -> None:
    names = list(files)
    chance.shuffle(names)
    other = {name: files[name] for name in names}
    assert brought_along(entry(files), files) == brought_along(entry(other), other)


@settings(max_examples=10)
@given(
    st.lists(st.sampled_from([0o400, 0o644, 0o755, 0o777]), min_size=3, max_size=3),
    st.lists(st.integers(0, 2**31), min_size=3, max_size=3),
)
def test_neither_modes_nor_times_of_files_change_anything(
    tmp_path_factory: pytest.TempPathFactory, modes: list[int], times: list[int]
) -> None:
    folder = write_submission(tmp_path_factory.mktemp("made") / "toy")
    before = load_submission(folder)
    for path, mode, time in zip(sorted(folder.iterdir()), modes, times, strict=True):
        path.chmod(mode)
        os.utime(path, (time, time))
    after = load_submission(folder)
    one, other = (brought_along(s.entry("smoke"), s.contents) for s in (before, after))
    assert one == other


@given(
    *(
        st.dictionaries(
            st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True),
            st.binary(max_size=4),
            min_size=1,
            max_size=3,
        )
        for _ in range(2)
    )
)
def test_two_contents_never_make_one_container(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assume(one != other)
    assert container(entry(one), one) != container(entry(other), other)


FILES = {"train.py": b"pass\n", "own.model": b"pieces"}
VISIBLE: list[dict[str, Any]] = [
    {"folder": "another"},
    train(command=("python", "-O", "train.py")),
    train(environment={"A": "1"}),
    train(environment={"A": "2"}),
    train(artifact="other.bin"),
    train(checkpoint="full.bin"),
    train(data={"data/*.bin": "train"}),
    {"tokenizer": Tokenizer(kind="bytes")},
    {"tokenizer": Tokenizer(kind="model", file="own.model")},
    {"tokenizer": Tokenizer(kind="code", code="train:Words")},
    {"tokenizer": Tokenizer(kind="code", code="train:Words", file="own.model")},
    *(
        {"score": Score(**({"loader": loader, "sequence_length": 256, "stride": 64} | more))}
        for loader in (Function(load="train:load"), Function(load="train:load", describe="train:d"))
        for more in ({}, {"stride": 32}, {"sequence_length": 128}, {"segment": 8})
    ),
]


def test_every_setting_that_the_code_can_see_is_in_the_container() -> None:
    made = [container(entry(FILES, **changes), FILES) for changes in ({}, *VISIBLE)]
    assert len(set(made)) == len(made)


def test_what_the_code_cannot_see_is_not() -> None:
    hidden = {"name": "Other", "author": "Else", "github_id": "else"}
    assert container(entry(FILES, **hidden), FILES) == container(entry(FILES), FILES)


def test_no_field_of_an_entry_is_neither() -> None:
    """Whoever adds a field to an entry decides here whether its code can see it."""
    weighed = {"folder", "tokenizer", "train", "score", "files"}
    elsewhere = {"layout", "name", "author", "github_id", "claim", "digest", "bridge"}
    assert set(Entry.model_fields) == weighed | elsewhere


def test_what_is_packed_weighs_what_it_weighs_unpacked() -> None:
    packed = base64.b85encode(lzma.compress(SCRIPT, preset=9 | lzma.PRESET_EXTREME))
    source = b"import lzma, base64\nexec(lzma.decompress(base64.b85decode(%r)))\n" % packed
    plain, packed_bytes = (weighed({"train.py": content}) for content in (SCRIPT, source))
    assert len(source) < len(SCRIPT) / 2
    assert plain <= packed_bytes < 1.1 * plain
    assert packed_bytes < ALLOWED.free_bytes


def test_plain_source_that_repeats_itself_is_no_burden() -> None:
    lines = [f"    layer_{n} = block(layer_{n - 1}, heads=8, width=512)\n" for n in range(1, 6500)]
    source = ("def forward(layer_0):\n" + "".join(lines)).encode()
    assert len(source) > 350_000
    assert weighed({"train.py": source}) < ALLOWED.free_bytes


def test_what_lies_beyond_what_is_compressed_counts_in_full() -> None:
    whole = bytes(COMPRESSED_BYTES)
    assert compressed_bytes(whole) < 2000
    assert compressed_bytes(whole + bytes(1_000_000)) == compressed_bytes(whole) + 1_000_000


@pytest.mark.parametrize("folder", SUBMISSIONS, ids=lambda path: path.name)
def test_our_own_submissions_bring_no_more_than_is_free(folder: Path) -> None:
    submission = load_submission(folder)
    (found,) = (f for f in precheck(submission, TRACK) if f.id == "brought_along")
    assert found.status == "pass" and " of 24.6 kB free" in found.detail
    brought = brought_along(submission.entry(TRACK.name), submission.contents)
    assert found.measured == brought.bytes < ALLOWED.free_bytes
    assert brought.bytes < sum(file.compressed_bytes for file in brought.files) + 500


def test_the_check_refuses_weights_and_names_the_file(tmp_path: Path) -> None:
    folder = write_submission(tmp_path / "toy")
    (folder / "model.py").write_text((folder / "model.py").read_text() + "\nNOTHING = None\n")
    (folder / "train.py").write_bytes(b"W = %r\n" % random.Random(3).randbytes(140_000))
    found = next(f for f in precheck(load_submission(folder), TRACK) if f.id == "brought_along")
    assert (found.status, found.field, found.limit) == ("fail", "code.files", 131_072)
    assert "train.py" in found.detail and "more than the 131.1 kB allowed" in found.detail
    assert "a maintainer reviews" in found.remedy


# -- A tokenizer of its own.


def test_the_model_of_a_tokenizer_is_weighed_apart() -> None:
    model = random.Random(4).randbytes(100_000)
    files = {"train.py": b"pass\n", "own.model": model}
    own = entry(files, tokenizer=Tokenizer(kind="model", file="own.model"))
    brought = brought_along(own, files)
    assert brought.bytes < 1000 and brought.tokenizer_bytes == compressed_bytes(model)
    assert [file.name for file in brought.files] == ["train.py"]
    counted = counted_bytes(brought, ALLOWED, normal_form_bytes=None)
    assert counted == brought.bytes + brought.tokenizer_bytes - 30_000
    assert counted_bytes(brought, ALLOWED, normal_form_bytes=29_000) == brought.bytes
    assert counted_bytes(brought, ALLOWED, normal_form_bytes=31_000) == brought.bytes + 1000


def test_the_file_of_a_tokenizer_that_is_code_is_a_file_like_any_other() -> None:
    files = {"train.py": b"pass\n", "own.model": random.Random(5).randbytes(5000)}
    coded = Tokenizer(kind="code", code="train:Words", file="own.model")
    brought = brought_along(entry(files, tokenizer=coded), files)
    assert brought.bytes > 5000 and brought.tokenizer_bytes is None


@pytest.mark.skipif(not MODELS.exists(), reason=f"{MODELS}: not here")
def test_a_real_tokenizer_of_8192_pieces_passes_even_as_it_is() -> None:
    model = (MODELS / "fineweb_8192_bpe.model").read_bytes()
    files = {"train.py": SCRIPT, "own.model": model}
    own = entry(files, tokenizer=Tokenizer(kind="model", file="own.model"))
    brought = brought_along(own, files)
    as_it_is = counted_bytes(brought, ALLOWED, normal_form_bytes=None)
    assert ALLOWED.free_bytes < as_it_is < ALLOWED.limit_bytes
    # Pieces and scores alone: 3.55 bytes a piece.
    in_normal_form = counted_bytes(brought, ALLOWED, normal_form_bytes=round(3.55 * 8192))
    assert in_normal_form == brought.bytes < ALLOWED.free_bytes


# -- Words, and what is weighed again.


def test_sizes_are_told_so_that_the_larger_one_is_seen() -> None:
    def said(counted: int) -> str:
        return in_words(counted, free_bytes=24_576, limit_bytes=131_072)

    assert said(19_012) == "19.0 kB of 24.6 kB free"
    assert said(24_576) == "24.6 kB of 24.6 kB free"
    assert said(24_575) == "24.57 kB of 24.58 kB free"
    assert said(24_577) == "24.577 kB, more than the 24.576 kB free"
    assert said(131_073) == "131.073 kB, more than the 131.072 kB allowed"


def test_what_is_weighed_again_must_be_the_same_but_for_the_compressor() -> None:
    files = {"train.py": SCRIPT, "own.model": SCRIPT[::-1]}
    own = entry(files, tokenizer=Tokenizer(kind="model", file="own.model"))
    again = brought_along(own, files)
    (script,) = again.files

    def told(**changes: Any) -> str:
        return contradicted(again.model_copy(update=changes), again)

    assert told() == told(bytes=again.bytes + 50) == told(bytes=round(again.bytes * 0.995)) == ""
    assert told(bytes=round(again.bytes * 0.98)) == "bytes"
    assert told(container_sha256="0" * 64) == "container_sha256"
    assert told(files=()) == "files"
    assert told(tokenizer_bytes=None) == told(tokenizer_bytes=1) == "tokenizer_bytes"
    for field in ("bytes", "compressed_bytes"):
        assert told(files=(script.model_copy(update={field: 1}),)) == "files.train.py"
